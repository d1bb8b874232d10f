"""The tables of docs/tasks.md with the catalogue of models, and with the scenes."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from aigc.tasks.catalogue import OneOf, catalogue
from aigc.tasks.vod_scene_image import SCENES, SceneInfo
from aigc_cli.reference.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.tasks.catalogue import Limit
    from aigc.tasks.vod_scene_image import Scene
    from aigc_cli.reference.translation import Translate

_LIMITS = {
    "inputs": "inputs",
    "output_image_count": "images",
    "resolution": "resolution",
    "aspect_ratio": "aspect ratio",
    "scene_type": "scene type",
}
"""Limit of the catalogue → head of its column."""
_ABSENT = "–"  # noqa: RUF001  the sign for a parameter that a model does not have


def model_table(kind: str, translate: Translate) -> str:
    """Return the catalogue of a kind; versions with the same limits share a row."""
    models = catalogue().models[kind]
    rows = (
        (
            name,
            ", ".join(model.version for model in versions),
            *map(_limit, map(limits.get, _LIMITS)),
        )
        for (name, limits), versions in groupby(
            models, key=lambda model: (model.name, model.limits)
        )
    )
    return table(("model", "versions", *_LIMITS.values()), rows, translate)


def _limit(limit: Limit | None) -> str:
    if isinstance(limit, OneOf):
        return " ".join(limit.words) or _ABSENT
    return "" if limit is None else str(limit).removeprefix("at most ")


def scene_table(translate: Translate) -> str:
    """Return the table of the scenes of `vod.scene_image` and their parameters."""
    heads = ("scene", "configuration", "`file_infos`", "clothes", "of `output_config`")
    rows = ((f"`{name}`", *_scene(scene, translate)) for name, scene in SCENES.items())
    return table(heads, rows, translate)


def _scene(scene: Scene, translate: Translate) -> Iterator[str]:
    optional = "" if scene.needs_config else f", {translate('optional')}"
    yield f"`{scene.config}`{optional}" if scene.config else translate("none")
    yield _count(scene.images, translate)
    yield _count(range(1, scene.clothes + 1), translate) if _has_clothes(scene) else ""
    yield ", ".join(f"`{choice}`" for choice in sorted(scene.output))


def _has_clothes(scene: Scene) -> bool:
    annotation = SceneInfo.model_fields[scene.config].annotation if scene.config else None
    return any("clothes" in name for model in _models(annotation) for name in model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401  any annotation of a field
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation):
        for argument in get_args(annotation):
            yield from _models(argument)


def _count(numbers: range, translate: Translate) -> str:
    if numbers.stop >= sys.maxsize:
        return translate(f"{numbers.start} or more")
    last = numbers.stop - 1
    return str(last) if len(numbers) == 1 else translate(f"{numbers.start} to {last}")
