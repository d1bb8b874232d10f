"""Webhooks of the whole system, received on loopback and verified like a receiver does."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from standardwebhooks import Webhook

from aigc_cli import cli
from tests.e2e.stack import Stack, wait_for
from tests.e2e.tasks import IMAGE
from tests.e2e.test_documentation import shape
from tests.pages import blocks, page
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def verified_payload(stack: Stack, receiver: Receiver, number: int = 0) -> dict[str, Any]:
    request = wait_for(lambda: receiver.got[number:])[0]
    webhook = Webhook(stack.connection["webhook_secret"])
    payload: dict[str, Any] = webhook.verify(request.body, request.headers)
    return payload


def test_result_arrives_signed_with_valid_links_in_the_documented_shape(
    stack: Stack, receiver: Receiver
) -> None:
    [documented] = blocks(page("webhooks.md"), "json webhook")

    path = f"tencent-vod/v1/aigc-image?fal_webhook={receiver.url}"
    answer = stack.call(path, IMAGE).json()
    message = verified_payload(stack, receiver)

    assert (message["status"], message["request_id"]) == ("OK", answer["request_id"])
    [image] = message["payload"]["images"]
    assert requests.get(image["url"], timeout=30).headers["Content-Type"] == image["content_type"]
    assert len(receiver.got) == 1
    assert shape(message) == shape(json.loads(documented))


def test_sweep_retries_a_refused_webhook_with_the_same_id(stack: Stack, receiver: Receiver) -> None:
    receiver.plan = [500]

    stack.call("tencent-vod/v1/aigc-image", IMAGE | {"webhook_url": receiver.url})
    message = verified_payload(stack, receiver, number=1)

    assert message["status"] == "OK"
    first, second = (got.headers for got in receiver.got)
    assert first["webhook-id"] == second["webhook-id"] == f"msg_{message['request_id']}"
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    [image] = message["payload"]["images"]  # signed by the sweep's own role
    assert requests.get(image["url"], timeout=30).ok
    [failed] = [
        line for line in stack.log if "webhook_failed" in line and message["request_id"] in line
    ]
    assert json.loads(failed[failed.index("{") :])["status"] == 500


def test_command_replays_a_webhook_that_was_given_up(
    here: Stack, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.plan = [410]
    body = IMAGE | {"webhook_url": receiver.url}
    job_id = here.call("tencent-vod/v1/aigc-image", body).json()["request_id"]
    wait_for(lambda: any("webhook_dead" in line and job_id in line for line in here.log))

    statuses = [cli.main(["jobs", "replay", "--webhooks", "--all"]) for _ in range(2)]

    assert statuses == [0, 0]
    lines = capsys.readouterr().out.splitlines()
    assert job_id in lines[0]
    assert lines[1:] == ["no webhook was given up"]
    assert verified_payload(here, receiver, number=1)["request_id"] == job_id


NODE = shutil.which("node")
RECEIVERS = [
    pytest.param("python receiver", [sys.executable, "-c"], id="python"),
    pytest.param(
        "js receiver",
        ["node", "--input-type=module", "--eval"],
        id="js",
        marks=pytest.mark.skipif(NODE is None, reason="needs Node.js; .ci/run installs it"),
    ),
]


@pytest.mark.parametrize(("language", "command"), RECEIVERS)
def test_documented_receiver_accepts_a_webhook_and_no_forgery(
    stack: Stack, language: str, command: list[str]
) -> None:
    [program] = blocks(page("webhooks.md"), language)
    port = free_port()
    variables = {"WEBHOOK_SECRET": stack.connection["webhook_secret"], "PORT": str(port)}
    with subprocess.Popen(
        [*command, program],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as reader:
        wait_for(lambda: is_listening(port))
        url = f"http://127.0.0.1:{port}/"
        signed = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time()))}
        forged = requests.post(url, headers=signed | {"webhook-signature": "v1,AAAA"}, timeout=30)

        body = IMAGE | {"webhook_url": url}
        job_id = stack.call("tencent-vod/v1/aigc-image", body).json()["request_id"]
        assert reader.stdout is not None
        printed = reader.stdout.readline()
        reader.terminate()

    assert forged.status_code == 401
    assert printed.split() == [f"msg_{job_id}", job_id, "OK"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
