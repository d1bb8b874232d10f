"""Models and scenes with their limits and prices, for agents.

Limits come from the catalogue and from the scenes, prices from the owner's price table.
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

from aigc.tasks.catalogue import OneOf, catalogue
from aigc.tasks.vod_scene_image import SCENES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.api.keys import Caller
    from aigc.prices import Price, Prices
    from aigc.tasks.catalogue import Model
    from aigc.tasks.vod_scene_image import Scene

SCENE_KIND = "vod.scene_image"

_ARGUMENTS = {"inputs": "images", "output_image_count": "count"}
"""Name of a limit → the argument that it limits, where the names differ."""

_FURTHER = ("size", "expansion", "scene_type")
"""Limits of parameters that have no argument of their own: they are in `parameters`."""

_UNKNOWN = "price unknown"


def model_kinds(caller: Caller) -> list[str]:
    """List the kinds with models that the key may use."""
    return [kind for kind in catalogue().models if caller.may_submit(kind)]


def model_lines(caller: Caller, prices: Prices, *, with_inputs: bool) -> str:
    """Describe the models; models with the same limits and price share a line."""
    lines = [
        line
        for kind in model_kinds(caller)
        for line in _lines(kind, prices, with_inputs=with_inputs)
    ]
    return "\n".join(lines)


def scene_lines(prices: Prices) -> str:
    """Describe the scenes that the vendor has not deprecated."""
    return "\n".join(
        f"- {name}: {'; '.join([*_scene_limits(scene), price_text(prices, SCENE_KIND, name)])}"
        for name, scene in SCENES.items()
        if not scene.is_deprecated
    )


def models_data(caller: Caller, prices: Prices) -> dict[str, Any]:
    """Return models and scenes as data."""
    models = [
        {
            "id": model_id(kind, model),
            "kind": kind,
            "limits": dict(_limits(model)),
            "price": price_text(prices, kind, model.name, model.version),
        }
        for kind in model_kinds(caller)
        for model in catalogue().models[kind]
    ]
    scenes = [
        {
            "name": name,
            "limits": _scene_limits(scene),
            "is_deprecated": scene.is_deprecated,
            "price": price_text(prices, SCENE_KIND, name),
        }
        for name, scene in SCENES.items()
        if caller.may_submit(SCENE_KIND)
    ]
    return {"as_of": catalogue().as_of, "models": models, "scenes": scenes}


def model_id(kind: str, model: Model) -> str:
    """Return the id of a model, as the tools and OpenAI's API take it."""
    return f"{kind}/{model.name}-{model.version}".casefold()


def price_text(prices: Prices, kind: str, model: str, version: str | None = None) -> str:
    """Return the price of an image of a model in words."""
    texts = [
        f"{price.per_image.normalize():f} {prices.currency} an image{_condition(price)}"
        for price in _matching(prices, kind, model, version)
    ]
    return ", ".join(texts) or _UNKNOWN


def _matching(prices: Prices, kind: str, model: str, version: str | None) -> Iterator[Price]:
    """Yield the prices that a task of a model can have, up to the first one without a condition."""
    for price in prices.price:
        if (
            _fits(price.kind, kind)
            and _fits(price.model, model)
            and (version is None or _fits(price.version, version))
        ):
            yield price
            if price.resolution is None and price.inputs is None:
                return


def _fits(expected: str | None, actual: str) -> bool:
    return expected is None or expected.casefold() == actual.casefold()


def _condition(price: Price) -> str:
    resolution = f" at {price.resolution}" if price.resolution else ""
    texts = {"none": "no input image", "one": "one input image", "several": "several input images"}
    return resolution + (f" with {texts[price.inputs]}" if price.inputs else "")


def _lines(kind: str, prices: Prices, *, with_inputs: bool) -> Iterator[str]:
    def described(model: Model) -> tuple[str, str]:
        limits = [f"{name} {limit}" for name, limit in _limits(model)]
        price = price_text(prices, kind, model.name, model.version)
        return model.name, "; ".join([*limits, price])

    models = catalogue().models[kind]
    for (_, text), versions in itertools.groupby(models, described):
        group = [*versions]
        if not with_inputs or _takes_images(group[0]):
            yield f"- {', '.join(model_id(kind, model) for model in group)}: {text}"


def _takes_images(model: Model) -> bool:
    return getattr(model.limits.get("inputs"), "number", 1) > 0


def _limits(model: Model) -> Iterator[tuple[str, str]]:
    for name, limit in model.limits.items():
        if isinstance(limit, OneOf) and not limit.words and name in _FURTHER:
            continue
        argument = f"parameters: {name}" if name in _FURTHER else _ARGUMENTS.get(name, name)
        yield argument, str(limit).removeprefix("size ")


def _scene_limits(scene: Scene) -> list[str]:
    first, last = scene.images.start, scene.images.stop - 1
    count = f"{first} or more" if last >= sys.maxsize - 1 else f"{first} to {last}"
    limits = [f"images {first if first == last else count}"]
    if scene.config and "product" not in scene.config:
        limits.append(f"clothes 1 to {scene.clothes}")
    if scene.output:
        limits.append(f"takes {', '.join(sorted(scene.output))}")
    return limits
