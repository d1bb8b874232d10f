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
    from localcloud.tasks import TaskBook
    from localcloud.vod import Vod

_VOD_FIELDS = {"activated": bool, "missing_files": list}


def routes(tasks: TaskBook, faults: Faults, vod: Vod) -> dict[str, Callable[[Request], Response]]:
    """Return the handlers by their paths."""
    return {
        "/_localcloud/tasks": lambda _request: Response.of_json(tasks.report()),
        "/_localcloud/faults": lambda request: _faults(request, faults),
        "/_localcloud/vod": lambda request: _vod(request, vod),
    }


def _faults(request: Request, faults: Faults) -> Response:
    if request.method == "PUT":
        try:
            faults.replace(_content(request))
        except FaultError as error:
            return Response.of_json({"error": str(error)}, 400)
    return Response.of_json(faults.left())


def _vod(request: Request, vod: Vod) -> Response:
    """Switch VOD off and on, and set which FileIds do not exist."""
    if request.method == "PUT":
        switches = _content(request)
        if not isinstance(switches, dict) or not all(
            isinstance(value, _VOD_FIELDS.get(name, ())) for name, value in switches.items()
        ):
            allowed = {"activated": True, "missing_files": ["<FileId>"]}
            return Response.of_json({"error": "not as allowed", "allowed": allowed}, 400)
        vod.activated = switches.get("activated", vod.activated)
        vod.missing_files = set(switches.get("missing_files", vod.missing_files))
    missing = sorted(vod.missing_files)
    return Response.of_json({"activated": vod.activated, "missing_files": missing})


def _content(request: Request) -> object:
    try:
        content: object = json.loads(request.body)
    except ValueError:
        return None
    return content
