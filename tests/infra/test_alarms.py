"""Each alarm on the logs, against lines that the functions' code really writes."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sweep as sweep_function
from aigc.errors import BadEventError
from aigc.jobs.settle import refresh
from aigc.logs import invocation
from aigc.prices import Prices
from aigc.sweeping import sweep
from aigc.triggers.cos import CosEvent
from aigc.uploads.events import process_event
from aigc.uploads.rules import load_rules
from infra.components.alarms import LOG_ALARMS
from tests.captured import captured
from tests.cls_query import is_raised
from tests.fakes import World, build_world
from tests.jobs import accepted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
CONTEXT = {"function_name": "aigc-dev-sweep", "request_id": "invocation-1"}
ON_PLATFORM = {"dropped", "killed"}
"""Alarms on entries of the platform; real processes are killed for them in tests/e2e."""


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    root.handlers[:] = before


def one_fails(world: World, kind: str = "vod.image") -> None:
    job = accepted(world, kind)
    world.vendor.fail(world.vendor.tasks[-1], "InternalError")
    refresh(job.id, world.runtime())


def failing(world: World) -> None:
    for _ in range(6):
        one_fails(world)


def throttled(world: World) -> None:
    for _ in range(11):
        world.vendor.next_creates = ["throttle"] * 4
        accepted(world, "mps.image")
        world.clock.pass_time(3600)
        world.vendor.next_creates = []
        sweep(world.runtime())
        for task in world.vendor.tasks:
            world.vendor.finish(task)
        sweep(world.runtime())


def waiting_too_long(world: World) -> None:
    world.vendor.next_creates = ["throttle"] * 16
    accepted(world, "mps.image")
    for _ in range(3):
        world.clock.pass_time(3600)
        sweep(world.runtime())


def unexplained(world: World) -> None:
    world.vendor.next_creates = ["lost_request"]
    accepted(world, "mps.image")
    world.clock.pass_time(3600)
    sweep(world.runtime())


def account(world: World) -> None:
    world.vendor.refused = {"Create": "FailedOperation.InvalidVodUser"}
    accepted(world, "vod.image")


def overdue(world: World) -> None:
    job = accepted(world, "vod.image")
    world.clock.pass_time(24 * 3600)
    refresh(job.id, world.runtime())


def not_found(world: World) -> None:
    event = CosEvent.parse(captured("cos/put"))
    process_event(event, load_rules(ROOT / "rules.toml"), world.runtime())


def errors(_: World) -> None:
    with pytest.raises(BadEventError):
        sweep_function.main_handler({"Type": "Something else"}, CONTEXT)


def one_sweep(world: World) -> None:
    sweep(world.runtime())


def ceiling(world: World) -> None:
    table = {"ceiling": [{"scope": "stack", "period": "day", "images": 1}]}
    world.prices = Prices.parse(table)
    accepted(world)


def deferred(world: World) -> None:
    ceiling(world)
    accepted(world)


CAUSES: dict[str, Callable[[World], None]] = {
    "account": account,
    "ceiling": ceiling,
    "deferred": deferred,
    "overdue": overdue,
    "not-found": not_found,
    "errors": errors,
    "throttled": throttled,
    "waiting-too-long": waiting_too_long,
    "failing": failing,
    "unexplained": unexplained,
    "sweep-stopped": lambda _: None,
}


def logged(
    capsys: pytest.CaptureFixture[str], work: Callable[[World], None]
) -> list[dict[str, Any]]:
    """Run work in an invocation; return its lines as entries."""
    with contextlib.suppress(BadEventError), invocation(CONTEXT):
        work(build_world(lanes={"vod.image": 1, "mps.image": 8}))
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def raised_by(entries: list[dict[str, Any]]) -> set[str]:
    return {
        name
        for name, alarm in LOG_ALARMS.items()
        if is_raised(alarm.statement(retries=2, prefix="aigc-dev-"), alarm.condition, entries)
    }


@pytest.mark.parametrize("name", CAUSES)
def test_an_alarm_is_raised_by_the_lines_that_its_cause_writes(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert name in raised_by(logged(capsys, CAUSES[name]))


def test_each_alarm_has_a_cause() -> None:
    assert {*CAUSES, *ON_PLATFORM} == set(LOG_ALARMS)


@pytest.mark.parametrize("work", [one_sweep, one_fails])
def test_what_happens_every_day_raises_no_alarm(
    capsys: pytest.CaptureFixture[str], work: Callable[[World], None]
) -> None:
    def day(world: World) -> None:
        work(world)
        sweep(world.runtime())

    assert raised_by(logged(capsys, day)) == set()


def test_entries_of_the_platform_count_by_status_and_retry() -> None:
    alarm = LOG_ALARMS["dropped"]
    entry = {"SCF_Type": "Platform", "SCF_FunctionName": "aigc-dev-upload"}

    def is_dropped(status: int, retry: int, **more: str) -> bool:
        statement = alarm.statement(retries=2, prefix="aigc-dev-")
        report = {**entry, "SCF_StatusCode": status, "SCF_RetryNum": retry, **more}
        return is_raised(statement, alarm.condition, [report])

    assert is_dropped(439, 2)
    assert not is_dropped(439, 1)
    assert not is_dropped(200, 2)
    assert not is_dropped(439, 2, SCF_FunctionName="aigc-dev-gateway")
    assert not is_dropped(439, 2, SCF_Type="Custom")
