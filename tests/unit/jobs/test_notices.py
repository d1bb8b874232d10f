"""Chat robots report ended jobs: grouped, signed, retried, and without harm to a job."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from aigc.cloud.webhooks import PublicSender
from aigc.errors import AmbiguousError
from aigc.jobs.notices import GIVE_UP_S, SHOWN
from aigc.jobs.ports import Reply
from aigc.jobs.settle import refresh
from aigc.robots import LONGEST_TEXT
from aigc.settings import SettingsError
from aigc.sweeping import sweep
from aigc.wire import with_fields
from tests.fakes import FakeSender, StoreFault, World, build_settings, build_world
from tests.jobs import accepted, read
from tests.robots import ChatRobots, chat_robots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aigc.jobs.job import Job

SECRET = "SECabc123"  # noqa: S105  of no real robot
KINDS = ("wecom", "feishu", "dingtalk")
TAKEN = Reply(status=200, answer=b'{"errcode":0,"errmsg":"ok"}')
REFUSED = Reply(status=200, answer=b'{"errcode":310000,"errmsg":"sign not match"}')


class RealSender(FakeSender):
    """Sends over real HTTP."""

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        answer_bytes: int = 0,
    ) -> Reply:
        sender = PublicSender(plain_http=True, networks=("127.0.0.0/8",))
        return sender.send(url, headers, body, timeout_s, answer_bytes)


@pytest.fixture
def world() -> World:
    return build_world(robots=[robot("wecom", "https://qyapi.weixin.qq.com/send?key=secret")])


@pytest.fixture
def group() -> Iterator[ChatRobots]:
    with chat_robots(SECRET, keyword="aigc") as robots:
        yield robots


def robot(kind: str, url: str, secret: str = "", **options: Any) -> dict[str, Any]:
    return {"kind": kind, "url": url, "secret": secret, "jobs": "all", **options}


def world_with(group: ChatRobots, *robots: dict[str, Any]) -> World:
    """Return a world whose notices go over real HTTP, with the robots' clock as its own."""
    world = build_world(robots=list(robots), public_url="https://api.example.com/")
    group.now = lambda: world.clock.now().timestamp()
    world.sender = RealSender()
    return world


def succeeded(world: World) -> Job:
    job = accepted(world)
    world.vendor.finish(world.vendor.tasks[-1])
    refresh(job.id, world.runtime())
    return read(world, job)


def failed(world: World, code: str = "InternalError", **task: Any) -> Job:
    job = accepted(world, **task)
    world.vendor.fail(world.vendor.tasks[-1], code)
    refresh(job.id, world.runtime())
    return read(world, job)


def texts(world: World) -> list[str]:
    return [json.loads(sent.body)["text"]["content"] for sent in world.sender.sent]


# What is sent


@pytest.mark.parametrize("kind", KINDS)
def test_each_robot_takes_the_message(kind: str, group: ChatRobots) -> None:
    secret = "" if kind == "wecom" else SECRET
    world = world_with(group, robot(kind, group.url(kind), secret))
    job = failed(world)

    sweep(world.runtime())

    assert group.refused == []
    [text] = group.texts
    title, line = text.splitlines()
    assert title == "[aigc] aigc: 1 failed"
    assert line.startswith('failed vod.image "a cat": task_failed InternalError')
    assert line.endswith(f"https://api.example.com/console#/jobs?job={job.id}")
    assert world.ledger_keys("notices/") == []


def test_without_the_console_a_message_has_the_address_of_the_record(world: World) -> None:
    world.settings = with_fields(
        world.settings, console=False, public_url="https://api.example.com/"
    )
    job = failed(world)
    world.sender.replies = [TAKEN]

    sweep(world.runtime())

    assert texts(world)[0].endswith(f" https://api.example.com/v1/jobs/{job.id}")


def test_many_jobs_are_one_message_that_describes_the_failed_ones_first(world: World) -> None:
    for _ in range(7):
        succeeded(world)
    broken = failed(world)
    world.sender.replies = [TAKEN]

    sweep(world.runtime())
    sweep(world.runtime())

    [text] = texts(world)
    lines = text.splitlines()
    assert lines[0] == "[aigc] aigc: 1 failed, 7 succeeded"
    assert broken.id in lines[1]
    assert len(lines) == 1 + SHOWN + 1
    assert lines[-1] == f"… {8 - SHOWN} more"


def test_five_thousand_jobs_are_one_message(world: World) -> None:
    [name] = [robot.name for robot in world.settings.robots]
    for number in range(5000):
        world.store.put(f"notices/{name}/msg_{number:032x}.succeeded", b"{}")
    world.sender.replies = [TAKEN]

    sweep(world.runtime())

    [text] = texts(world)
    assert text.startswith("[aigc] aigc: 5000 succeeded")
    assert world.ledger_keys("notices/") == []


@pytest.mark.parametrize(("jobs", "expected"), [("none", 0), ("failed", 1), ("all", 2)])
def test_a_robot_reports_what_it_is_set_to(jobs: str, expected: int) -> None:
    world = build_world(robots=[robot("wecom", "https://example.com/", jobs=jobs)])
    failed(world)
    succeeded(world)

    assert len(world.ledger_keys("notices/")) == expected


def test_a_long_prompt_fits_and_mentions_nobody(group: ChatRobots) -> None:
    world = world_with(group, robot("wecom", group.url("wecom")))
    for _ in range(SHOWN):
        failed(world, prompt="<@all>\n" + "猫" * 500)

    sweep(world.runtime())

    [text] = group.texts
    assert group.refused == []
    assert len(text.encode()) <= LONGEST_TEXT
    assert "<" not in text
    assert len(text.splitlines()) == 1 + SHOWN


def test_long_errors_leave_room_for_the_number_of_the_other_jobs(group: ChatRobots) -> None:
    world = world_with(group, robot("wecom", group.url("wecom")))
    for _ in range(SHOWN):
        job = failed(world, prompt="猫" * 500)
        assert job.error is not None
        long = with_fields(job, error=with_fields(job.error, message="错" * 500))
        world.store.put(f"jobs/{job.id}.json", long.model_dump_json().encode())

    sweep(world.runtime())

    [text] = group.texts
    assert group.refused == []
    assert text.splitlines()[-1] == "… 2 more"


def test_without_robots_nothing_is_written() -> None:
    world = build_world()
    failed(world)

    assert world.ledger_keys("notices/") == []


# Refusals


def test_an_answer_of_200_with_a_code_is_a_failure(world: World) -> None:
    failed(world)
    world.sender.replies = [REFUSED, TAKEN]

    sweep(world.runtime())
    assert len(world.ledger_keys("notices/")) == 1
    failed(world)
    sweep(world.runtime())

    assert [text.splitlines()[0] for text in texts(world)] == [
        "[aigc] aigc: 1 failed",
        "[aigc] aigc: 2 failed",
    ]
    assert world.ledger_keys("notices/") == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(status=200, answer=b"<html>"),
        Reply(status=200, answer=b"[]"),
        Reply(status=200, answer=b'{"code":19021,"msg":"sign match fail"}'),
        Reply(error="no answer within 5 s"),
    ],
)
def test_any_answer_but_a_confirmation_is_a_failure(world: World, reply: Reply) -> None:
    failed(world)
    world.sender.replies = [reply]

    sweep(world.runtime())

    assert len(world.ledger_keys("notices/")) == 1


def test_a_wrong_secret_is_refused_and_logged_without_secrets(
    group: ChatRobots, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = world_with(group, robot("dingtalk", group.url("dingtalk"), "SECwrong"))
    failed(world)

    sweep(world.runtime())

    [record] = [item for item in caplog.records if item.message == "notice_failed"]
    assert vars(record)["error"] == "code 310000: sign not match"
    logged = "".join(str(vars(item)) for item in caplog.records)
    assert "SECwrong" not in logged
    assert "access_token" not in logged
    assert "SECwrong" not in repr(world.settings)
    assert group.texts == []


def test_a_robot_that_refuses_delays_no_other(group: ChatRobots) -> None:
    world = world_with(
        group,
        robot("dingtalk", group.url("dingtalk"), "SECwrong"),
        robot("feishu", group.url("feishu"), SECRET),
    )
    failed(world)

    sweep(world.runtime())
    sweep(world.runtime())

    assert len(group.texts) == 1
    assert len(group.refused) == 2


def test_sweeps_of_an_hour_stay_below_the_robots_rate(group: ChatRobots) -> None:
    world = world_with(group, robot("wecom", group.url("wecom")))
    for _ in range(60):
        failed(world)
        failed(world)
        world.clock.pass_time(60)
        sweep(world.runtime())

    assert group.refused == []
    assert len(group.texts) == 60


def test_after_two_hours_of_refusals_notices_are_given_up(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    failed(world)
    world.sender.replies = [REFUSED] * 200

    for _ in range(GIVE_UP_S // 60 + 2):
        world.clock.pass_time(60)
        sweep(world.runtime())

    assert world.ledger_keys("notices/") == []
    assert sum(item.message == "notice_given_up" for item in caplog.records) == 1


# Deaths and repeats


def test_a_marker_that_cannot_be_written_harms_no_job(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    lost = AmbiguousError("put")
    world.store.faults = [StoreFault("put notices/", lost), StoreFault("put notices/", lost)]

    job = failed(world)

    assert job.state == "failed"
    assert any(item.message == "notice_lost" for item in caplog.records)
    assert accepted(world).state == "running"


def test_a_message_whose_markers_were_not_removed_is_sent_again(world: World) -> None:
    failed(world)
    world.sender.replies = [TAKEN, TAKEN]
    world.store.faults = [StoreFault("delete notices/", AmbiguousError("delete"))]

    sweep(world.runtime())
    sweep(world.runtime())
    sweep(world.runtime())

    assert len(texts(world)) == 2


def test_a_job_that_two_invocations_end_is_reported_once(world: World) -> None:
    job = failed(world)
    [marker] = world.ledger_keys("notices/")

    refresh(job.id, world.runtime())

    assert world.ledger_keys("notices/") == [marker]


def test_no_end_is_reported_before_its_record_is_written(world: World) -> None:
    world.store.faults = [StoreFault("put notices/", KeyboardInterrupt())]
    job = accepted(world)
    world.vendor.fail(world.vendor.tasks[-1], "InternalError")

    with pytest.raises(KeyboardInterrupt):
        refresh(job.id, world.runtime())

    assert read(world, job).has_ended


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "slack", "url": "https://example.com"},
        {"kind": "wecom", "url": "qyapi.weixin.qq.com"},
        {"kind": "wecom", "url": "https://example.com/" + "x" * 256},
        {"kind": "wecom", "url": "https://example.com", "job": "all"},
    ],
)
def test_wrong_robots_are_refused_without_their_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="robots") as raised:
        build_settings(robots=[wrong])

    assert not isinstance(raised.value, SettingsError)
