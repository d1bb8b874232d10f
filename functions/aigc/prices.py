"""Estimates the cost of a task from the user's price table.

Tencent publishes no machine-readable prices, and accounts have individual ones, so the program has
no prices of its own. A price that is not in the table is unknown: None, never 0.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator

from aigc.ceilings import Ceiling
from aigc.errors import AigcError
from aigc.tasks.fields import additional
from aigc.tasks.kinds import KINDS
from aigc.wire import Wire

if TYPE_CHECKING:
    from aigc.tasks.kind import Task

PACKAGED = Path(__file__).parents[1] / "prices.json"

_RESOLUTIONS = ("output_config.resolution", "extra_parameters.resolution")
_FREE_PARAMETERS = ("ext_info", "additional_parameters")
_IMAGE_COUNTS = (
    "output_image_count",
    "output_config.output_image_count",
    "scene_info.product_image_config.output_image_count",
)
_MATCHED = ("kind", "model", "version", "resolution", "inputs")


class PricesError(AigcError):
    """The price table is not valid. The message has the price, the field and the allowed values."""


class Price(Wire):
    """Price of one image of the tasks that match all fields."""

    kind: str | None = None
    model: str | None = Field(default=None, min_length=1)
    """Name of a model or a scene (`ai_try_on`)."""
    version: str | None = Field(default=None, min_length=1)
    """Version of a model, or the selected model of a scene."""
    resolution: str | None = Field(default=None, min_length=1)
    """Resolution in the task: `2K`, or a free size.

    A task without a resolution only matches prices without one.
    """
    inputs: Literal["none", "one", "several"] | None = None
    """Number of input images: t2i, i2i and refer2i in the vendor's terms."""
    per_image: Decimal = Field(ge=0, max_digits=12, decimal_places=6)

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str | None) -> str | None:
        if kind is not None and kind not in KINDS:
            raise ValueError(f"allowed: {', '.join(KINDS)}")
        return kind

    def covers(self, other: Price) -> bool:
        """Return whether this price matches all tasks that the other price matches."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in _MATCHED)
        return all(_fits(expected, actual) for expected, actual in pairs)

    def __str__(self) -> str:
        values = (getattr(self, name) for name in _MATCHED)
        return f"{' '.join(filter(None, values)) or 'any other task'}: {self.per_image} per image"


class Prices(Wire):
    """All prices in order; the first match wins."""

    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    price: tuple[Price, ...] = ()
    """The entries `[[price]]` of the TOML file."""
    ceiling: tuple[Ceiling, ...] = ()
    """The entries `[[ceiling]]` of the TOML file."""

    @classmethod
    def parse(cls, raw: object) -> Prices:
        """Check the prices before they are packed.

        Raises:
            PricesError: A price is wrong or never used, or the currency is missing.
        """
        try:
            prices = cls.model_validate(raw)
        except ValidationError as error:
            raise PricesError(_explain(error)) from None
        if prices.price and not prices.currency:
            raise PricesError("currency: is missing; allowed: three capital letters: CNY, USD")
        for position, price in enumerate(prices.price):
            _check_reachable(position, price, prices.price[:position])
        _check_ceilings(prices)
        return prices

    def estimate(self, kind: str, task: Task, images: int) -> Decimal | None:
        """Return the cost of this number of images; None if no price matches."""
        traits = _traits(kind, task)
        for price in self.price:
            if all(_fits(getattr(price, name), traits[name]) for name in _MATCHED):
                return price.per_image * images
        return None


def requested_images(task: Task) -> int:
    """Return how many images a task requests; the vendor's default is one."""
    return int(_first_value(task, _IMAGE_COUNTS) or 1)


def model_of(task: Task) -> tuple[str, str]:
    """Return a task's model and version, or its scene and the scene's model."""
    name, _, version = task.model_label().partition(" ")
    return name, version


def suggestion(kind: str, task: Task) -> str:
    """Return a text that describes the entry of prices.toml that is missing for a task."""
    traits = {name: value for name, value in _traits(kind, task).items() if value}
    fields = ", ".join(f'{name} = "{value[:60]}"' for name, value in traits.items())
    return f"a [[price]] with per_image, and with some or all of {fields}"


def decimal_text(amount: Decimal | None) -> str | None:
    """Write an amount of money without an exponent and without trailing zeros."""
    return None if amount is None else f"{amount.normalize():f}"


@functools.cache
def packaged_prices(path: Path = PACKAGED) -> Prices:
    """Read the packaged prices, which were checked when the zip was built."""
    if not path.exists():
        return Prices()
    return Prices.model_validate_json(path.read_bytes())


def _traits(kind: str, task: Task) -> dict[str, str]:
    model, version = model_of(task)
    resolution = _first_value(task, _RESOLUTIONS) or _free_size(task)
    inputs = ("none", "one", "several")[min(len(task.inputs()), 2)]
    return {
        "kind": kind,
        "model": model,
        "version": version,
        "resolution": resolution,
        "inputs": inputs,
    }


def _free_size(task: Task) -> str:
    """Return the `size` parameter of models without tiers; empty if there is none."""
    return str(additional(_first_value(task, _FREE_PARAMETERS) or "").get("size", ""))


def _first_value(task: Task, paths: tuple[str, ...]) -> Any:  # noqa: ANN401  type of the field
    return next((value for path in paths if (value := _value_at(task, path)) is not None), None)


def _value_at(task: Task, path: str) -> Any:  # noqa: ANN401  type of the field
    value: Any = task
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _fits(expected: str | None, actual: str | None) -> bool:
    return expected is None or expected.casefold() == (actual or "").casefold()


def _check_reachable(position: int, price: Price, earlier: tuple[Price, ...]) -> None:
    for number, other in enumerate(earlier, 1):
        if other.covers(price):
            raise PricesError(
                f"price number {position + 1} ({price}) is never used: number {number}"
                f" ({other}) comes first and matches the same tasks; allowed: put it first, or make"
                " the other narrower"
            )


def _check_ceilings(prices: Prices) -> None:
    """Refuse ceilings with the same name, and ceilings in money if there are no prices."""
    names: set[str] = set()
    for ceiling in prices.ceiling:
        if ceiling.name in names:
            raise PricesError(f"ceiling {ceiling.name}: occurs twice; allowed: once")
        names.add(ceiling.name)
        if ceiling.money is not None and not prices.price:
            raise PricesError(
                f"ceiling {ceiling.name}: is in money, but there are no prices; allowed: images, or"
                " a [[price]] for each task that it counts"
            )


def _explain(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    known = Price.model_fields
    match fault["loc"]:
        case ("price", int(number), *rest):
            where = f"price number {number + 1}: {'.'.join(map(str, rest))}"
        case ("ceiling", int(number), *rest):
            where = f"ceiling number {number + 1}: {'.'.join(map(str, rest))}"
            known = Ceiling.model_fields
        case _:
            where = ".".join(map(str, fault["loc"]))
    reason = str(fault["msg"]).removeprefix("Value error, ")
    allowed = f"; allowed: {', '.join(known)}" if "extra" in fault["type"] else ""
    return f"{where}: got {str(fault['input'])[:80]!r}: {reason}{allowed}"
