"""Subscribe by polling and by streaming, run, cancel and upload with the setting of docs/fal.md."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.triggers import CORS_HEADERS
from tests.clients.programs import run_client
from tests.e2e.stack import ROOT, SAMPLES
from tests.pages import blocks, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.stack import Stack

pytestmark = pytest.mark.client("@fal-ai/client")

JS = ROOT / "tests" / "clients" / "js"
RECORDER = "--import ./record_hosts.mjs"
PNG = b"\x89PNG"
ENDPOINT = "tencent-vod/v1/aigc-image"
WAITING_BEFORE = 30
"""Jobs that take, one after the other, longer than the 10 seconds that a call has here."""


@pytest.fixture(autouse=True)
def folder(installed: Path) -> Path:
    """Put what the page shows beside the client."""
    shown = {"gateway": "js fal", "example": "js fal run", "proxy": "js fal proxy"}
    for name, language in shown.items():
        [block] = blocks(page("fal.md"), language)
        (installed / f"{name}.mjs").write_text(block, encoding="utf-8")
    (installed / "cat.jpg").write_bytes((SAMPLES / "cat.jpg").read_bytes())
    return installed


def image_bytes(data: dict[str, Any]) -> bytes:
    [image] = data["images"]
    return requests.get(image["url"], timeout=30).content


def test_the_pages_example_works(stack: Stack, folder: Path) -> None:
    printed = run_client(["node", "example.mjs"], stack, folder)

    request_id, url = printed.split()
    assert stack.get(f"/v1/jobs/{request_id}").json()["task"]["file_infos"]
    assert requests.get(url, timeout=30).content.startswith(PNG)


def test_polling_ends_with_an_image(node: Callable[..., Any]) -> None:
    seen = node("fal.mjs", "poll")

    assert image_bytes(seen["data"]).startswith(PNG)
    assert seen["requestId"] == seen["data"]["request_id"]
    assert seen["updates"][-1]["logs"][-1] == "succeeded"


@pytest.mark.parametrize("attempt", range(3))
def test_streaming_ends_with_an_image_and_no_line_twice(
    node: Callable[..., Any], attempt: int
) -> None:
    seen = node("fal.mjs", "stream")

    assert image_bytes(seen["data"]).startswith(PNG), attempt
    assert seen["updates"][-1]["status"] == "COMPLETED"
    lines = seen["updates"][-1]["logs"]
    assert len(lines) == len(set(lines)) >= 3


def test_streaming_of_what_takes_longer_than_a_call_ends_with_an_image(
    stack: Stack, node: Callable[..., Any]
) -> None:
    for number in range(WAITING_BEFORE):
        stack.call(ENDPOINT, {"model_name": "GG", "model_version": "3.0", "prompt": str(number)})
    before = len(stack.log)

    seen = node("fal.mjs", "stream")

    assert image_bytes(seen["data"]).startswith(PNG)
    assert seen["updates"][0]["status"] == "IN_QUEUE"
    assert "COMPLETED" not in {update["status"] for update in seen["updates"]}
    assert calls(stack, before, "result", status=307) >= 1


def test_the_result_of_a_failed_task_is_read_once(stack: Stack, node: Callable[..., Any]) -> None:
    stack.fault("vod.CreateAigcImageTask", "task_failure:ModelGenerateFailed")
    before = len(stack.log)

    seen = node("fal.mjs", "stream")

    assert seen["error"]["status"] == 500
    assert seen["error"]["body"]["error_type"] == "task_failed"
    assert seen["error"]["requestId"]
    assert calls(stack, before, "result") == 1


def test_a_failed_task_of_run_is_paid_once(stack: Stack, node: Callable[..., Any]) -> None:
    stack.fault("vod.CreateAigcImageTask", "task_failure:ModelGenerateFailed")
    before = len(stack.tasks())

    seen = node("fal.mjs", "run")

    assert seen["error"]["body"]["error_type"] == "task_failed"
    assert len(stack.tasks()) == before + 1


def test_a_lost_reply_to_a_submit_is_paid_once(stack: Stack, node: Callable[..., Any]) -> None:
    stack.fault("scf.gateway", "lost_reply")
    before = len(stack.tasks())

    seen = node("fal.mjs", "poll")

    assert image_bytes(seen["data"])
    assert len(stack.tasks()) == before + 1


def test_run_waits_for_the_image(node: Callable[..., Any]) -> None:
    assert image_bytes(node("fal.mjs", "run")["data"]).startswith(PNG)


def test_storage_settings_change_nothing(node: Callable[..., Any]) -> None:
    assert image_bytes(node("fal.mjs", "storage")["data"]).startswith(PNG)


def test_a_blob_is_uploaded(stack: Stack, node: Callable[..., Any]) -> None:
    url = node("fal.mjs", "upload", "image/jpeg")["data"]

    prefix = f"cos://{stack.connection['buckets']['results']}/"
    assert stack.result(url.removeprefix(prefix)) == (SAMPLES / "cat.jpg").read_bytes()


def test_a_blob_of_another_type_is_refused(node: Callable[..., Any]) -> None:
    error = node("fal.mjs", "upload", "text/plain")["error"]

    assert (error["name"], error["status"]) == ("ValidationError", 422)
    assert error["body"]["field"] == "content_type"


def test_an_ended_request_is_not_cancelled_and_is_named(node: Callable[..., Any]) -> None:
    error = node("fal.mjs", "cancel")["error"]

    assert (error["status"], error["body"]["status"]) == (400, "ALREADY_COMPLETED")
    assert error["requestId"] == error["body"]["request_id"]


# Where the key goes


@pytest.mark.parametrize("what", ["poll", "run", "upload", "stream of the task", "realtime"])
def test_every_call_goes_to_the_gateway(
    node: Callable[..., Any], what: str, connected_hosts: Callable[[], set[str]]
) -> None:
    seen = node("fal.mjs", what, "image/jpeg", NODE_OPTIONS=RECORDER)

    assert connected_hosts() == set()
    assert ("error" in seen) == (what in {"stream of the task", "realtime"})


def test_calls_without_the_middleware_go_to_fal(
    node: Callable[..., Any], connected_hosts: Callable[[], set[str]]
) -> None:
    node("fal_leaking.mjs", NODE_OPTIONS=RECORDER)

    assert connected_hosts() == {"fal.run", "rest.fal.ai"}


@pytest.fixture
def connected_hosts(folder: Path) -> Callable[[], set[str]]:
    """Return a function that reads the hosts to which the last process connected."""
    record = folder / "hosts.txt"
    record.write_text("")
    (folder / "record_hosts.mjs").write_bytes((JS / "record_hosts.mjs").read_bytes())
    return lambda: {*record.read_text().split()}


# In a page


def test_every_header_of_the_client_is_allowed_by_cors(node: Callable[..., Any]) -> None:
    sent = {*node("fal_headers.mjs")}

    from_node_only = {"user-agent"}
    assert {"authorization", "x-fal-object-lifecycle-preference"} <= sent
    assert sent - from_node_only <= {*CORS_HEADERS, "accept"}  # which needs no permission


# In a page: the key stays with a proxy


@contextlib.contextmanager
def proxy_of_the_page(stack: Stack, folder: Path) -> Iterator[str]:
    environment = {
        **os.environ,
        "PORT": "0",
        "GATEWAY": stack.gateway,
        "API_KEY": stack.connection["api_key"],
    }
    command = ["node", "proxy.mjs"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.mark.parametrize("mode", ["polling", "streaming"])
def test_a_page_needs_no_key(
    stack: Stack, node: Callable[..., Any], folder: Path, mode: str
) -> None:
    with proxy_of_the_page(stack, folder) as url:
        seen = node("fal_page.mjs", mode, PROXY=url, API_KEY="", FAL_KEY="", CONNECTION="")

    assert image_bytes(seen["data"]).startswith(PNG)
    assert stack.get(f"/v1/jobs/{seen['requestId']}").json()["task"]["file_infos"]


def calls(stack: Stack, since: int, route: str, status: int | None = None) -> int:
    """Count the calls of a route in the functions' log."""
    lines = (line for line in stack.log[since:] if f'"route": "{route}"' in line)
    return sum(status is None or f'"status": {status}' in line for line in lines)
