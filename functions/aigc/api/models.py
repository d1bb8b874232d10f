"""Models: the catalogue, and the scenes, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.api.call import ENDPOINTS
from aigc.tasks.catalogue import AtMost, ByModel, OneOf, catalogue
from aigc.tasks.kinds import KINDS
from aigc.tasks.vod_scene_image import SCENES
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.tasks.catalogue import Limit, Model


def models(call: Call) -> HttpResponse:
    """Hand out what we know of the vendor's models, and as of when."""
    body: schemas.Models = {
        "as_of": catalogue().as_of,
        "kinds": [_kind(path, kind) for path, kind in ENDPOINTS.items()],
        "scenes": [
            {
                "name": name,
                "config": scene.config,
                "output": sorted(scene.output),
                "is_deprecated": scene.is_deprecated,
            }
            for name, scene in SCENES.items()
        ],
    }
    return HttpResponse(status=200, body=body).versioned(call.request, "private, max-age=300")


def _kind(path: str, kind: str) -> schemas.ModelsOfKind:
    model = KINDS[kind].model
    limited = model.limited if issubclass(model, ByModel) else {}
    known = catalogue().models.get(kind, ())
    return {
        "kind": kind,
        "endpoint": f"/{path}",
        "models": [_model(model, limited) for model in known],
    }


def _model(model: Model, limited: Mapping[str, str]) -> schemas.Model:
    return {
        "name": model.name,
        "version": model.version,
        "source": model.source,
        "limits": [_limit(limited[name], limit) for name, limit in model.limits.items()],
    }


def _limit(parameter: str, limit: Limit) -> schemas.ModelLimit:
    fields: schemas.ModelLimit = {"parameter": parameter, "allowed": str(limit)}
    if isinstance(limit, AtMost):
        fields["at_most"] = limit.number
    if isinstance(limit, OneOf):
        fields["one_of"] = list(limit.words)
    return fields
