"""Answers say why a request waits: a refused account, an overdue task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigc.sweeping import sweep
from tests.unit.api.test_mcp import Agent, text
from tests.unit.api.test_progress import status_of, submitted
from tests.unit.api.test_submit import BODIES, IMAGE

if TYPE_CHECKING:
    from tests.unit.api.client import Client

ARREARS = "FailedOperation.UserArrears"


def lane(client: Client) -> dict[str, Any]:
    lanes = client.get("/v1/lanes").body["lanes"]
    return next(dict(lane) for lane in lanes if lane["name"] == "vod.image")


def test_refused_account_is_in_the_submit_the_status_and_the_lane(client: Client) -> None:
    client.world.vendor.refused["Create"] = ARREARS

    first = client.post(IMAGE, BODIES[IMAGE]).body
    second = client.post(IMAGE, BODIES[IMAGE]).body

    expected = {
        "action": "CreateAigcImageTask",
        "code": ARREARS,
        "message": "repair it",
        "request_id": "refusal-1",
        "since": "2026-11-20T12:00:00+00:00",
        "next_probe": "2026-11-20T12:01:00+00:00",
    }
    assert first["paused"] == second["paused"] == lane(client)["paused"] == expected
    status = status_of(client, second["request_id"])
    assert (status.status, status.body["status"]) == (202, "IN_QUEUE")
    assert status.body["paused"] == expected
    assert "error" not in status.body


def test_another_instance_reads_the_pause_too(client: Client) -> None:
    client.world.vendor.refused["Create"] = ARREARS
    request_id = submitted(client)
    client.world.memory = type(client.world.memory)()

    assert status_of(client, request_id).body["paused"]["code"] == ARREARS


def test_status_of_a_running_request_shows_a_refused_query(client: Client) -> None:
    request_id = submitted(client)
    client.world.vendor.refused["Describe"] = "UnauthorizedOperation"

    body = status_of(client, request_id).body

    assert body["status"] == "IN_PROGRESS"
    assert (body["paused"]["action"], body["paused"]["code"]) == (
        "DescribeTaskDetail",
        "UnauthorizedOperation",
    )


def test_agent_reads_why_a_request_waits(client: Client) -> None:
    client.world.vendor.refused["Create"] = ARREARS
    agent = Agent(client)

    submitted = agent.call("generate_image", model="gg-3.0", prompt="a boat")
    client.world.memory = type(client.world.memory)()
    request_id = submitted["structuredContent"]["request_id"]
    waiting = agent.call("get_result", request_id=request_id)

    for answer in (submitted, waiting):
        assert f"the vendor refuses the account ({ARREARS}: repair it)" in text(answer)


def test_openai_client_reads_why_a_request_waits(client: Client) -> None:
    client.world.vendor.refused["Create"] = ARREARS
    body = {"model": "gg-3.0", "prompt": "a lighthouse"}

    answer = client.post("/openai/v1/images/generations", body)

    assert answer.status == 504
    assert "the vendor refuses the account" in answer.body["error"]["message"]


def test_nothing_is_paused_after_the_repair(client: Client) -> None:
    client.world.vendor.refused["Create"] = ARREARS
    request_id = submitted(client)
    client.world.vendor.refused.clear()
    client.world.clock.pass_time(61)
    sweep(client.world.runtime())

    assert "paused" not in status_of(client, request_id).body
    assert lane(client)["paused"] is None


def test_overdue_task_is_in_the_status_and_the_log(client: Client) -> None:
    request_id = submitted(client)
    client.world.clock.pass_time(660)
    sweep(client.world.runtime())

    body = status_of(client, request_id, query={"logs": "1"}).body

    assert body["overdue_since"] == "2026-11-20T12:11:00+00:00"
    assert "the task runs far longer than usual" in [entry["message"] for entry in body["logs"]]
