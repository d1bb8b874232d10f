"""The diagnosis request: the event by which `aigc doctor` checks the role of a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DIAGNOSIS_REQUEST: Mapping[str, Any] = {"aigc": "diagnose"}


def is_diagnosis_request(event: object) -> bool:
    """Whether an event is the diagnosis request; the events of triggers have other fields."""
    return event == DIAGNOSIS_REQUEST
