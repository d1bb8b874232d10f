"""The bases of everything that crosses the edge of this program."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Something that we define ourselves: unknown fields are mistakes, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(BaseModel):
    """Something that we wrote down, perhaps by a newer version: what it adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(BaseModel):
    """Something that Tencent Cloud defines: it may grow fields that we need not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
