"""The sweep's handler, and what every invocation logs."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

import sweep
from aigc.errors import BadRecordError
from aigc.logs import invocation, note
from aigc.sweeping import PARTS
from aigc.triggers.timer import TimerEvent
from tests.captured import captured
from tests.fakes import build_world

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT = {"function_name": "gateway", "request_id": "invocation-1"}
logger = logging.getLogger("aigc.test")


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = before


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_sweep_reports_its_counts() -> None:
    tick = TimerEvent.parse(captured("timer/minute"))

    report = sweep.handle(tick, runtime=build_world().runtime())

    counts = {name: count for name, count in report.items() if count}
    assert counts == {"turns": sum(3 if part.each_lane else 1 for part in PARTS)}  # three lanes


def test_invocation_ends_with_one_line_that_sums_it_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with invocation(CONTEXT):
        note(route="submit")
        note(status=200)

    [line] = lines(capsys)
    assert line["event"] == "invocation_ended"
    assert (line["function"], line["request_id"]) == ("gateway", "invocation-1")
    assert (line["outcome"], line["route"], line["status"]) == ("returned", "submit", 200)
    assert line["duration_ms"] >= 0


def test_every_line_names_its_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    with invocation(CONTEXT):
        logger.info("job_ended", extra={"job": "1", "prompt": "猫"})

    first, _ = lines(capsys)
    assert first["request_id"] == "invocation-1"
    assert (first["event"], first["job"], first["prompt"]) == ("job_ended", "1", "猫")
    assert first["level"] == "info"


def test_an_exception_is_logged_once_and_raised(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadRecordError), invocation(CONTEXT):
        raise BadRecordError("job", "it is not JSON")

    [line] = lines(capsys)
    assert (line["outcome"], line["level"]) == ("raised", "error")
    assert "it is not JSON" in line["exception"]


def test_a_log_line_has_no_line_break(capsys: pytest.CaptureFixture[str]) -> None:
    with invocation(CONTEXT):
        logger.info("job_ended", extra={"message_of_vendor": "two\nlines"})

    assert [line["event"] for line in lines(capsys)] == ["job_ended", "invocation_ended"]


def test_fields_do_not_outlive_their_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    with invocation(CONTEXT):
        note(route="submit")
    with invocation({"function_name": "sweep", "request_id": "invocation-2"}):
        pass

    _, second = lines(capsys)
    assert second["request_id"] == "invocation-2"
    assert "route" not in second


def test_note_outside_of_an_invocation_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    note(route="submit")

    assert lines(capsys) == []
