"""Input images of a task are checked, and stored where the vendor can fetch them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import RefusedError
from aigc.image_files import MAX_INPUT_BYTES
from tests.fakes import InMemoryStore, image_bytes
from tests.unit.api.test_submit import BODIES, IMAGE, MPS, SCENE, job_of

if TYPE_CHECKING:
    from tests.unit.api.client import Answer, Client

BUCKET = "inputs-1250000000"
ENCODED = base64.b64encode(image_bytes()).decode()
KEY = f".aigc/inputs/{hashlib.sha256(image_bytes()).hexdigest()[:40]}.png"
LINK = f"https://results-1250000000.cos.example/{KEY}?expires=21600"
UPLOAD = {"file_name": "cat.png", "content_type": "image/png", "size": 1000}


def with_input(path: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a kind with one input image."""
    if path == MPS:
        name = {"url": "image_url"}
        inputs = {
            "image_infos": [{name.get(field, field): value for field, value in fields.items()}]
        }
    else:
        inputs = {"file_infos": [fields]}
    return BODIES[path] | inputs


def sent(client: Client) -> str:
    """Find the URL of the only image that the vendor was sent."""
    [task] = client.world.vendor.tasks
    [sent] = task.params.get("FileInfos") or task.params["ImageInfos"]
    return str(sent.get("Url") or sent["ImageUrl"])


def stored(client: Client) -> list[str]:
    return [key for key in client.world.results.objects if key.startswith(".aigc/inputs/")]


def allow(client: Client, *buckets: str) -> None:
    client.world.settings = client.world.settings.model_copy(update={"input_buckets": buckets})


# Base64


@pytest.mark.parametrize(
    ("path", "prefix"), [(IMAGE, "data:image/png;base64,"), (IMAGE, ""), (SCENE, ""), (MPS, "")]
)
def test_every_kind_accepts_an_image_in_base64(client: Client, path: str, prefix: str) -> None:
    answer = client.post(path, with_input(path, {"base64": prefix + ENCODED}))

    assert answer.status == 200
    assert sent(client) == LINK
    assert client.world.results.get(KEY) == image_bytes()
    assert client.world.results.headers[KEY]["content-type"] == "image/png"


def test_record_does_not_hold_the_image(client: Client) -> None:
    answer = client.post(IMAGE, with_input(IMAGE, {"base64": ENCODED}))

    job = job_of(client, answer)
    assert job.task["file_infos"] == [{"type": "Url", "url": f"cos://results-1250000000/{KEY}"}]
    assert ENCODED not in job.model_dump_json()


def test_text_and_role_of_an_image_are_kept(client: Client) -> None:
    fields = {"base64": ENCODED, "text": "a house", "reference_type": "mask"}

    client.post(IMAGE, with_input(IMAGE, fields))

    [sent] = client.world.vendor.tasks[0].params["FileInfos"]
    assert (sent["Text"], sent["ReferenceType"]) == ("a house", "mask")


def test_clothes_may_be_in_base64(client: Client) -> None:
    config = {"model": "WAND-tryon-1.0-pro", "clothes_file_infos": [{"base64": ENCODED}]}
    body = {
        "scene_info": {"type": "ai_try_on", "ai_try_on_config": config},
        "file_infos": [{"type": "Url", "url": "https://example.com/model.png"}],
    }

    answer = client.post(SCENE, body)

    assert answer.status == 200
    [clothes] = client.world.vendor.tasks[0].params["SceneInfo"]["AiTryOnConfig"][
        "ClothesFileInfos"
    ]
    assert clothes == {"Type": "Url", "Url": LINK}


def test_repeat_with_the_same_image_is_the_same_request(client: Client) -> None:
    body = with_input(IMAGE, {"base64": ENCODED})
    first = client.post(IMAGE, body, Idempotency_Key="one")

    second = client.post(IMAGE, body, Idempotency_Key="one")

    assert second.body["request_id"] == first.body["request_id"]
    assert stored(client) == [KEY]


@pytest.mark.parametrize(
    ("path", "field", "data"),
    [
        (IMAGE, "file_infos.0", b""),
        (SCENE, "file_infos.0", b"<svg/>"),
        (MPS, "image_infos.0", b"<svg/>"),
    ],
)
def test_base64_that_is_no_image_is_refused(
    client: Client, path: str, field: str, data: bytes
) -> None:
    encoded = base64.b64encode(data).decode()

    answer = client.post(path, with_input(path, {"base64": encoded}))

    assert answer.status == 422
    assert answer.body["field"].startswith(field)
    assert (stored(client), client.world.vendor.tasks) == ([], [])


def test_nothing_is_stored_for_a_call_that_is_refused(client: Client) -> None:
    body = with_input(IMAGE, {"base64": ENCODED})

    answer = client.post(IMAGE, body, X_Fal_Queue_Priority="high")

    assert answer.status == 422
    assert stored(client) == []


# cos://


@pytest.mark.parametrize("path", [IMAGE, SCENE, MPS])
def test_image_in_an_allowed_bucket_is_an_input(client: Client, path: str) -> None:
    allow(client, BUCKET)
    client.world.inputs.put("cats/one.png", image_bytes())

    answer = client.post(path, with_input(path, {"url": f"cos://{BUCKET}/cats/one.png"}))

    assert answer.status == 200
    assert sent(client) == f"https://{BUCKET}.cos.example/cats/one.png?expires=21600"


def test_check_of_an_input_is_one_request(client: Client) -> None:
    allow(client, BUCKET)
    client.world.inputs.put("one.png", image_bytes())
    client.world.inputs.requests.clear()

    client.post(IMAGE, with_input(IMAGE, {"url": f"cos://{BUCKET}/one.png"}))

    assert client.world.inputs.requests == ["peek one.png"]


def refused(client: Client, url: str) -> Answer:
    answer = client.post(IMAGE, with_input(IMAGE, {"url": url}))
    assert answer.status == 422
    assert answer.body["field"] == "file_infos.0.url"
    assert client.world.vendor.tasks == []
    return answer


@pytest.mark.parametrize(
    "url",
    [
        "cos://inbox-1250000000/private.png",
        "cos://results-1250000000/calls/2026-11-20/other.png",
        "cos://results-1250000000/.aigc/mps/1/1/a.png",
        f"cos://{BUCKET}",
        f"cos://{BUCKET}.evil/one.png",
    ],
)
def test_other_places_are_refused_with_those_that_are_allowed(client: Client, url: str) -> None:
    allow(client, BUCKET)

    answer = refused(client, url)

    assert f"cos://{BUCKET}/…" in answer.body["allowed"]


@pytest.mark.parametrize(
    "url",
    [
        "cos://results-1250000000/.aigc/inputs/../../calls/other.png",
        f"cos://{BUCKET}/cats/",
        f"cos://{BUCKET}/{'x' * 900}",
    ],
)
def test_key_that_http_would_read_as_another_is_refused(client: Client, url: str) -> None:
    allow(client, BUCKET)

    answer = refused(client, url)

    assert "the key must" in answer.body["detail"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "is not there"),
        (b"<html>", "begins with"),
        (image_bytes() + bytes(MAX_INPUT_BYTES), "bytes"),
    ],
    ids=["absent", "html", "too large"],
)
def test_object_that_is_no_input_is_refused(client: Client, data: bytes | None, why: str) -> None:
    allow(client, BUCKET)
    if data is not None:
        client.world.inputs.put("one.png", data)

    answer = refused(client, f"cos://{BUCKET}/one.png")

    assert why in answer.body["detail"]


class ClosedStore(InMemoryStore):
    """A bucket that the function's role may not read."""

    def peek(self, *_: object) -> None:
        raise RefusedError("cos get one.png", code="AccessDenied")


def test_bucket_that_may_not_be_read_is_named(client: Client) -> None:
    allow(client, BUCKET)
    client.world.inputs = ClosedStore(client.world.clock)

    answer = refused(client, f"cos://{BUCKET}/one.png")

    assert "AccessDenied" in answer.body["detail"]


# Uploads


def test_upload_gets_a_link_for_just_this_image(client: Client) -> None:
    answer = client.post("/v1/uploads", UPLOAD)

    assert answer.status == 200
    bucket, key = answer.body["url"].removeprefix("cos://").split("/", 1)
    assert bucket == "results-1250000000"
    assert key.startswith(".aigc/inputs/")
    assert key.endswith("/cat.png")
    assert answer.body["headers"] == {"Content-Type": "image/png", "Content-Length": "1000"}
    assert answer.body["upload_url"].endswith(
        f"{key}?expires=900&signed=Content-Type=image/png,Content-Length=1000"
    )
    assert answer.body["expires_at"] == "2026-11-20T12:15:00+00:00"


def test_two_uploads_of_one_name_do_not_meet(client: Client) -> None:
    first, second = (client.post("/v1/uploads", UPLOAD).body["url"] for _ in range(2))

    assert first != second


def test_an_uploaded_object_is_an_input(client: Client) -> None:
    url = client.post("/v1/uploads", UPLOAD).body["url"]
    key = url.removeprefix("cos://results-1250000000/")
    client.world.results.put(key, image_bytes())

    answer = client.post(IMAGE, with_input(IMAGE, {"url": url}))

    assert answer.status == 200
    assert sent(client) == f"https://results-1250000000.cos.example/{key}?expires=21600"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"file_name": "../cat.png"}, "file_name"),
        ({"content_type": "image/svg+xml"}, "content_type"),
        ({"size": MAX_INPUT_BYTES + 1}, "size"),
        ({"sise": 1}, "sise"),
    ],
)
def test_upload_of_anything_else_is_refused(
    client: Client, more: dict[str, Any], field: str
) -> None:
    answer = client.post("/v1/uploads", UPLOAD | more)

    assert answer.status == 422
    assert answer.body["field"] == field


# Uploads of fal.ai's clients

FAL_UPLOAD = {"file_name": "cat.png", "content_type": "image/png"}


def test_upload_of_fals_clients_gets_a_link_for_any_size(client: Client) -> None:
    answer = client.send(
        "POST",
        "/storage/upload/initiate",
        body=json.dumps(FAL_UPLOAD),
        query={"storage_type": "fal-cdn-v3"},
    )

    assert answer.status == 200
    assert answer.body.keys() == {"upload_url", "file_url"}
    key = answer.body["file_url"].removeprefix("cos://results-1250000000/")
    assert re.fullmatch(r"\.aigc/inputs/[0-9a-f]{32}/cat\.png", key)
    assert answer.body["upload_url"].endswith(f"{key}?expires=900&signed=Content-Type=image/png")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"file_name": "../cat.png"}, "file_name"),
        ({"content_type": "application/octet-stream"}, "content_type"),
        ({"size": 1000}, "size"),
    ],
)
def test_upload_of_fals_clients_of_anything_else_is_refused(
    client: Client, more: dict[str, Any], field: str
) -> None:
    answer = client.post("/storage/upload/initiate", FAL_UPLOAD | more)

    assert (answer.status, answer.body["field"]) == (422, field)


# Once they are gone


def test_a_repeat_finds_its_request_though_its_input_is_gone(client: Client) -> None:
    allow(client, BUCKET)
    client.world.inputs.put("cat.png", image_bytes())
    body = with_input(IMAGE, {"url": f"cos://{BUCKET}/cat.png"})
    first = client.post(IMAGE, body, Idempotency_Key="once")
    client.world.inputs.delete("cat.png")

    second = client.post(IMAGE, body, Idempotency_Key="once")
    another = client.post(IMAGE, body, Idempotency_Key="twice")

    assert second.body["request_id"] == first.body["request_id"]
    assert another.status == 422


def test_the_vendors_query_shows_no_signature_of_an_input(client: Client) -> None:
    body = with_input(IMAGE, {"url": "https://example.com/a.png?sign=secret"})
    job_id = client.post(IMAGE, body).body["request_id"]

    shown = client.get(f"/tencent-vod/v1/query/{job_id}").body

    assert "https://example.com/a.png" in str(shown)
    assert "secret" not in str(shown)
