"""Ceilings: how many images may be made, or how much money may be spent, in a day or a month."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from aigc.periods import DAY, MONTH, UNITS
from aigc.wire import Wire

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Self

    from aigc.periods import Period

RULE, MODEL = "rule:", "model:"
"""Prefixes of the scopes that name a rule or a model."""


class Ceiling(Wire):
    """The most that the jobs of one scope may use in one period."""

    scope: str = Field(
        pattern=r"^(stack|uploads|rule:[a-z0-9][a-z0-9_-]{0,39}|model:[^\x00-\x1f/@]{1,60})$"
    )
    """`stack`, `uploads`, `rule:<name>` or `model:<model>`; the version of a model is optional."""
    period: Literal["day", "month"]
    images: int | None = Field(default=None, ge=1, le=10**9)
    """Most images; exactly one of this and `money` is set."""
    money: Decimal | None = Field(default=None, gt=0, max_digits=12, decimal_places=4)
    """Most money, in the currency of the prices."""

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.images is None) == (self.money is None):
            raise ValueError("exactly one of images and money is required")
        return self

    @classmethod
    def of(cls, name: str, limit: int) -> Ceiling:
        """Return the ceiling with this name; the limit is in images or in units of money."""
        scope, period, unit = name.rsplit("/", 2)
        amount = limit if unit == "images" else Decimal(limit) / UNITS
        return cls.model_validate({"scope": scope, "period": period, unit: amount})

    @property
    def name(self) -> str:
        """The name of the ceiling, unique in a stack."""
        return f"{self.scope}/{self.period}/{'images' if self.money is None else 'money'}"

    @property
    def limit(self) -> int:
        """The limit, in images or in units of money."""
        return math.floor((self.money or 0) * UNITS) if self.images is None else self.images

    @property
    def interval(self) -> Period:
        """The period for which the limit holds."""
        return DAY if self.period == "day" else MONTH

    def account(self, at: datetime) -> str:
        """Return the name of the account of this ceiling in the period that contains a moment."""
        return f"{self.name}@{at:{self.interval.stamp}}"

    def applies(self, source_type: str, source_name: str, model: str, version: str) -> bool:
        """Whether a job with this source and model counts towards it."""
        if self.scope.startswith(RULE):
            return source_type == "upload" and source_name == self.scope.removeprefix(RULE)
        if self.scope.startswith(MODEL):
            scope_model = self.scope.removeprefix(MODEL).casefold()
            return scope_model in {model.casefold(), f"{model} {version}".casefold()}
        return self.scope == "stack" or source_type == "upload"
