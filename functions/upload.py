"""The function behind the COS triggers: uploads become jobs, MPS's pictures settle theirs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.logs import invocation, note
from aigc.triggers.cos import CosEvent
from aigc.uploads.events import process
from aigc.uploads.rules import Rules, packaged_rules

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> dict[str, int]:
    """Take in the objects of one event."""
    with invocation(context):
        return handle(CosEvent.parse(event), rules=_rules(), runtime=_runtime(context))


def handle(event: CosEvent, *, rules: Rules, runtime: Runtime) -> dict[str, int]:
    """Process all records of an event and return how many had which outcome.

    Raises:
        Exception: The first error that a repeat may resolve, after all records were processed:
            SCF repeats an event only if its handler raises.
    """
    processed = process(event, rules, runtime)
    note(**processed.counts, faults=len(processed.errors))
    if processed.errors:
        raise processed.errors[0]
    return dict(processed.counts)


@functools.cache
def _rules() -> Rules:
    return packaged_rules(Path(__file__).with_name("rules.json"))


def _runtime(context: dict[str, Any]) -> Runtime:
    from aigc.bootstrap import build_runtime  # noqa: PLC0415  only an invocation needs the SDKs

    return build_runtime(context)
