"""What each class of error makes of a job: every row of the table in docs/how-it-works.md."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import pytest

from aigc.cloud.api3 import CloudApi
from aigc.jobs.settle import refresh
from localcloud.cloud import LocalCloud
from tests.cloud.conftest import empty_bucket, enter
from tests.fakes import World, build_world, sessions
from tests.jobs import accepted, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

KINDS = {"vod.image": "vod.CreateAigcImageTask", "mps.image": "mps.CreateAigcImageTask"}
QUERIES = {"vod.image": "vod.DescribeTaskDetail", "mps.image": "mps.DescribeAigcImageTask"}

THROTTLED = "throttle"
BACKLOGGED = "refuse:LimitExceeded.CreateTask"
AMBIGUOUS = ("lost_reply", "http_500", "refuse:InternalError")
REFUSED = "refuse:InvalidParameterValue.FileId"
ACCOUNT = "refuse:AuthFailure.SignatureFailure"
"""One code of each class; tests/unit/test_vendor_errors.py has the class of every code."""

BUCKETS = {"ledger_bucket": "memory-1250000000", "results_bucket": "ledger-1250000000"}
"""The ledger is in memory; the results bucket is the only one of the local cloud."""


class CloudWorld(World):
    """A world whose vendor is the local cloud."""

    def runtime(self, seconds: float = 60) -> Runtime:
        upstream = CloudApi(site="cn", protocol="http")
        return dataclasses.replace(super().runtime(seconds), upstream=upstream)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloud]:
    """A cloud of this test's own, where nothing else counts towards a limit."""
    with LocalCloud(speed=200) as made:
        made.role_trusts = lambda _role, _service: True
        enter(made, monkeypatch)
        empty_bucket(made)
        yield made


@pytest.fixture
def world(cloud: LocalCloud) -> World:
    made = build_world(sub_app_id=cloud.account.app_id, **BUCKETS)
    return CloudWorld(
        **{field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    )


def tasks_of(cloud: LocalCloud, job: Job) -> int:
    report = cloud.tasks.report()["tasks"]
    sessions = [attempt.session_id for attempt in job.attempts]
    return sum(task["session_id"] in sessions for task in report)


def paid(cloud: LocalCloud) -> int:
    return len(cloud.tasks.report()["tasks"])


def break_next(cloud: LocalCloud, where: str, what: str, times: int = 1) -> None:
    cloud.faults.replace([{"where": where, "what": what, "times": times}])


@pytest.mark.parametrize("kind", KINDS)
def test_a_throttled_create_is_repeated_at_once(cloud: LocalCloud, world: World, kind: str) -> None:
    break_next(cloud, KINDS[kind], THROTTLED)

    job = accepted(world, kind)

    assert read(world, job).state == "running"
    assert len(read(world, job).attempts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_backlog_sends_the_job_back_to_its_queue_with_a_new_session(
    cloud: LocalCloud, world: World, kind: str
) -> None:
    break_next(cloud, KINDS[kind], BACKLOGGED)

    job = read(world, accepted(world, kind))

    assert job.state == "queued"
    assert [attempt.session_id for attempt in job.attempts] == sessions(job, 1, 2)
    assert not paid(cloud)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vendor_that_cannot_be_reached_got_no_call(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    job = read(world, accepted(world, kind))

    assert job.state == "queued"
    assert not job.attempts[0].is_ambiguous


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_an_ambiguous_create_at_vod_is_repeated_under_the_same_session(
    cloud: LocalCloud, world: World, what: str
) -> None:
    break_next(cloud, KINDS["vod.image"], what)

    job = read(world, accepted(world))

    assert job.state == "running"
    assert tasks_of(cloud, job) == 1


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_an_ambiguous_create_at_mps_is_never_repeated(
    cloud: LocalCloud, world: World, what: str
) -> None:
    break_next(cloud, KINDS["mps.image"], what)

    job = read(world, accepted(world, "mps.image"))

    assert job.state == "submitting"
    assert job.attempt.is_ambiguous
    assert paid(cloud) == (what == "lost_reply")


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_ends_the_job_with_the_vendors_code(
    cloud: LocalCloud, world: World, kind: str
) -> None:
    break_next(cloud, KINDS[kind], REFUSED)

    error = read(world, accepted(world, kind)).error

    assert error is not None
    assert (error.type, error.retryable) == ("refused", False)
    assert error.code == REFUSED.removeprefix("refuse:")
    assert error.request_id


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_account_pauses_the_lane_and_leaves_the_job_as_it_was(
    cloud: LocalCloud, world: World, kind: str
) -> None:
    break_next(cloud, KINDS[kind], ACCOUNT)

    job = read(world, accepted(world, kind))

    assert (job.state, len(job.attempts), job.attempt.is_ambiguous) == ("queued", 1, False)
    assert not paid(cloud)
    pause = world.runtime().ledger.pauses.read(kind)
    assert pause is not None
    assert pause.is_active
    assert pause.code == ACCOUNT.removeprefix("refuse:")
    assert pause.request_id


def test_an_unclear_code_leaves_a_job_of_vod_in_its_queue(cloud: LocalCloud, world: World) -> None:
    break_next(cloud, KINDS["vod.image"], "refuse:FailedOperation.SomethingNew")

    job = read(world, accepted(world))

    assert (job.state, len(job.attempts)) == ("queued", 1)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        *(("vod.image", what) for what in (THROTTLED, BACKLOGGED, "lost_reply", REFUSED, ACCOUNT)),
        ("mps.image", THROTTLED),
        ("mps.image", ACCOUNT),
    ],
)
def test_a_query_that_fails_changes_nothing(
    cloud: LocalCloud, world: World, kind: str, what: str
) -> None:
    job = read(world, accepted(world, kind))
    break_next(cloud, QUERIES[kind], what)

    assert refresh(job.id, world.runtime()) == job


def test_a_task_that_fails_for_lack_of_room_is_a_new_attempt(
    cloud: LocalCloud, world: World
) -> None:
    job = failed_at_the_vendor(cloud, world, "RequestLimitExceeded")

    assert job.state == "queued"
    assert len(job.attempts) == 2


def test_a_task_that_the_content_check_stops_is_not_tried_again(
    cloud: LocalCloud, world: World
) -> None:
    job = failed_at_the_vendor(cloud, world, "ContentModerationFailed")

    assert job.error is not None
    assert (job.error.type, job.error.retryable) == ("moderated", False)


def failed_at_the_vendor(cloud: LocalCloud, world: World, code: str) -> Job:
    break_next(cloud, KINDS["vod.image"], f"task_failure:{code}")
    job = accepted(world)
    task = cloud.tasks.find("vod", read(world, job).attempt.task_id)
    assert task is not None
    while not task.has_ended:
        time.sleep(0.01)
    refresh(job.id, world.runtime())
    return read(world, job)
