"""The local cloud answers the recorded requests for our own stack like the recorded answers.

Two recordings, behind a Function URL and behind API Gateway: apply, plan, a change of every
resource, plan, removal of alarms, tags and reservation, destroy. Every line is sent.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from tests.localcloud.clients import as_the_sdk_reads_it
from tests.localcloud.recorded import OUR_STACKS, Answer, Recorded, Replay, recording

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = {"stack_function_url": 1089, "stack_api_gateway": 1037}
Sent = list[tuple[Recorded, Answer]]


@pytest.fixture(scope="module", params=OUR_STACKS)
def sent(request: pytest.FixtureRequest) -> Iterator[Sent]:
    """Send a whole recording."""
    with LocalCloud() as cloud, control_plane(cloud):
        replay = Replay(cloud)
        lines = recording(request.param)
        assert len(lines) == LINES[request.param]
        yield [(line, replay.send(line)) for line in lines]


def test_api_calls_succeed_or_fail_as_recorded(sent: Sent) -> None:
    wrong = [
        f"line {line.line}: {line.name} answered {answer.code or 'success'!r}"
        for line, answer in sent
        if not line.is_cos and answer.code != line.content.get("err", "")
    ]

    assert not wrong


def test_cos_answers_with_the_recorded_status(sent: Sent) -> None:
    wrong = [
        f"line {line.line}: {line.name} answered {answer.status} {answer.code}"
        for line, answer in sent
        if line.is_cos and answer.status != line.content["status"]
    ]

    assert not wrong


def test_answers_fit_the_vendors_own_models(sent: Sent) -> None:
    unfit = []
    for line, answer in sent:
        if not line.is_cos and not answer.code:
            try:
                as_the_sdk_reads_it(line.content["svc"], line.content["action"], answer.content)
            except UserWarning as warning:
                unfit.append(f"line {line.line}: {line.name}: {warning}")

    assert not unfit


def test_function_from_a_zip_has_no_image(sent: Sent) -> None:
    """With an empty object instead of null every preview would show a change of the code."""
    functions = [a.content for line, a in sent if line.name == "scf.GetFunction" and not a.code]

    assert functions
    assert all(function["ImageConfig"] is None for function in functions)


def test_functions_have_every_trigger_that_was_created(sent: Sent) -> None:
    """Follow the triggers call by call: GetFunction reports those created and not deleted."""
    there: dict[str, set[str]] = defaultdict(set)
    for line, answer in sent:
        call = line.content.get("req") or {}
        if line.name == "scf.CreateTrigger":
            there[call["FunctionName"]].add(call["TriggerName"])
        elif line.name == "scf.DeleteTrigger":
            there[call["FunctionName"]].discard(call["TriggerName"])
        elif line.name == "scf.GetFunction" and not answer.code:
            reported = {trigger["TriggerName"] for trigger in answer.content["Triggers"]}
            assert reported == there[call["FunctionName"]]


def test_everything_is_deleted_at_the_end(sent: Sent) -> None:
    created = sum(line.name == "scf.CreateFunction" for line, _ in sent)
    deleted = sum(line.name == "scf.DeleteFunction" for line, _ in sent)
    last = [answer.code for line, answer in sent if line.name == "scf.GetFunction"][-created:]

    assert created == deleted == 3
    assert set(last) == {"ResourceNotFound.Function"}
