"""The end of a job is reported to its webhook at least once, also if an invocation dies."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import AmbiguousError, BadImageError
from aigc.jobs.accept import accept
from aigc.jobs.cancel import cancel
from aigc.jobs.ledger import Ledger
from aigc.jobs.ledger.lease import Lease
from aigc.jobs.ports import Reply
from aigc.jobs.replay import replay
from aigc.jobs.settle import refresh
from aigc.jobs.transitions import end
from aigc.jobs.webhooks import (
    TIMEOUT_S,
    WAITS_S,
    Try,
    dead_webhooks,
    deliver_due,
    delivery,
    due_markers,
    redeliver,
)
from aigc.sweeping import sweep
from tests.fakes import LEASE_S, FakeSender, StoreFault, World, build_world
from tests.jobs import KilledError, only_records_are_left, order, read, sweeps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime
    from tests.fakes import InMemoryStore

URL = "https://example.com/hooks/1?token=secret"
SECRET = "whsec_" + "c2VjcmV0" * 4
HOUR_S = 3600

FAILED = Reply(status=503)
SILENT = Reply(error="no answer within 10 s")


@pytest.fixture
def world() -> World:
    return build_world(webhook_secrets=[SECRET])


def accepted(world: World, url: str = URL) -> Job:
    return accept(dataclasses.replace(order(), webhook_url=url), world.runtime()).job


def ended(world: World, *replies: Reply | BaseException, url: str = URL) -> Job:
    """Let a job succeed whose receiver answers so, first of all at once."""
    world.sender.replies = list(replies)
    job = accepted(world, url)
    world.vendor.finish(world.vendor.tasks[-1])
    refresh(job.id, world.runtime())
    return read(world, job)


def state(world: World, job: Job) -> str:
    return delivery(job, world.runtime()).state


def tries(world: World, job: Job) -> tuple[Try, ...]:
    return delivery(job, world.runtime()).tries


def nothing_is_pending(world: World) -> bool:
    """Sweep until no delivery is due; return whether the ledger has nothing but its records."""
    sweeps(world, 2 * LEASE_S)
    return only_records_are_left(world)


# What is sent


def test_a_success_is_reported_at_once_with_the_result(world: World) -> None:
    job = ended(world)

    [sent] = world.sender.sent
    report = json.loads(sent.body)
    assert sent.url == URL
    assert sent.headers["webhook-id"] == f"msg_{job.id}"
    assert report["status"] == "OK"
    assert report["request_id"] == report["gateway_request_id"] == job.id
    assert report["payload"]["images"][0]["file_name"] == "image-1.png"
    assert report["error"] is None
    assert nothing_is_pending(world)


def test_a_failure_is_reported_with_the_error(world: World) -> None:
    job = accepted(world)
    world.vendor.fail(world.vendor.tasks[-1], "ContentModerationFailed")

    refresh(job.id, world.runtime())

    [sent] = world.sender.sent
    report = json.loads(sent.body)
    assert report["status"] == "ERROR"
    assert report["payload"]["error_type"] == "content_policy_violation"
    assert report["error"] == report["payload"]["detail"]


def test_the_sweep_reports_a_job_that_was_cancelled_while_it_waited(world: World) -> None:
    accepted(world)
    waiting = accepted(world)
    cancel(waiting.id, world.runtime())

    sweep(world.runtime())

    [sent] = world.sender.sent
    assert json.loads(sent.body)["payload"]["error_type"] == "cancelled"


def test_a_job_without_a_webhook_is_not_reported(world: World) -> None:
    ended(world, url="")

    assert world.sender.sent == []
    assert world.ledger_keys("deliveries/") == []
    assert world.ledger_keys("webhooks/") == []


def test_the_slot_is_released_before_the_webhook_is_sent(world: World) -> None:
    job = accepted(world)
    following = accepted(world)
    world.sender.replies = [KilledError()]
    world.vendor.finish(world.vendor.tasks[0])

    with pytest.raises(KilledError):
        refresh(job.id, world.runtime())

    assert read(world, following).state == "running"


def test_nothing_is_sent_unsigned(world: World) -> None:
    world.settings = build_world().settings

    job = ended(world)

    assert world.sender.sent == []
    assert "webhookSecrets is empty" in tries(world, job)[0].error


# When it is sent again


def test_a_failed_try_is_made_again_when_it_is_due_under_the_same_id(world: World) -> None:
    ended(world, FAILED, FAILED)
    sweep(world.runtime())
    assert len(world.sender.sent) == 1

    world.clock.pass_time(WAITS_S[0] * 1.2)
    sweep(world.runtime())
    world.clock.pass_time(WAITS_S[1] * 0.79)
    sweep(world.runtime())
    assert len(world.sender.sent) == 2
    world.clock.pass_time(WAITS_S[1])
    sweep(world.runtime())

    assert len(world.sender.sent) == 3
    assert len({sent.headers["webhook-id"] for sent in world.sender.sent}) == 1
    assert len({sent.headers["webhook-timestamp"] for sent in world.sender.sent}) == 3


@pytest.mark.parametrize("reply", [Reply(status=302), SILENT])
def test_only_an_answer_of_2xx_is_a_delivery(world: World, reply: Reply) -> None:
    job = ended(world, reply)

    assert state(world, job) == "pending"


def test_after_ten_tries_in_two_hours_a_webhook_is_dead(world: World) -> None:
    job = ended(world, *[FAILED] * 11)

    sweeps(world, 3 * HOUR_S)

    assert len(world.sender.sent) == len(WAITS_S) + 1 == 10
    assert timedelta(hours=1.9) < timedelta(seconds=sum(WAITS_S)) < timedelta(hours=2)
    assert state(world, job) == "dead"
    assert dead_webhooks(world.runtime()) == [job.id]
    assert world.ledger_keys("webhooks/") == []


def test_an_answer_of_410_ends_the_delivery(world: World) -> None:
    job = ended(world, Reply(status=410))

    sweeps(world, 3 * HOUR_S)

    assert len(world.sender.sent) == 1
    assert dead_webhooks(world.runtime()) == [job.id]


def deliver_all_due(runtime: Runtime) -> int:
    return deliver_due(runtime, due_markers(runtime))


def test_a_silent_host_does_not_delay_other_hosts(world: World) -> None:
    hanging = [ended(world, SILENT, url="https://hangs.example/") for _ in range(3)]
    world.clock.pass_time(10)
    ended(world, FAILED, url="https://example.com/")
    world.sender.sent.clear()
    world.sender.replies = [SILENT, Reply(status=200)]

    world.clock.pass_time(60)
    made = deliver_all_due(world.runtime())

    assert made == 2
    hosts = [sent.url for sent in world.sender.sent]
    assert hosts == ["https://hangs.example/", "https://example.com/"]
    assert all(state(world, job) == "pending" for job in hanging)


def test_a_receiver_has_no_more_time_than_the_invocation(world: World) -> None:
    ended(world, FAILED, FAILED)
    world.clock.pass_time(60)

    deliver_all_due(world.runtime(seconds=4))
    deliver_all_due(world.runtime(seconds=9))

    assert [sent.timeout_s for sent in world.sender.sent] == [TIMEOUT_S, 6]


# Deaths of invocations


def test_a_marker_whose_job_never_ended_is_removed_once_its_writer_must_be_dead(
    world: World,
) -> None:
    job = accepted(world)
    world.store.faults = [StoreFault(f"put jobs/{job.id}", KilledError())]
    with pytest.raises(KilledError):
        cancel_by_force(world, job)
    [marker] = world.ledger_keys("webhooks/")

    sweep(world.runtime())
    assert world.ledger_keys("webhooks/") == [marker]
    world.clock.pass_time(LEASE_S + 1)
    deliver_all_due(world.runtime())

    assert world.ledger_keys("webhooks/") == []
    assert world.sender.sent == []


def cancel_by_force(world: World, job: Job) -> None:
    end(read(world, job).cancel(), world.runtime())


@pytest.mark.parametrize("first", [Reply(status=200), FAILED])
def test_a_try_that_was_not_written_down_is_made_again_after_a_lease(
    world: World, first: Reply
) -> None:
    world.store.faults = [StoreFault("put deliveries/", KilledError())]
    with pytest.raises(KilledError):
        ended(world, first)

    world.clock.pass_time(LEASE_S - 1)
    sweep(world.runtime())
    assert len(world.sender.sent) == 1
    world.clock.pass_time(2)
    sweep(world.runtime())

    assert len(world.sender.sent) == 2
    assert nothing_is_pending(world)
    assert len(world.sender.sent) == 2


def test_a_marker_of_a_recorded_try_causes_no_other_try(world: World) -> None:
    world.store.faults = [StoreFault("put deliveries/", KilledError())]
    with pytest.raises(KilledError):
        ended(world, *[FAILED] * 5)
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())
    assert len(world.sender.sent) == 3  # the first again, and the second by the marker of the dead

    world.clock.pass_time(WAITS_S[0] * 1.2)
    sweep(world.runtime())

    assert len(world.sender.sent) == 3


def test_a_delivery_whose_record_was_written_without_an_answer_is_not_made_again(
    world: World,
) -> None:
    world.store.faults = [StoreFault("put deliveries/", AmbiguousError("put"), takes_effect=True)]

    job = ended(world)

    assert nothing_is_pending(world)
    assert len(world.sender.sent) == 1
    assert state(world, job) == "delivered"


def test_one_of_two_concurrent_deliveries_is_sent(world: World) -> None:
    class Overtaken(FakeSender):
        def send(
            self,
            url: str,
            headers: Mapping[str, str],
            body: bytes,
            timeout_s: float,
            answer_bytes: int = 0,
        ) -> Reply:
            reply = super().send(url, headers, body, timeout_s, answer_bytes)
            sweep(world.runtime())
            deliver_all_due(world.runtime())
            return reply

    world.sender = Overtaken()

    ended(world)

    assert len(world.sender.sent) == 1


def overtaken(world: World, before: str, by: Callable[[], object]) -> Runtime:
    """Make a runtime that another invocation overtakes, once, just before such a request."""
    waiting = [by]

    def overtake(request: str) -> None:
        if waiting and request.startswith(before):
            waiting.pop()()

    return through(world, Watched(world.store, overtake))


def test_the_next_try_is_not_lost_if_it_is_due_before_this_one_is_written_down(
    world: World,
) -> None:
    job = ended(world, FAILED, FAILED)
    world.clock.pass_time(60)

    def a_sweep_meanwhile() -> None:
        world.clock.pass_time(60)
        deliver_all_due(world.runtime())

    deliver_all_due(overtaken(world, "put deliveries/", a_sweep_meanwhile))
    sweeps(world, 10 * 60)

    assert state(world, job) == "delivered"
    assert len(world.sender.sent) == 3


class Watched:
    """A bucket that reports each request before it is made."""

    def __init__(self, store: InMemoryStore, on_request: Callable[[str], None]) -> None:
        self._store = store
        self._on_request = on_request

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def report_request(*arguments: Any) -> Any:
            self._on_request(f"{name} {arguments[0] if arguments else ''}")
            return getattr(self._store, name)(*arguments)

        return report_request


def through(world: World, bucket: Any) -> Runtime:
    """Make a runtime whose ledger is reached through another bucket."""
    ledger = Ledger(bucket, Lease(timedelta(seconds=LEASE_S), world.clock))
    return dataclasses.replace(world.runtime(), ledger=ledger)


# Another delivery, by the command


def test_a_dead_webhook_is_delivered_when_it_is_replayed(world: World) -> None:
    job = ended(world, Reply(status=410))

    first = redeliver(job.id, world.runtime())
    world.clock.pass_time(1)
    second = redeliver(job.id, world.runtime())
    assert len(world.ledger_keys("webhooks/")) == 1
    sweep(world.runtime())

    assert (first, second) == ("queued", "not_dead")
    assert len(world.sender.sent) == 2
    assert state(world, job) == "delivered"
    assert [delivery_try.status for delivery_try in tries(world, job)] == [410, 200]
    assert dead_webhooks(world.runtime()) == []
    assert nothing_is_pending(world)


def test_a_replayed_webhook_has_all_its_tries_once_more(world: World) -> None:
    job = ended(world, Reply(status=410), *[FAILED] * 20)

    redeliver(job.id, world.runtime())
    sweeps(world, 3 * HOUR_S)

    assert len(world.sender.sent) == 1 + 10
    assert dead_webhooks(world.runtime()) == [job.id]


def test_the_second_end_of_a_replayed_job_is_a_message_of_its_own(world: World) -> None:
    job = accepted(world)
    world.downloads.errors = [BadImageError("no image")]
    world.vendor.finish(world.vendor.tasks[-1])
    world.sender.replies = [FAILED]
    refresh(job.id, world.runtime())

    replay(job.id, world.runtime(), pays_again=True)
    sweeps(world, 5 * 60)
    world.vendor.finish(world.vendor.tasks[-1])
    refresh(job.id, world.runtime())

    assert [sent.headers["webhook-id"] for sent in world.sender.sent] == [
        f"msg_{job.id}",
        f"msg_{job.id}-1",
    ]
    assert json.loads(world.sender.sent[-1].body)["status"] == "OK"
    assert nothing_is_pending(world)


# What others see


def test_urls_are_shown_and_logged_without_their_secrets(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    job = ended(world, FAILED, Reply(status=410))
    sweeps(world, 120)

    assert delivery(job, world.runtime()).url == "https://example.com/hooks/1"
    events = {logged.getMessage(): vars(logged) for logged in caplog.records}
    assert events["webhook_failed"]["host"] == "example.com"
    assert events["webhook_dead"]["attempt"] == 2
    assert not any("token" in str(vars(logged)) for logged in caplog.records)
    assert not any("token" in str(body) for body, _ in stored(world, "de"))


def stored(world: World, prefix: str) -> list[Any]:
    return [world.store.objects[key] for key in world.ledger_keys(prefix)]
