"""The developer's control requests to the local cloud, below `/_localcloud/`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from localcloud.faults import FaultError
from localcloud.server import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.faults import Faults
    from localcloud.server import Request
    from localcloud.tasks import Tasks
    from localcloud.vod import Vod

_VOD_TYPES = {"activated": bool, "missing_files": list}


def routes(tasks: Tasks, faults: Faults, vod: Vod) -> dict[str, Callable[[Request], Response]]:
    """Return the handlers by path."""
    return {
        "/_localcloud/tasks": lambda _request: Response.of_json(tasks.report()),
        "/_localcloud/faults": lambda request: _handle_faults(request, faults),
        "/_localcloud/vod": lambda request: _handle_vod(request, vod),
    }


def _handle_faults(request: Request, faults: Faults) -> Response:
    if request.method == "PUT":
        try:
            faults.replace(_json_body(request))
        except FaultError as error:
            return Response.of_json({"error": str(error)}, 400)
    return Response.of_json(faults.remaining())


def _handle_vod(request: Request, vod: Vod) -> Response:
    """Return the settings of VOD; a PUT changes those that it contains."""
    if request.method == "PUT":
        settings = _json_body(request)
        if not isinstance(settings, dict) or not all(
            isinstance(value, _VOD_TYPES.get(name, ())) for name, value in settings.items()
        ):
            error = "a field is unknown or has a wrong type"
            allowed = {"activated": True, "missing_files": ["<FileId>"]}
            return Response.of_json({"error": error, "allowed": allowed}, 400)
        vod.activated = settings.get("activated", vod.activated)
        vod.missing_files = set(settings.get("missing_files", vod.missing_files))
    missing = sorted(vod.missing_files)
    return Response.of_json({"activated": vod.activated, "missing_files": missing})


def _json_body(request: Request) -> object:
    try:
        content: object = json.loads(request.body)
    except ValueError:
        return None
    return content
