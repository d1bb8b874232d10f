"""Alarms on functions that are killed, against what the platform logs of real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.components.alarms import LOG_ALARMS
from tests.cls_query import is_raised
from tests.e2e.stack import SAMPLES, Stack, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

RETRIES = 2
"""SCF's and the stack's default."""
PHOTO = (SAMPLES / "coffee.jpg").read_bytes()


class Log:
    """The entries that the functions of a stack have logged from now on."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        entries = self._all()
        self._first = entries[-1]["number"] + 1 if entries else 0

    def entries(self) -> list[dict[str, Any]]:
        return [entry for entry in self._all() if entry["number"] >= self._first]

    def has(self, wanted: Callable[[dict[str, Any]], bool]) -> bool:
        return any(wanted(entry) for entry in self.entries())

    def raises(self, alarm: str) -> bool:
        """Return whether an alarm is raised by these entries."""
        wanted = LOG_ALARMS[alarm]
        statement = wanted.statement(retries=RETRIES, prefix="aigc-")
        return is_raised(statement, wanted.condition, self.entries())

    def _all(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._stack.get(
            f"{self._stack.connection['cloud']}/_localcloud/logs"
        ).json()
        return entries


def is_report(entry: dict[str, Any], function: str, status: int) -> bool:
    """Return whether an entry is the platform's, of an invocation that ended so."""
    name: str = entry["SCF_FunctionName"]
    is_platform = entry["SCF_Type"] == "Platform" and name.endswith(function)
    return is_platform and entry["SCF_StatusCode"] == status


def test_an_event_whose_function_is_killed_each_time_raises_the_alarms(stack: Stack) -> None:
    log = Log(stack)
    stack.fault("scf.upload", "kill:0", times=RETRIES + 1)

    stack.upload("anime/alarm.jpg", PHOTO)
    wait_for(
        lambda: log.has(
            lambda entry: is_report(entry, "upload", 439) and entry["SCF_RetryNum"] == RETRIES
        )
    )

    assert log.raises("dropped")
    assert log.raises("killed")


def test_an_event_that_succeeds_at_a_retry_is_not_dropped(stack: Stack) -> None:
    log = Log(stack)
    stack.fault("scf.upload", "kill:0")

    stack.upload("anime/alarm-once.jpg", PHOTO)
    wait_for(
        lambda: log.has(lambda entry: is_report(entry, "upload", 200) and entry["SCF_RetryNum"])
    )

    assert log.raises("killed")
    assert not log.raises("dropped")


def test_a_sweep_that_is_killed_each_time_raises_an_alarm_until_one_finishes(stack: Stack) -> None:
    stack.fault("scf.sweep", "kill:0", times=1000)
    log = Log(stack)
    wait_for(lambda: log.has(lambda entry: is_report(entry, "sweep", 439)))
    killed = Log(stack)
    wait_for(lambda: killed.has(lambda entry: is_report(entry, "sweep", 439)))

    assert killed.raises("sweep-stopped")
    before = stack.get("/v1/lanes").json()["sweep"]

    stack.faults()
    wait_for(lambda: killed.has(lambda entry: entry.get("event") == "sweep_finished"))

    assert not killed.raises("sweep-stopped")
    after = stack.get("/v1/lanes").json()["sweep"]
    assert before["finished_at"] is None or after["finished_at"] > before["finished_at"]


def test_calm_raises_no_alarm(stack: Stack) -> None:
    stack.faults()
    log = Log(stack)
    wait_for(lambda: log.has(lambda entry: entry.get("event") == "sweep_finished"))

    raised = [alarm for alarm in LOG_ALARMS if log.raises(alarm)]

    assert raised == []
