"""Webhooks of the whole system, received on loopback and verified as a receiver would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests
from standardwebhooks import Webhook

from ops import cli
from tests.e2e.stack import Stack, wait_for
from tests.e2e.test_documentation import API, shape
from tests.e2e.test_main_job import ENDPOINTS, IMAGE
from tests.pages import blocks
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def verified(stack: Stack, receiver: Receiver, number: int = 0) -> dict[str, Any]:
    got = wait_for(lambda: receiver.got[number:])[0]
    told: dict[str, Any] = Webhook(stack.connection["webhook_secret"]).verify(got.body, got.headers)
    return told


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_result_arrives_signed_and_its_links_open(
    stack: Stack, receiver: Receiver, endpoint: str
) -> None:
    answer = stack.call(f"{endpoint}?fal_webhook={receiver.url}", ENDPOINTS[endpoint]).json()

    told = verified(stack, receiver)

    assert (told["status"], told["request_id"]) == ("OK", answer["request_id"])
    [image] = told["payload"]["images"]
    assert requests.get(image["url"], timeout=30).headers["Content-Type"] == image["content_type"]
    assert len(receiver.got) == 1


def test_a_failure_arrives_with_its_error(stack: Stack, receiver: Receiver) -> None:
    stack.fault("vod.CreateAigcImageTask", "task_failure:ContentModerationFailed")

    stack.call("tencent-vod/v1/aigc-image", IMAGE | {"webhook_url": receiver.url})

    told = verified(stack, receiver)
    assert told["status"] == "ERROR"
    assert told["payload"]["error_type"] == "content_policy_violation"


def test_what_a_receiver_did_not_take_comes_again_by_the_sweep_under_the_same_id(
    stack: Stack, receiver: Receiver
) -> None:
    receiver.plan = [500]

    stack.call("tencent-vod/v1/aigc-image", IMAGE | {"webhook_url": receiver.url})
    told = verified(stack, receiver, number=1)

    assert told["status"] == "OK"
    first, second = (got.headers for got in receiver.got)
    assert first["webhook-id"] == second["webhook-id"] == f"msg_{told['request_id']}"
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    [image] = told["payload"]["images"]  # signed by the sweep's own role
    assert requests.get(image["url"], timeout=30).ok
    [failed] = [
        line for line in stack.log if "webhook_failed" in line and told["request_id"] in line
    ]
    assert json.loads(failed[failed.index("{") :])["status"] == 500


def test_a_webhook_that_was_given_up_is_replayed_by_a_command(
    here: Stack, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.plan = [410]
    body = IMAGE | {"webhook_url": receiver.url}
    job_id = here.call("tencent-vod/v1/aigc-image", body).json()["request_id"]
    wait_for(lambda: any("webhook_dead" in line and job_id in line for line in here.log))

    statuses = [cli.main(["replay", "--webhooks", "--all"]) for _ in range(2)]

    assert statuses == [0, 0]
    told = capsys.readouterr().out.splitlines()
    assert job_id in told[0]
    assert told[1:] == ["no webhook was given up"]
    assert verified(here, receiver, number=1)["request_id"] == job_id


def test_a_webhook_looks_as_shown(stack: Stack, receiver: Receiver) -> None:
    [shown] = blocks(API, "json webhook")

    stack.call("tencent-vod/v1/aigc-image", IMAGE | {"webhook_url": receiver.url})

    assert shape(verified(stack, receiver)) == shape(json.loads(shown))


def test_the_receiver_that_is_shown_takes_a_webhook(stack: Stack) -> None:
    [program] = blocks(API, "python receiver")
    port = free_port()
    told = {"WEBHOOK_SECRET": stack.connection["webhook_secret"], "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | told,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as reader:
        wait_for(lambda: is_listening(port))

        body = IMAGE | {"webhook_url": f"http://127.0.0.1:{port}/"}
        job_id = stack.call("tencent-vod/v1/aigc-image", body).json()["request_id"]
        assert reader.stdout is not None
        printed = reader.stdout.readline()
        reader.terminate()

    assert printed.split() == [f"msg_{job_id}", job_id, "OK"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_an_address_inside_is_refused_when_it_is_asked_for(stack: Stack) -> None:
    answer = stack.call(
        "tencent-vod/v1/aigc-image", IMAGE | {"webhook_url": "http://169.254.0.23/latest"}
    )

    assert answer.status_code == 422
    assert answer.json()["field"] == "webhook_url"
