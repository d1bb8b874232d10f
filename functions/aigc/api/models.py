"""The catalogue of models and scenes, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.api.call import ENDPOINTS
from aigc.tasks.catalogue import AtMost, ByModel, OneOf, catalogue
from aigc.tasks.kinds import KINDS
from aigc.tasks.vod_scene_image import CHOICES, SCENES, as_words
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.tasks.catalogue import Limit, Model
    from aigc.tasks.vod_scene_image import Scene


def models(call: Call) -> HttpResponse:
    """Return the catalogue of the vendor's models, and its date."""
    body: schemas.Models = {
        "as_of": catalogue().as_of,
        "kinds": [_kind(path, kind) for path, kind in ENDPOINTS.items()],
        "scenes": [
            {
                "name": name,
                "config": scene.config,
                "output": sorted(scene.output),
                "is_deprecated": scene.is_deprecated,
                "limits": list(_scene_limits(scene)),
            }
            for name, scene in SCENES.items()
        ],
    }
    return HttpResponse(status=200, body=body).versioned(call.request, "private, max-age=300")


def _kind(path: str, kind: str) -> schemas.ModelsOfKind:
    model = KINDS[kind].model
    limited = model.limited if issubclass(model, ByModel) else {}
    return {
        "kind": kind,
        "endpoint": f"/{path}",
        "models": [_model(known, limited) for known in catalogue().models.get(kind, ())],
    }


def _model(model: Model, limited: Mapping[str, str]) -> schemas.Model:
    return {
        "name": model.name,
        "version": model.version,
        "source": model.source,
        "limits": [_limit(limited[name], limit) for name, limit in model.limits.items()],
    }


def _scene_limits(scene: Scene) -> Iterator[schemas.ModelLimit]:
    """Describe what a scene allows in the form of a model's limits."""
    numbers = scene.images
    inputs: schemas.ModelLimit = {
        "parameter": "file_infos",
        "allowed": as_words(numbers),
        "at_least": numbers.start,
    }
    if scene.limits_images:
        inputs["at_most"] = numbers.stop - 1
    yield inputs
    if scene.takes_clothes:
        path = f"scene_info.{scene.config}.clothes_file_infos"
        yield {"parameter": path, "allowed": f"at most {scene.clothes}", "at_most": scene.clothes}
    if scene.config and not scene.has_prompt:
        yield _limit(f"scene_info.{scene.config}.prompt", OneOf(()))
    for choice in CHOICES:
        if choice not in scene.output:
            yield _limit(f"output_config.{choice}", OneOf(()))


def _limit(parameter: str, limit: Limit) -> schemas.ModelLimit:
    fields: schemas.ModelLimit = {"parameter": parameter, "allowed": str(limit)}
    if isinstance(limit, AtMost):
        fields["at_most"] = limit.number
    if isinstance(limit, OneOf):
        fields["one_of"] = list(limit.words)
    return fields
