"""Jobs from their acceptance to their end, with a vendor and buckets in memory."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import AmbiguousError, ThrottledError
from aigc.jobs.accept import accept
from aigc.jobs.dispatch import pump
from aigc.jobs.job import id_from
from aigc.jobs.settle import on_callback, on_stored, refresh, settle
from aigc.jobs.submission import SESSION_KNOWN_S
from aigc.jobs.transitions import LONGEST_REPEAT_WAIT_S, MAX_ATTEMPTS
from aigc.sweeping import sweep
from aigc.tasks.catalogue import Catalogue, Model, OneOf
from tests.fakes import (
    LEASE_S,
    InMemoryStore,
    StoreFault,
    World,
    an_id,
    build_world,
    sessions,
)
from tests.jobs import SERVICES, TASKS, KilledError, accepted, only_records_are_left, order, read

if TYPE_CHECKING:
    from typing_extensions import Self

    from aigc.jobs.accept import Accepted
    from aigc.jobs.runtime import Runtime


@pytest.mark.parametrize("kind", TASKS)
def test_an_accepted_job_is_sent_and_its_images_are_stored(world: World, kind: str) -> None:
    job = accepted(world, kind)
    assert read(world, job).state == "running"

    world.vendor.finish(world.vendor.tasks[0])
    ended = refresh(job.id, world.runtime())

    assert ended is not None
    assert ended.state == "succeeded"
    assert [image.key for image in ended.images] == ["calls/image-1.png"]
    description = json.loads(world.results.objects["calls/image.json"][0])
    assert description["vendor_task_id"] == "task-1"
    assert only_records_are_left(world)
    assert sorted(world.results.objects) == ["calls/image-1.png", "calls/image.json"]


@pytest.mark.parametrize("kind", SERVICES)
def test_no_more_tasks_run_than_the_lane_allows_and_all_end(world: World, kind: str) -> None:
    jobs = [accepted(world, kind) for _ in range(7)]

    while any(task.state == "running" for task in world.vendor.tasks):
        for task in world.vendor.tasks:
            if task.state == "running":
                world.vendor.finish(task)
        for job in jobs:
            refresh(job.id, world.runtime())

    assert world.vendor.most_at_once == world.settings.lanes[kind]
    assert {read(world, job).state for job in jobs} == {"succeeded"}
    assert len(world.vendor.tasks) == 7
    assert only_records_are_left(world)


def test_waiting_jobs_start_in_order_of_priority_and_age(world: World) -> None:
    accepted(world)
    names = {"late": 0, "low": -5, "high": 9}
    for name, priority in names.items():
        accepted(world, prompt=name, priority=priority)
        world.clock.pass_time(1)

    for _ in range(4):
        world.vendor.finish(world.vendor.tasks[-1])
        sweep(world.runtime())

    prompts = [task.params["Prompt"] for task in world.vendor.tasks]
    assert prompts == ["a cat", "high", "late", "low"]


def test_the_same_order_twice_is_one_job_and_one_task(world: World) -> None:
    job_id = id_from("upload", "bucket", "key")

    first: Accepted = accept(order(job_id=job_id), world.runtime())
    second: Accepted = accept(order(job_id=job_id), world.runtime())

    assert (first.is_new, second.is_new) == (True, False)
    assert second.job.id == job_id
    assert len(world.vendor.tasks) == 1
    assert not world.ledger_keys("lanes/vod.image/waiting/")


@pytest.mark.parametrize("kind", ["vod.image", "vod.scene_image"])
def test_a_lost_reply_is_repeated_and_the_task_found_again(world: World, kind: str) -> None:
    world.vendor.next_creates = ["lost_reply"]

    job = accepted(world, kind)

    assert len(world.vendor.tasks) == 1
    assert read(world, job).state == "running"
    assert read(world, job).attempt.task_id == "task-1"


def test_a_lost_request_is_repeated_under_the_same_session(world: World) -> None:
    world.vendor.next_creates = ["lost_request", "lost_request"]

    job = accepted(world)

    assert read(world, job).state == "running"
    assert [task.session_id for task in world.vendor.tasks] == sessions(job, 1)


def test_two_ledgers_that_share_a_vod_application_have_their_own_tasks(world: World) -> None:
    other = build_world(ledger_bucket="staging-1250000000")
    other.vendor = world.vendor
    same_id = an_id()

    jobs = [
        read(own_world, accepted(own_world, job_id=same_id, prompt=prompt))
        for own_world, prompt in ((world, "a cat"), (other, "a dog"))
    ]

    assert [task.params["Prompt"] for task in world.vendor.tasks] == ["a cat", "a dog"]
    assert [job.attempt.task_id for job in jobs] == ["task-1", "task-2"]
    assert all(len(task.session_id) <= 50 for task in world.vendor.tasks)


def test_a_job_of_the_release_before_keeps_its_session(world: World) -> None:
    """Its session was the job's id and the number of the attempt."""
    world.vendor.next_creates = ["lost_request"] * 4
    job = read(world, accepted(world))
    record = job.model_dump(mode="json", exclude_none=True)
    record["attempts"][0]["session_id"] = f"{job.id}-1"
    world.store.put(f"jobs/{job.id}.json", json.dumps(record).encode())

    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())
    world.vendor.fail(world.vendor.tasks[0], "RequestLimitExceeded")
    refresh(job.id, world.runtime())
    world.clock.pass_time(60)
    sweep(world.runtime())

    assert [task.session_id for task in world.vendor.tasks] == [f"{job.id}-1", f"{job.id}-2"]


def test_a_task_that_cannot_be_listed_is_adopted_from_its_callback(world: World) -> None:
    world.vendor.next_creates = ["lost_reply"]
    world.vendor.lists_tasks = False
    job = accepted(world)
    assert read(world, job).state == "submitting"

    world.vendor.finish(world.vendor.tasks[0])
    on_callback(job.id, sessions(job, 1)[0], "task-1", world.runtime())

    assert read(world, job).state == "succeeded"
    assert len(world.vendor.tasks) == 1


def test_a_throttle_after_a_lost_reply_proves_nothing(world: World) -> None:
    world.vendor.next_creates = ["lost_reply", "throttle", "throttle", "throttle"]
    world.vendor.lists_tasks = False

    job = accepted(world)

    current = read(world, job)
    assert current.state == "submitting"
    assert current.attempt.is_ambiguous
    assert len(current.attempts) == 1


def test_an_mps_task_with_a_lost_reply_is_never_sent_again(world: World) -> None:
    world.vendor.next_creates = ["lost_reply"]
    job = accepted(world, "mps.image")
    for _ in range(3):
        world.clock.pass_time(LEASE_S + 1)
        sweep(world.runtime())
    assert len(world.vendor.tasks) == 1

    world.vendor.finish(world.vendor.tasks[0])
    on_stored(job.id, 1, world.runtime())

    assert read(world, job).state == "succeeded"
    assert only_records_are_left(world)


def test_an_mps_submission_without_any_answer_ends_after_a_bounded_time(world: World) -> None:
    world.vendor.next_creates = ["lost_request"]
    job = accepted(world, "mps.image")

    world.clock.pass_time(world.settings.unknown_after_s + 1)
    sweep(world.runtime())

    current = read(world, job)
    assert current.state == "failed"
    assert current.error is not None
    assert current.error.type == "submission_unknown"
    assert not world.vendor.tasks
    assert only_records_are_left(world)


def test_a_vod_submission_without_any_answer_gives_its_slot_back(world: World) -> None:
    world.vendor.next_creates = ["lost_request"] * 100
    job = accepted(world)
    waiting = accepted(world)

    for seconds in (world.settings.unknown_after_s + 1, LEASE_S):
        world.clock.pass_time(seconds)
        sweep(world.runtime())

    current = read(world, job)
    assert (current.state, current.attempt.slot) == ("submitting", None)
    assert current.attempt.overdue_at is not None
    assert read(world, waiting).attempt.slot is not None


def test_a_call_that_nothing_explains_is_repeated_ever_more_rarely(world: World) -> None:
    world.vendor.next_creates = ["lost_request"] * 1000
    job = accepted(world)
    world.clock.pass_time(world.settings.unknown_after_s + 1)
    sweep(world.runtime())
    left = len(world.vendor.next_creates)
    for _ in range(6):
        world.clock.pass_time(60)
        sweep(world.runtime())
    assert len(world.vendor.next_creates) == left

    world.clock.pass_time(LONGEST_REPEAT_WAIT_S)
    world.vendor.next_creates = []
    sweep(world.runtime())

    assert read(world, job).state == "running"
    assert len(world.vendor.tasks) == 1


def test_a_vod_submission_is_given_up_when_its_session_is_forgotten(world: World) -> None:
    world.vendor.next_creates = ["lost_request"] * 1000
    job = accepted(world)
    for seconds in (world.settings.unknown_after_s, SESSION_KNOWN_S, LEASE_S):
        world.clock.pass_time(seconds + 1)
        sweep(world.runtime())

    current = read(world, job)
    assert current.state == "failed"
    assert current.error is not None
    assert current.error.type == "submission_unknown"
    assert only_records_are_left(world)


def test_throttled_jobs_wait_longer_each_time_and_are_given_up_in_the_end(world: World) -> None:
    world.vendor.next_creates = ["throttle"] * 100
    job = accepted(world)
    assert read(world, job).state == "queued"

    for _ in range(200):
        world.clock.pass_time(20)
        sweep(world.runtime())

    current = read(world, job)
    assert current.state == "failed"
    assert current.error is not None
    assert (current.error.type, current.error.retryable) == ("throttled", True)
    assert len(current.attempts) == MAX_ATTEMPTS
    assert only_records_are_left(world)


def test_a_job_that_waits_for_its_time_does_not_hold_up_the_others(world: World) -> None:
    world.vendor.next_creates = ["throttle"] * 4
    waiting = accepted(world, "mps.image")
    following = accepted(world, "mps.image")

    assert read(world, waiting).state == "queued"
    assert read(world, following).state == "running"


def test_backlog_that_shows_as_a_failed_task_starts_a_new_attempt(world: World) -> None:
    job = accepted(world)

    world.vendor.fail(world.vendor.tasks[0], "RequestLimitExceeded")
    refresh(job.id, world.runtime())
    world.clock.pass_time(60)
    sweep(world.runtime())

    assert [task.session_id for task in world.vendor.tasks] == sessions(job, 1, 2)
    assert read(world, job).state == "running"


@pytest.mark.parametrize(
    ("err_code_ext", "error_type"),
    [
        ("InvalidParameter.VoilationContent", "moderated"),
        ("InvalidParameter.MediaFormat", "refused"),
        ("ModelGenerateFailed", "task_failed"),
    ],
)
def test_a_failed_task_fails_its_job_with_the_vendors_code(
    world: World, err_code_ext: str, error_type: str
) -> None:
    job = accepted(world)

    world.vendor.fail(world.vendor.tasks[0], err_code_ext)
    refresh(job.id, world.runtime())

    current = read(world, job)
    assert current.state == "failed"
    assert current.error is not None
    assert (current.error.type, current.error.code) == (error_type, err_code_ext)
    assert only_records_are_left(world)


def test_a_refused_task_fails_its_job_and_the_next_one_starts(world: World) -> None:
    world.vendor.next_creates = ["refuse"]

    refused = accepted(world)
    following = accepted(world)

    error = read(world, refused).error
    assert error is not None
    assert (error.type, error.code, error.request_id) == ("refused", "InvalidParameter", "r-1")
    assert read(world, following).state == "running"


@pytest.mark.parametrize("kind", SERVICES)
def test_the_sweep_takes_over_after_the_sender_died_behind_its_call(
    world: World, kind: str
) -> None:

    world.vendor.next_creates = ["lost_reply"]
    runtime = world.runtime()
    ordered = order(kind)
    original = runtime.upstream.call

    def call_and_die(call: Any) -> dict[str, Any]:
        try:
            return original(call)
        except AmbiguousError:
            raise KilledError from None

    world.vendor.call = call_and_die  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        accept(ordered, runtime)
    world.vendor.call = original  # type: ignore[method-assign]

    sweep(world.runtime())
    still = world.runtime().ledger.records.read(ordered.id)
    assert still is not None
    assert still.state == "submitting"

    world.vendor.finish(world.vendor.tasks[0])
    world.clock.pass_time(LEASE_S + 1)
    for _ in range(2):
        sweep(world.runtime())

    current = world.runtime().ledger.records.read(ordered.id)
    assert current is not None
    assert current.state == "succeeded"
    assert len(world.vendor.tasks) == 1
    assert only_records_are_left(world)


def test_interrupted_storing_is_continued(world: World) -> None:
    job = accepted(world)
    world.vendor.finish(world.vendor.tasks[0])
    world.downloads.errors = [AmbiguousError("download")]
    assert settle(read(world, job), world.runtime()).state == "storing"

    world.clock.pass_time(60)
    sweep(world.runtime())

    assert read(world, job).state == "succeeded"
    assert only_records_are_left(world)


def test_a_result_that_is_no_image_fails_the_job(world: World) -> None:
    job = accepted(world)
    world.vendor.finish(world.vendor.tasks[0])
    world.downloads.data = b"<html>sorry</html>"

    refresh(job.id, world.runtime())

    error = read(world, job).error
    assert error is not None
    assert error.type == "result_unusable"


def test_a_callback_repeated_changes_nothing(world: World) -> None:
    job = accepted(world)
    world.vendor.finish(world.vendor.tasks[0])

    for _ in range(3):
        on_callback(job.id, sessions(job, 1)[0], "task-1", world.runtime())

    assert world.downloads.fetched == ["http://vendor/task-1.png"]


def test_a_callback_of_an_earlier_attempt_is_not_adopted(world: World) -> None:
    job = accepted(world)
    world.vendor.fail(world.vendor.tasks[0], "RequestLimitExceeded")
    refresh(job.id, world.runtime())
    world.vendor.next_creates = ["lost_request"] * 4
    world.clock.pass_time(60)
    sweep(world.runtime())
    assert read(world, job).state == "submitting"

    on_callback(job.id, sessions(job, 1)[0], "task-1", world.runtime())

    assert read(world, job).attempt.task_id == ""


def test_a_status_call_costs_one_ledger_request_and_one_query(world: World) -> None:
    job = accepted(world)
    world.store.requests.clear()
    world.vendor.calls.clear()

    refresh(job.id, world.runtime())

    assert world.store.requests == [f"get jobs/{job.id}.json"]
    assert world.vendor.calls == ["DescribeTaskDetail"]


class Cost:
    """Requests to the ledger and round trips of what runs in its block."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> Self:
        self._world.store.requests.clear()
        self._world.store.round_trips.count = 0
        return self

    def __exit__(self, *_: object) -> None:
        self.requests = len(self._world.store.requests)
        self.round_trips = self._world.store.round_trips.count


def runtime_in_parallel(world: World) -> Runtime:
    world.parallel = world.store.round_trips.parallel
    return world.runtime()


@pytest.mark.parametrize("kind", SERVICES)
def test_a_submit_takes_four_round_trips_or_three_when_the_lane_is_full(
    world: World, kind: str
) -> None:
    with Cost(world) as free:
        accept(order(kind, is_repeatable=False), runtime_in_parallel(world))
    assert world.vendor.tasks
    while len(world.vendor.tasks) < world.settings.lanes[kind]:
        accepted(world, kind)
    with Cost(world) as full:
        accept(order(kind, is_repeatable=False), runtime_in_parallel(world))
    world.clock.pass_time(60)
    with Cost(world) as guessed:
        accept(order(kind, is_repeatable=False), runtime_in_parallel(world))

    assert (free.round_trips, free.requests) == (4, 12)
    assert (full.round_trips, full.requests) == (3, 5)
    assert (guessed.round_trips, guessed.requests) == (3, 10)


def test_a_job_that_waits_is_started_within_eight_round_trips(world: World) -> None:
    first, second = accepted(world), accepted(world)
    world.store.delete(*world.ledger_keys("lanes/vod.image/slots/"))

    with Cost(world) as start:
        pump("vod.image", runtime_in_parallel(world))

    assert read(world, first).state == read(world, second).state == "running"
    # list, read, begin, four for claim and slot, `submitting`; the call; `running`, list
    assert start.round_trips == 8 + 2


def test_a_job_whose_slot_is_lost_at_the_last_step_can_be_claimed_at_once(world: World) -> None:
    class Overwriting(InMemoryStore):
        def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
            super().put(key, body, content_type)
            if key == "lanes/vod.image/slots/0000/y":
                rival = world.runtime().ledger.slots._contest.ticket("rival")  # noqa: SLF001
                super().put("lanes/vod.image/slots/0000/x", rival)

    _, second = accepted(world), accepted(world)
    world.store.delete(*world.ledger_keys("lanes/vod.image/slots/"))
    calm, weak = world.store, Overwriting(world.clock)
    weak.objects, weak._keys = calm.objects, calm._keys  # noqa: SLF001

    world.store = weak
    pump("vod.image", world.runtime())
    lost = read(world, second)
    world.store = calm
    world.store.delete(*world.ledger_keys("lanes/vod.image/slots/"))
    pump("vod.image", world.runtime())

    assert lost.state == "queued"
    assert read(world, second).state == "running"
    assert len(world.vendor.tasks) == 2


def test_a_marker_without_a_record_is_removed_once_its_writer_must_be_dead(world: World) -> None:
    world.store.put("lanes/vod.image/waiting/10-1763640000000-lost-abcd", b"{}")

    pump("vod.image", world.runtime())
    assert world.ledger_keys("lanes/vod.image/waiting/")
    world.clock.pass_time(LEASE_S + 1)
    pump("vod.image", world.runtime())

    assert not world.ledger_keys("lanes/vod.image/waiting/")


def test_a_slot_whose_holder_died_is_freed_by_the_sweep(world: World) -> None:
    ledger = world.runtime().ledger
    ledger.slots.take("vod.image", 0, "no-such-job")
    job = accepted(world)
    assert read(world, job).state == "queued"

    world.clock.pass_time(timedelta(seconds=LEASE_S + 1).total_seconds())
    sweep(world.runtime())

    assert read(world, job).state == "running"


def test_a_job_outlives_a_catalogue_that_no_longer_allows_its_task(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = accepted(world, output_config={"resolution": "4K"})
    accepted(world)
    narrower = Catalogue(
        as_of="2027-01-01",
        models={"vod.image": [Model("GG", "3.0", "a test", {"resolution": OneOf(("1K",))})]},
    )
    monkeypatch.setattr("aigc.tasks.catalogue.catalogue", lambda: narrower)

    world.vendor.finish(world.vendor.tasks[0])
    refresh(job.id, world.runtime())

    assert read(world, job).state == "succeeded"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("vod.image", ThrottledError("put")), ("mps.image", AmbiguousError("put"))],
)
def test_an_error_of_the_ledger_is_not_mistaken_for_the_vendors_answer(
    world: World, kind: str, error: Exception
) -> None:
    # The second write of the record, `running`, comes when the vendor has the task.
    world.store.faults = [StoreFault("put jobs/", AmbiguousError("put"), takes_effect=True)]
    world.store.faults += [StoreFault("put jobs/", error)] * 2

    job = accepted(world, kind)
    world.vendor.finish(world.vendor.tasks[0])
    for _ in range(4):
        world.clock.pass_time(LEASE_S + 1)
        sweep(world.runtime())

    assert len(world.vendor.tasks) == 1
    assert read(world, job).state == "succeeded"
    assert only_records_are_left(world)


def test_a_slot_whose_release_was_not_answered_is_freed_by_the_sweep(world: World) -> None:
    job = accepted(world)
    following = accepted(world)
    world.store.faults = [StoreFault("delete lanes/vod.image/slots/", AmbiguousError("delete"))]
    world.vendor.finish(world.vendor.tasks[0])

    refresh(job.id, world.runtime())
    assert read(world, following).state == "queued"
    world.clock.pass_time(LEASE_S + 1)
    sweep(world.runtime())

    assert read(world, following).state == "running"


def test_a_task_that_the_vendor_forgot_does_not_hold_its_lane_for_ever(world: World) -> None:
    stuck = accepted(world)
    following = accepted(world)

    world.clock.pass_time(timedelta(days=3, seconds=1).total_seconds())
    sweep(world.runtime())

    error = read(world, stuck).error
    assert error is not None
    assert error.type == "task_failed"
    assert read(world, following).state == "running"


def test_the_vendors_own_images_are_removed_in_the_end_though_it_failed_before(
    world: World,
) -> None:
    job = accepted(world, "mps.image")
    world.vendor.finish(world.vendor.tasks[0])
    world.results.faults = [StoreFault("delete .aigc/", AmbiguousError("delete"))] * 2
    refresh(job.id, world.runtime())

    for _ in range(2):
        world.clock.pass_time(LEASE_S + 1)
        sweep(world.runtime())

    assert sorted(world.results.objects) == ["calls/image-1.png", "calls/image.json"]
    assert only_records_are_left(world)


def test_claims_behind_an_unreadable_record_are_removed(
    world: World,
) -> None:
    damaged = accepted(world, "mps.image", job_id="0" * 32)
    ended = accepted(world)
    world.store.put(f"jobs/{damaged.id}.json", b"{}")
    world.vendor.finish(world.vendor.tasks[1])
    refresh(ended.id, world.runtime())

    for _ in range(40):
        world.clock.pass_time(LEASE_S + 1)
        sweep(world.runtime())

    assert not world.ledger_keys(f"claims/{ended.id}/")
