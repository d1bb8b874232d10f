"""The catalogue of models; checks a task against the limits of its model.

The vendor's models change monthly (`models.json` has its date and its sources), so a model that is
not in the catalogue passes with a warning. A task that exceeds a documented limit of a known model
is refused before anything is sent.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ValidationInfo, model_validator

from aigc.tasks.fields import additional, field_error, shown
from aigc.tasks.kind import RECORDED, Task
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import PydanticCustomError
    from typing_extensions import Self

MODELS = Path(__file__).with_name("models.json")
AnyModel = TypeVar("AnyModel", bound=BaseModel)


# Limits


class Limit(Protocol):
    """The allowed values of one parameter; its text is part of an error."""

    def allows(self, value: Any) -> bool:  # noqa: ANN401  the type of the parameter
        """Whether the model accepts this value."""


class AtMost(NamedTuple):
    """A maximum: of a number, of the length of a text, or of the number of items."""

    number: int

    def allows(self, value: int | Sequence[object]) -> bool:
        """Whether the number or the length is at most the maximum."""
        return (value if isinstance(value, int) else len(value)) <= self.number

    def __str__(self) -> str:
        return f"at most {self.number}"


class OneOf(NamedTuple):
    """The documented words; none if the model has no such parameter. Case does not matter."""

    words: tuple[str, ...]

    def allows(self, value: str) -> bool:
        """Whether the word is documented, in any case."""
        return self.spelling(value) is not None

    def spelling(self, value: str) -> str | None:
        """Return a word in the spelling of this model (1K or 1k); None if it is not allowed."""
        return next((word for word in self.words if word.casefold() == value.casefold()), None)

    def __str__(self) -> str:
        return ", ".join(self.words) or "nothing, the model has no such parameter"


class Size(NamedTuple):
    """The pixels of a free `size`, which is part of the JSON of additional parameters."""

    area: tuple[int, int]
    side: tuple[int, int] = (1, sys.maxsize)
    multiple: int = 1

    def allows(self, value: str) -> bool:
        """Whether width and height are allowed, or the JSON has none."""
        size = additional(value).get("size")
        if size is None:
            return True
        match = re.fullmatch(r"([0-9]{1,6})[xX]([0-9]{1,6})", str(size))
        return match is not None and self._fits(int(match[1]), int(match[2]))

    def _fits(self, width: int, height: int) -> bool:
        sides_fit = all(
            self.side[0] <= side <= self.side[1] and side % self.multiple == 0
            for side in (width, height)
        )
        return sides_fit and self.area[0] <= width * height <= self.area[1]

    def __str__(self) -> str:
        parts = [f"size <width>x<height> with {self.area[0]} to {self.area[1]} pixels in all"]
        if self.side != (1, sys.maxsize):
            parts.append(f"each side {self.side[0]} to {self.side[1]}")
        if self.multiple > 1:
            parts.append(f"each side a multiple of {self.multiple}")
        return ", ".join(parts)


class Expansion(NamedTuple):
    """How far an image may grow to each side, as ratios in the additional parameters."""

    ratio: tuple[float, float]
    growth: float
    """Largest factor by which the area may grow."""

    def allows(self, value: str) -> bool:
        """Whether each ratio in the JSON and the resulting area are allowed."""
        parameters = additional(value)
        ratios = [parameters.get(f"{side}_expansion_ratio", 0) for side in _SIDES]
        if not all(isinstance(ratio, int | float) for ratio in ratios):
            return False
        up, down, left, right = ratios
        is_in_range = all(self.ratio[0] <= ratio <= self.ratio[1] for ratio in ratios)
        return is_in_range and (1 + up + down) * (1 + left + right) <= self.growth

    def __str__(self) -> str:
        low, high = self.ratio
        return f"each expansion ratio {low} to {high}, the area at most {self.growth} times the old"


_SIDES = ("up", "down", "left", "right")


# The data


class Model(NamedTuple):
    """One version of a model and its documented limits."""

    name: str
    version: str
    source: str
    limits: Mapping[str, Limit]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Catalogue(NamedTuple):
    """All models, by kind of task."""

    as_of: str
    models: Mapping[str, Sequence[Model]]

    def find(self, kind: str, name: str, version: str | None = None) -> tuple[Model, ...]:
        """Return the models with this name and version; without a version, all versions."""
        return tuple(
            model
            for model in self.models[kind]
            if model.name.casefold() == name.casefold()
            and (version is None or model.version.casefold() == version.casefold())
        )


@functools.cache
def catalogue() -> Catalogue:
    """Return the catalogue, which is read at its first use."""
    data = json.loads(MODELS.read_text(encoding="utf-8"))
    return Catalogue(
        as_of=data["as_of"],
        models={kind: [*_models(entries)] for kind, entries in data["kinds"].items()},
    )


def _models(entries: list[dict[str, Any]]) -> Iterator[Model]:
    for entry in entries:
        limits = {name: _limit(raw) for name, raw in entry.get("limits", {}).items()}
        for version in entry["versions"]:
            yield Model(entry["name"], version, entry["source"], limits)


def _limit(raw: Any) -> Limit:  # noqa: ANN401  JSON
    if isinstance(raw, int):
        return AtMost(raw)
    if isinstance(raw, list):
        return OneOf(tuple(raw))
    limit: dict[str, Any] = {name: _frozen(value) for name, value in raw.items()}
    return Expansion(**limit) if "growth" in limit else Size(**limit)


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


# Tasks


class ByModel(Task):
    """A task for a model that the caller chooses; the limits of the model apply."""

    model_name: str | None = None
    """Name of the model; MPS chooses one by default."""
    model_version: str | None = None
    """Version of the model; its stable version by default."""
    scene_type: str | None = None
    """Special purpose, for models that have one: `3d_panorama` of Hunyuan."""
    prompt: str | None = None
    """What to draw. Required if the task has no input images."""
    negative_prompt: str | None = None
    """What not to draw, for models that support it."""

    kind: ClassVar[str]
    """Key of the models in the catalogue."""
    limited: ClassVar[Mapping[str, str]]
    """Name of a limit → path of the parameter that it limits."""

    @model_validator(mode="after")
    def _has_prompt_or_inputs(self) -> Self:
        if not self.prompt and not self.inputs():
            raise field_error("prompt", f"is required without {self.limited['inputs']}")
        return self

    @model_validator(mode="after")
    def _keeps_limits_of_its_model(self, info: ValidationInfo) -> Self:
        models = () if info.context is RECORDED else self._models()
        if models and self._matching_model() is None:
            raise self._refusal(models)
        return self

    def _models(self) -> tuple[Model, ...]:
        return catalogue().find(self.kind, self.model_name or "", self.model_version)

    def _matching_model(self) -> Model | None:
        """Return the model of the task; without a version, the first version that accepts it."""
        return next(
            (model for model in self._models() if not any(self._exceeded_limits(model))), None
        )

    def _exceeded_limits(self, model: Model) -> Iterator[tuple[str, Limit]]:
        """Yield the limits that the task exceeds, with the path of the parameter."""
        for name, limit in model.limits.items():
            path = self.limited[name]
            value = _value(self, path)
            if value is not None and not limit.allows(value):
                yield path, limit

    def _refusal(self, models: Sequence[Model]) -> PydanticCustomError:
        path, _ = next(self._exceeded_limits(models[0]))
        limits = (
            f"{limit} ({model})"
            for model in models
            for exceeded, limit in self._exceeded_limits(model)
            if exceeded == path
        )
        problem = f"{shown(_value(self, path))} is not allowed"
        return field_error(path, problem, allowed="; ".join(limits))

    def as_documented(self) -> Self:
        """Return the task with its words spelled as in the documentation of the model."""
        model = self._matching_model()
        if model is None:
            return self
        version = self.model_version and model.version
        task = with_fields(self, model_name=model.name, model_version=version)
        for name, limit in model.limits.items():
            value = _value(task, self.limited[name])
            if isinstance(limit, OneOf) and value is not None:
                task = _replaced(task, self.limited[name], limit.spelling(value))
        return task

    def model_label(self) -> str:
        """Return model and version of the task, or `default` if MPS chooses."""
        return " ".join(filter(None, (self.model_name, self.model_version))) or "default"

    def prompt_text(self) -> str:
        """Return the prompt; empty if the task has only images."""
        return self.prompt or ""

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if the model or its version is not in the catalogue."""
        if self.model_name is None or self._models():
            return ()
        known = catalogue().find(self.kind, self.model_name)
        unknown = f"version {self.model_version} of {self.model_name}" if known else self.model_name
        as_of = catalogue().as_of
        return (f"{unknown} is not in the catalogue of {as_of}: its limits were not checked",)


def _value(parameters: object, path: str) -> Any:  # noqa: ANN401  type of the field
    for name in path.split("."):
        parameters = getattr(parameters, name, None)
    return parameters


def _replaced(parameters: AnyModel, path: str, value: object) -> AnyModel:
    name, _, rest = path.partition(".")
    inner = _replaced(getattr(parameters, name), rest, value) if rest else value
    return with_fields(parameters, **{name: inner})
