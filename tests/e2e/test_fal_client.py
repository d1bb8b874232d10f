"""fal.ai's own client, as published, against the local cloud's https port."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.connect_proxy import connect_proxy
from tests.e2e.stack import Stack, wait_for
from tests.e2e.test_documentation import PHOTO, run
from tests.pages import blocks, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import fal_client

    from tests.e2e.stack import Stack

IMAGE = "tencent-vod/v1/aigc-image"
MPS = "tencent-mps/v1/aigc-image"
ARGUMENTS = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}
INTERVAL_S = 0.2


@pytest.fixture(scope="module")
def fal(stack: Stack) -> Iterator[Any]:
    """Import the client with the variables of `aigc local --tls`: it reads them on import."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.connection["fal"].items():
            patch.setenv(name, value)
        for name in [name for name in sys.modules if name.partition(".")[0] == "fal_client"]:
            patch.delitem(sys.modules, name)
        yield importlib.import_module("fal_client")


@contextlib.contextmanager
def opened_client(fal: Any, key: str | None = None) -> Iterator[fal_client.SyncClient]:
    client: fal_client.SyncClient = fal.SyncClient(key=key)
    yield client
    client._client.close()  # noqa: SLF001  the only way to close its connections


@pytest.fixture
def client(fal: Any) -> Iterator[fal_client.SyncClient]:
    with opened_client(fal) as client:
        yield client


@contextlib.asynccontextmanager
async def opened_async_client(fal: Any) -> AsyncIterator[fal_client.AsyncClient]:
    client: fal_client.AsyncClient = fal.AsyncClient()
    yield client
    await (await client._client).aclose()  # noqa: SLF001  as above


def submitted(client: fal_client.SyncClient, **more: Any) -> fal_client.SyncRequestHandle:
    return client.submit(IMAGE, ARGUMENTS, **more)


def image_bytes(result: dict[str, Any]) -> bytes:
    [image] = result["images"]
    assert image["file_size"] > 0
    return requests.get(image["url"], timeout=30).content


def test_subscribe_returns_an_image(client: fal_client.SyncClient) -> None:
    seen: list[Any] = []

    result = client.subscribe(
        IMAGE, ARGUMENTS, with_logs=True, interval=INTERVAL_S, on_queue_update=seen.append
    )

    assert image_bytes(result).startswith(b"\x89PNG")
    assert seen[-1].logs[-1]["message"] == "succeeded"
    assert seen[-1].metrics["inference_time"] > 0
    assert seen[-1].error is None


def test_urls_of_an_answer_point_to_the_https_port(
    stack: Stack, client: fal_client.SyncClient
) -> None:
    handle = submitted(client)

    base = f"https://{stack.connection['fal']['FAL_QUEUE_RUN_HOST']}/{IMAGE}/requests/"
    assert handle.response_url == base + handle.request_id


def test_request_can_be_read_by_its_id(client: fal_client.SyncClient) -> None:
    handle = submitted(client)
    handle.get(interval=INTERVAL_S)

    status = client.status(IMAGE, handle.request_id, with_logs=True)
    result = client.result(IMAGE, handle.request_id)

    assert type(status).__name__ == "Completed"
    assert result == handle.get()


def test_events_go_from_queued_to_completed(fal: Any, client: fal_client.SyncClient) -> None:
    first, second = submitted(client), submitted(client)

    events = list(second.iter_events(with_logs=True, interval=INTERVAL_S))

    first.get(interval=INTERVAL_S)
    assert isinstance(events[0], fal.Queued | fal.InProgress)
    assert isinstance(events[-1], fal.Completed)


def test_failed_request_raises_the_vendors_message(
    stack: Stack, fal: Any, client: fal_client.SyncClient
) -> None:
    stack.fault("vod.CreateAigcImageTask", "task_failure:ContentModerationFailed")

    with pytest.raises(fal.FalClientHTTPError, match="failed") as raised:
        client.subscribe(IMAGE, ARGUMENTS, interval=INTERVAL_S)

    assert raised.value.status_code == 422
    assert raised.value.error_type == "content_policy_violation"


def test_refused_arguments_raise_an_error_with_the_field(
    fal: Any, client: fal_client.SyncClient
) -> None:
    with pytest.raises(fal.FalClientHTTPError, match="prompt") as raised:
        client.submit(IMAGE, ARGUMENTS | {"prompt": ""})

    assert (raised.value.status_code, raised.value.error_type) == (422, "invalid_request")


def test_wrong_key_is_refused_without_a_retry(fal: Any) -> None:
    with opened_client(fal, "wrong") as client, pytest.raises(fal.FalClientHTTPError) as raised:
        client.submit(IMAGE, ARGUMENTS)

    assert raised.value.status_code == 401


def test_asyncio_client_gets_an_image(fal: Any) -> None:
    async def subscribed() -> tuple[dict[str, Any], Any]:
        async with opened_async_client(fal) as client:
            result = await client.subscribe(IMAGE, ARGUMENTS, interval=INTERVAL_S)
            status = await client.status(IMAGE, result["request_id"], with_logs=True)
            return result, status

    result, status = asyncio.run(subscribed())

    assert image_bytes(result).startswith(b"\x89PNG")
    assert isinstance(status, fal.Completed)
    assert status.logs[-1]["message"] == "succeeded"


# Options of a submit


def job(stack: Stack, request_id: str) -> dict[str, Any]:
    return dict(stack.get(f"/v1/jobs/{request_id}").json())


def test_waiting_request_can_be_cancelled(fal: Any, client: fal_client.SyncClient) -> None:
    first, second = submitted(client), submitted(client)

    second.cancel()

    with pytest.raises(fal.FalClientHTTPError) as raised:
        second.get(interval=INTERVAL_S)
    assert (raised.value.status_code, raised.value.error_type) == (410, "cancelled")
    assert first.get(interval=INTERVAL_S)["images"]


def test_ended_request_is_not_cancelled(fal: Any, client: fal_client.SyncClient) -> None:
    handle = submitted(client)
    handle.get(interval=INTERVAL_S)

    with pytest.raises(fal.FalClientHTTPError, match="ALREADY_COMPLETED") as raised:
        handle.cancel()

    assert raised.value.status_code == 400


def test_low_priority_waits_behind_all_other_requests(
    stack: Stack, client: fal_client.SyncClient
) -> None:
    low = submitted(client, priority="low")
    normal = submitted(client, priority="normal")

    priorities = [job(stack, handle.request_id)["priority"] for handle in (low, normal)]

    assert priorities == [-10, 0]


def test_request_that_did_not_start_in_time_is_cancelled(
    stack: Stack, fal: Any, client: fal_client.SyncClient
) -> None:
    stack.fault("mps.CreateAigcImageTask", "throttle", times=20)

    with pytest.raises(fal.FalClientHTTPError, match="not started") as raised:
        client.subscribe(MPS, {"prompt": "a boat"}, start_timeout=1.1, interval=INTERVAL_S)

    stack.faults()
    assert (raised.value.status_code, raised.value.error_type) == (504, "request_timeout")
    assert raised.value.response_headers["x-fal-request-timeout-type"] == "user"


def test_webhook_url_is_accepted(stack: Stack, client: fal_client.SyncClient) -> None:
    unreachable = "http://127.0.0.1:9/hook?token=secret"

    handle = submitted(client, webhook_url=unreachable)

    assert job(stack, handle.request_id)["webhook"]["url"] == "http://127.0.0.1:9/hook"


def test_run_waits_for_the_result_with_prefer_wait(client: fal_client.SyncClient) -> None:
    def run() -> dict[str, Any] | None:
        """Return the result, or None if the machine is too busy for an image before the timeout."""
        answer: dict[str, Any] = client.run(IMAGE, ARGUMENTS, headers={"Prefer": "wait"})
        return answer if "images" in answer else None

    result = wait_for(run)

    assert image_bytes(result).startswith(b"\x89PNG")


# The setup in the documentation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of the documented setup."""
    [setting] = blocks(page("fal.md"), "python fal setting")
    (tmp_path / "gateway.py").write_text(setting, encoding="utf-8")
    (tmp_path / "cat.jpg").write_bytes(PHOTO)
    return tmp_path


def run_program(stack: Stack, program: str, folder: Path, **variables: str) -> str:
    fal = stack.connection["fal"]
    return run(
        stack,
        [sys.executable, "-c", program],
        folder,
        GATEWAY=f"https://{fal['FAL_RUN_HOST']}",
        SSL_CERT_FILE=fal["SSL_CERT_FILE"],
        **variables,
    )


def test_documented_example_works(stack: Stack, folder: Path) -> None:
    [program] = blocks(page("fal.md"), "python fal")

    printed = run_program(stack, program, folder)

    assert requests.get(printed.strip(), timeout=30).content.startswith(b"\x89PNG")


EVERY_CALL = """
from PIL import Image
{imports}
client, image = fal_client.SyncClient(), Image.open("cat.jpg")
endpoint, arguments = "tencent-mps/v1/aigc-image", {{"prompt": "a paper boat"}}


def realtime(**options):
    with client.realtime(endpoint, **options):
        pass


def websocket():
    with client.ws_connect(endpoint, use_jwt=False):
        pass


calls = {{
    "run": lambda: client.run(endpoint, arguments),
    "subscribe": lambda: client.subscribe(endpoint, arguments, interval=0.2),
    "submit": lambda: client.cancel(endpoint, client.submit(endpoint, arguments).request_id),
    "stream": lambda: list(client.stream(endpoint, arguments)),
    "upload": lambda: client.upload(b"cat", "image/png"),
    "upload_file": lambda: client.upload_file("cat.jpg"),
    "upload_image": lambda: client.upload_image(image),
    "upload to fal": lambda: client.upload_file("cat.jpg", repository="fal"),
    "realtime": realtime,
    "realtime without a token": lambda: realtime(use_jwt=False),
    "websocket": websocket,
}}
for name in {names}:
    try:
        calls[name]()
    except Exception as error:
        print(name, "failed:", type(error).__name__)
    else:
        print(name, "worked")
"""


def test_client_calls_only_the_gateway(stack: Stack, folder: Path) -> None:
    program = EVERY_CALL.format(imports="from gateway import fal_client", names="calls")

    with connect_proxy() as proxy:
        printed = run_program(stack, program, folder, HTTPS_PROXY=proxy.url)

    outcomes = dict(line.rsplit(" ", 1) for line in printed.splitlines() if "worked" in line)
    assert outcomes.keys() == {"run", "subscribe", "upload to fal"}, printed
    assert len(printed.splitlines()) == 11
    assert {*proxy.hosts} == {stack.connection["fal"]["FAL_RUN_HOST"]}


def test_variables_alone_send_the_key_to_fal(stack: Stack, folder: Path) -> None:
    """Why the page requires the setup: if this test fails, a newer client needs less."""
    program = EVERY_CALL.format(imports="import fal_client", names=["stream", "upload_file"])
    host = stack.connection["fal"]["FAL_RUN_HOST"]

    with connect_proxy() as proxy:
        run_program(
            stack,
            program,
            folder,
            HTTPS_PROXY=proxy.url,
            FAL_KEY=stack.connection["api_key"],
            FAL_RUN_HOST="fal.run",  # the default
            FAL_QUEUE_RUN_HOST=host,
        )

    assert {*proxy.hosts} == {"fal.run:443", "rest.fal.ai:443"}
