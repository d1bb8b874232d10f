"""Prices: what a task's pictures are thought to cost, by a table that the user keeps.

Tencent publishes no prices that a program can read, and accounts have their own: so there are none
here. What the table does not tell is unknown, which is None and never 0.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator

from aigc.errors import AigcError
from aigc.tasks.fields import additional
from aigc.tasks.kinds import KINDS
from aigc.wire import Wire

if TYPE_CHECKING:
    from aigc.tasks.kind import Task

PACKAGED = Path(__file__).parents[1] / "prices.json"

_RESOLUTIONS = ("output_config.resolution", "extra_parameters.resolution")
_FREE = ("ext_info", "additional_parameters")
_COUNTS = (
    "output_image_count",
    "output_config.output_image_count",
    "scene_info.product_image_config.output_image_count",
)
_MATCHED = ("kind", "model", "version", "resolution", "inputs")


class PricesError(AigcError):
    """The prices cannot be used as they are: it names the price, the field and what is allowed."""


class Price(Wire):
    """What one picture costs of the tasks that have all that is named here."""

    kind: str | None = None
    model: str | None = Field(default=None, min_length=1)
    """A model's name, or a scene's (`ai_try_on`)."""
    version: str | None = Field(default=None, min_length=1)
    """A model's version, or the model that a scene lets callers choose."""
    resolution: str | None = Field(default=None, min_length=1)
    """As the task asks for it, `2K` or a free size; one that asks for none fits only prices
    without."""
    inputs: Literal["none", "one", "several"] | None = None
    """How many pictures the task starts from: the vendor's t2i, i2i and refer2i."""
    per_image: Decimal = Field(ge=0, max_digits=12, decimal_places=6)

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str | None) -> str | None:
        if kind is not None and kind not in KINDS:
            raise ValueError(f"allowed: {', '.join(KINDS)}")
        return kind

    def hides(self, other: Price) -> bool:
        """Whether whatever fits the other fits this one too."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in _MATCHED)
        return all(_fits(wanted, came) for wanted, came in pairs)

    def __str__(self) -> str:
        named = (getattr(self, name) for name in _MATCHED)
        return f"{' '.join(filter(None, named)) or 'whatever else'}: {self.per_image} a picture"


class Prices(Wire):
    """All prices, in order: the first that fits a task wins."""

    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    price: tuple[Price, ...] = ()
    """As in TOML, where each is a `[[price]]`."""

    @classmethod
    def parse(cls, raw: object) -> Prices:
        """Check prices before they are packed.

        Raises:
            PricesError: One is wrong or never reached, or the currency is missing.
        """
        try:
            prices = cls.model_validate(raw)
        except ValidationError as error:
            raise PricesError(_explain(error)) from None
        if prices.price and not prices.currency:
            raise PricesError("currency: is missing; allowed: three capital letters: CNY, USD")
        for position, price in enumerate(prices.price):
            _check_reachable(position, price, prices.price[:position])
        return prices

    def estimate(self, kind: str, task: Task, pictures: int) -> Decimal | None:
        """Say what so many pictures of a task cost; None where no price fits."""
        traits = _traits(kind, task)
        for price in self.price:
            if all(_fits(getattr(price, name), traits[name]) for name in _MATCHED):
                return price.per_image * pictures
        return None


def asked_pictures(task: Task) -> int:
    """Say how many pictures a task asks for; the vendor makes one where it does not say."""
    return int(_first(task, _COUNTS) or 1)


def model_of(task: Task) -> tuple[str, str]:
    """Name a task's model and version, or its scene and that scene's model."""
    name, _, version = task.model_label().partition(" ")
    return name, version


def suggestion(kind: str, task: Task) -> str:
    """Write the entry that prices.toml lacks for a task."""
    traits = {name: value for name, value in _traits(kind, task).items() if value}
    named = ", ".join(f'{name} = "{value[:60]}"' for name, value in traits.items())
    return f"a [[price]] with per_image, and with some or all of {named}"


@functools.cache
def packaged_prices(path: Path = PACKAGED) -> Prices:
    """Read the prices that lie beside the handlers, checked when they were packed."""
    if not path.exists():
        return Prices()
    return Prices.model_validate_json(path.read_bytes())


def _traits(kind: str, task: Task) -> dict[str, str]:
    model, version = model_of(task)
    resolution = _first(task, _RESOLUTIONS) or _free_size(task)
    inputs = ("none", "one", "several")[min(len(task.inputs()), 2)]
    return {
        "kind": kind,
        "model": model,
        "version": version,
        "resolution": resolution,
        "inputs": inputs,
    }


def _free_size(task: Task) -> str:
    """Return the `size` that models without tiers take; empty where there is none."""
    return str(additional(_first(task, _FREE) or "").get("size", ""))


def _first(task: Task, paths: tuple[str, ...]) -> Any:  # noqa: ANN401  whatever the field holds
    return next((found for path in paths if (found := _at(task, path)) is not None), None)


def _at(task: Task, path: str) -> Any:  # noqa: ANN401  whatever the field holds
    found: Any = task
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _fits(wanted: str | None, came: str | None) -> bool:
    return wanted is None or wanted.casefold() == (came or "").casefold()


def _check_reachable(position: int, price: Price, earlier: tuple[Price, ...]) -> None:
    for number, other in enumerate(earlier, 1):
        if other.hides(price):
            raise PricesError(
                f"price number {position + 1} ({price}) is never reached behind number {number}"
                f" ({other}); allowed: put it first, or make the other narrower"
            )


def _explain(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    match fault["loc"]:
        case ("price", int(number), *rest):
            where = f"price number {number + 1}: {'.'.join(map(str, rest))}"
        case _:
            where = ".".join(map(str, fault["loc"]))
    reason = str(fault["msg"]).removeprefix("Value error, ")
    allowed = f"; allowed: {', '.join(Price.model_fields)}" if "extra" in fault["type"] else ""
    return f"{where}: got {str(fault['input'])[:80]!r}: {reason}{allowed}"
