"""The event with which `aigc doctor` asks a function what its role may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTION: Mapping[str, Any] = {"aigc": "diagnose"}


def is_question(event: object) -> bool:
    """Whether an event is the question: no trigger sends one without other fields."""
    return event == QUESTION
