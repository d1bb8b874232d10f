"""The outcome of a command for each of its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_cli.output import print_json, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one request."""

    request_id: str
    is_done: bool
    text: str


def print_outcomes(outcomes: Sequence[Outcome], empty: str, as_json: bool) -> None:
    """Print each outcome, or the text `empty` if there is none."""
    if as_json:
        print_json(
            [
                {
                    "request_id": outcome.request_id,
                    "done": outcome.is_done,
                    "message": outcome.text,
                }
                for outcome in outcomes
            ]
        )
        return
    for text in [outcome.text for outcome in outcomes] or [empty]:
        print_text(text)
