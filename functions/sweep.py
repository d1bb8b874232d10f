"""The function behind the timer: continues work that no event reported."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from aigc import sweeping
from aigc.logs import invocation, note
from aigc.triggers.diagnosis import is_diagnosis_request
from aigc.triggers.timer import TimerEvent

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Run the sweep once, or answer the diagnosis request of the doctor."""
    with invocation(context):
        if is_diagnosis_request(event):
            return _diagnosis(context)
        return handle(TimerEvent.parse(event), runtime=_runtime(context))


def handle(event: TimerEvent, *, runtime: Runtime) -> dict[str, Any]:
    """Run the sweep once and return its report."""
    note(trigger=event.trigger)
    return dataclasses.asdict(sweeping.sweep(runtime))


def _diagnosis(context: dict[str, Any]) -> dict[str, Any]:
    from aigc.diagnosis import diagnose  # noqa: PLC0415  only the doctor needs it

    return diagnose(_runtime(context))


def _runtime(context: dict[str, Any]) -> Runtime:
    from aigc.bootstrap import build_runtime  # noqa: PLC0415  only an invocation needs the SDKs

    return build_runtime(context, checks_bucket=True)
