"""The function behind the COS triggers: uploads become jobs, images of MPS settle jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.logs import invocation, note
from aigc.triggers.cos import CosEvent
from aigc.triggers.diagnosis import is_diagnosis_request
from aigc.uploads.events import process
from aigc.uploads.rules import DeployedRules

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from aigc.uploads.rules import Rules


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Process the objects of an event, or answer the diagnosis request of the doctor."""
    with invocation(context):
        if is_diagnosis_request(event):
            return _diagnosis(context)
        parsed = CosEvent.parse(event)
        runtime = _runtime(context)
        return handle(parsed, rules=runtime.memory.of(DeployedRules).rules, runtime=runtime)


def handle(event: CosEvent, *, rules: Rules, runtime: Runtime) -> dict[str, int]:
    """Process all records of an event and return the number of records for each outcome.

    Raises:
        Exception: The first error that a repeat may resolve, after all records were processed.
            SCF repeats an event only if its handler raises.
    """
    processed = process(event, rules, runtime)
    note(**processed.counts, faults=len(processed.errors))
    if processed.errors:
        raise processed.errors[0]
    return dict(processed.counts)


def _diagnosis(context: dict[str, Any]) -> dict[str, Any]:
    from aigc.diagnosis import diagnose  # noqa: PLC0415  only the doctor needs it

    return diagnose(_runtime(context))


def _runtime(context: dict[str, Any]) -> Runtime:
    from aigc.bootstrap import build_runtime  # noqa: PLC0415  only an invocation needs the SDKs

    return build_runtime(context)
