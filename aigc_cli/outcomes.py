"""What a command did with each job that it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_cli.output import print_json, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request."""

    request_id: str
    is_done: bool
    text: str


def print_outcomes(outcomes: Sequence[Outcome], empty: str, as_json: bool) -> None:
    """Print each outcome, or the text for none of them."""
    if as_json:
        print_json(
            [
                {"request_id": each.request_id, "done": each.is_done, "message": each.text}
                for each in outcomes
            ]
        )
        return
    for text in [each.text for each in outcomes] or [empty]:
        print_text(text)
