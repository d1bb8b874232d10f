"""A results bucket that is shared: nothing is read or written outside the results prefix."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

import upload
from aigc.jobs.settle import refresh
from aigc.sweeping import sweep
from aigc.triggers.cos import CosEvent
from aigc.uploads.rules import Rules
from aigc.wire import with_fields
from tests.captured import captured
from tests.fakes import image_bytes

if TYPE_CHECKING:
    from tests.unit.api.client import Client

PREFIX = "site/images/"
CALLS: dict[str, dict[str, Any]] = {
    "tencent-vod/v1/aigc-image": {
        "model_name": "GG",
        "model_version": "3.0",
        "prompt": "a cat",
        "file_infos": [{"type": "Base64", "base64": base64.b64encode(image_bytes()).decode()}],
    },
    "tencent-mps/v1/aigc-image": {
        "model_name": "Hunyuan",
        "prompt": "a cat",
        "image_infos": [{"base64": base64.b64encode(image_bytes()).decode()}],
    },
}
RULES = {
    "rule": [
        {
            "name": "sketch",
            "prefix": "sketch/",
            "kind": "mps.image",
            "task": {"model_name": "Hunyuan", "prompt": "Redraw it"},
        }
    ]
}


@pytest.fixture
def shared(client: Client) -> Client:
    client.world.settings = with_fields(client.world.settings, results_prefix=PREFIX)
    client.world.results.put("website/config.json", b"foreign")
    client.world.results.put("calls/a.json", b"foreign")
    return client


def written(client: Client) -> list[str]:
    """List the objects of the results bucket that were not there before."""
    keys = client.world.results.objects
    return [key for key in keys if key not in {"website/config.json", "calls/a.json"}]


def end(client: Client, job_id: str) -> None:
    for task in client.world.vendor.tasks:
        client.world.vendor.finish(task)
    refresh(job_id, client.world.runtime())


@pytest.mark.parametrize(("path", "prefix"), [*zip(CALLS, ["website/", "calls"], strict=True)])
def test_images_their_json_and_their_inputs_stay_below_the_prefix(
    shared: Client, path: str, prefix: str
) -> None:
    answer = shared.post(f"/{path}", {**CALLS[path], "result": {"prefix": prefix, "name": "a"}})
    job_id = answer.body["request_id"]
    end(shared, job_id)

    assert all(key.startswith(PREFIX) for key in written(shared))
    assert [key for key in written(shared) if ".aigc/mps/" in key] == []
    folder = f"{PREFIX}{prefix.rstrip('/')}/"
    description = json.loads(shared.world.results.get(f"{folder}a.json") or b"")
    assert [image["key"] for image in description["images"]] == [f"{folder}a-1.png"]
    job = shared.get(f"/v1/jobs/{job_id}").body
    assert job["place"] == {"bucket": "results-1250000000", "prefix": folder, "name": "a"}
    assert f"/{folder}a-1.png?" in job["images"][0]["url"]


def test_mps_stores_below_the_prefix_and_its_event_settles_the_job(shared: Client) -> None:
    path = "tencent-mps/v1/aigc-image"
    job_id = shared.post(f"/{path}", CALLS[path]).body["request_id"]
    [task] = shared.world.vendor.tasks
    shared.world.vendor.finish(task)
    [key] = [key for key in written(shared) if ".aigc/mps/" in key]
    event = captured("cos/put")
    [record] = event["Records"]
    record["cos"]["cosBucket"]["name"] = "results"
    record["cos"]["cosObject"] |= {"key": f"/1250000000/results/{key}", "url": ""}

    runtime = shared.world.runtime()
    counts = upload.handle(CosEvent.parse(event), rules=Rules(), runtime=runtime)

    assert key.startswith(f"{PREFIX}.aigc/mps/{job_id}/1/")
    assert counts == {"ignored": 0, "stored": 1}
    assert shared.get(f"/v1/jobs/{job_id}").body["state"] == "succeeded"


def test_results_of_an_upload_stay_below_the_prefix(shared: Client) -> None:
    shared.world.inbox.put("sketch/large.png", image_bytes())
    event = CosEvent.parse(captured("cos/complete_multipart_upload"))

    upload.handle(event, rules=Rules.parse(RULES), runtime=shared.world.runtime())
    for task in shared.world.vendor.tasks:
        shared.world.vendor.finish(task)
    sweep(shared.world.runtime())

    assert f"{PREFIX}sketch/large.png-1.png" in written(shared)
    assert all(key.startswith(PREFIX) for key in written(shared))


def test_an_upload_link_leads_below_the_prefix_and_its_name_is_an_input(shared: Client) -> None:
    size = len(image_bytes())
    body = {"file_name": "cat.png", "content_type": "image/png", "size": size}
    links = shared.post("/v1/uploads", body).body
    key = links["url"].removeprefix("cos://results-1250000000/")
    shared.world.results.put(key, image_bytes())

    task = {**CALLS["tencent-mps/v1/aigc-image"], "image_infos": [{"image_url": links["url"]}]}
    answer = shared.post("/tencent-mps/v1/aigc-image", task)

    assert key.startswith(f"{PREFIX}.aigc/inputs/")
    assert f"/{key}?" in links["upload_url"]
    assert answer.status == 200


@pytest.mark.parametrize("key", [".aigc/inputs/a/cat.png", f"{PREFIX}a.png"])
def test_an_input_outside_the_folder_of_inputs_is_refused(shared: Client, key: str) -> None:
    shared.world.results.put(key, image_bytes())
    task = {
        **CALLS["tencent-mps/v1/aigc-image"],
        "image_infos": [{"image_url": f"cos://results-1250000000/{key}"}],
    }

    assert shared.post("/tencent-mps/v1/aigc-image", task).status == 422
