"""Forms of edits: files become inputs; a damaged body is refused and costs nothing."""

from __future__ import annotations

import base64
import copy
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image

import gateway
from aigc.triggers.http import HttpRequest
from tests.captured import captured
from tests.fakes import image_bytes
from tests.unit.api.client import KEY, Answer
from tests.unit.api.contract import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.api.client import Client

EDIT = "/openai/v1/images/edits"
FIELDS = {"model": "og-image2", "prompt": "a snowy 房子", "async": "true"}
Files = list[tuple[str, tuple[str, bytes, str]]]


def drawn(file_format: str) -> bytes:
    """Draw an image whose bytes hold every line break that a parser could stumble over."""
    written = io.BytesIO()
    noise = Image.effect_noise((64, 48), 80).convert("RGB")
    noise.save(written, file_format)
    return written.getvalue()


def form(files: Files, **fields: str) -> tuple[bytes, str]:
    """Build a form as `requests` does; return the body and its content type."""
    request = requests.Request("POST", "http://x", data={**FIELDS, **fields}, files=files)
    prepared = request.prepare()
    assert isinstance(prepared.body, bytes)
    return prepared.body, prepared.headers["Content-Type"]


def files(data: bytes, *names: str) -> Files:
    return [(name, ("house.png", data, "image/png")) for name in names or ("image",)]


def post(
    client: Client,
    body: bytes,
    content_type: str,
    carry: Callable[[bytes], dict[str, Any]],
    length: int | None = None,
) -> Answer:
    """Send a form as a trigger hands it over."""
    event = copy.deepcopy(captured(f"{client.source}/status"))
    event |= {"httpMethod": "POST", "path": EDIT, "queryString": {}, **carry(body)}
    event["headers"] = {
        **{name: text for name, text in event["headers"].items() if name != "authorization"},
        "authorization": f"Bearer {KEY}",
        "content-type": content_type,
        "content-length": str(len(body) if length is None else length),
    }
    request = HttpRequest.parse(event, request_id="invocation-1")
    answered = gateway.handle(request, client.world.runtime).to_event()
    content = json.loads(answered["body"])
    answer = Answer(answered["statusCode"], content, answered["headers"])
    check("POST", EDIT, answer)
    return answer


def flagged(body: bytes) -> dict[str, Any]:
    """Pass a body as API Gateway does if it is configured to encode it."""
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def unflagged(body: bytes) -> dict[str, Any]:
    """Pass a body in Base64 without the flag for it."""
    return {"body": base64.b64encode(body).decode()}


def as_text(body: bytes) -> dict[str, Any]:
    """Pass a body as text; bytes that are not UTF-8 are replaced."""
    return {"body": body.decode(errors="replace")}


def as_latin(body: bytes) -> dict[str, Any]:
    """Pass each byte as a character."""
    return {"body": body.decode("latin-1")}


def inputs(client: Client) -> list[bytes]:
    """Read the images that were stored, in the order of the task."""
    infos = client.world.vendor.tasks[-1].params["FileInfos"]
    keys = [info["Url"].partition(".example/")[2].partition("?")[0] for info in infos]
    return [client.world.results.objects[key][0] for key in keys]


@pytest.mark.parametrize(
    ("carry", "file_format"), [(flagged, "PNG"), (flagged, "JPEG"), (unflagged, "WEBP")]
)
def test_file_of_a_form_becomes_an_input_byte_for_byte(
    client: Client, carry: Callable[[bytes], dict[str, Any]], file_format: str
) -> None:
    data = drawn(file_format)
    answer = post(client, *form(files(data)), carry)

    assert answer.status == 200
    assert inputs(client) == [data]
    assert client.world.vendor.tasks[-1].params["Prompt"] == FIELDS["prompt"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"--"])
def test_bytes_at_the_end_of_a_file_stay(client: Client, end: bytes) -> None:
    data = image_bytes() + end
    assert post(client, *form(files(data)), flagged).status == 200

    assert inputs(client) == [data]


@pytest.mark.parametrize("names", [("image", "image"), ("image[]", "image[]"), ("image[0]",) * 2])
def test_several_files_keep_their_order(client: Client, names: tuple[str, ...]) -> None:
    first, second = image_bytes(), drawn("PNG")
    parts = files(first, names[0]) + files(second, names[1])
    assert post(client, *form(parts), flagged).status == 200

    assert inputs(client) == [first, second]


def test_mask_is_a_file_too(client: Client) -> None:
    parts = files(image_bytes()) + files(drawn("PNG"), "mask")
    assert post(client, *form(parts), flagged).status == 200

    references = [
        info.get("ReferenceType") for info in client.world.vendor.tasks[-1].params["FileInfos"]
    ]
    assert references == [None, "mask"]


def test_texts_become_numbers_and_objects(client: Client) -> None:
    fields = {"n": "2", "seed": "7", "output_config[person_generation]": "AllowAdult"}
    assert post(client, *form(files(image_bytes()), **fields), flagged).status == 200

    params = client.world.vendor.tasks[-1].params
    assert params["Seed"] == 7
    assert params["OutputConfig"] == {"OutputImageCount": 2, "PersonGeneration": "AllowAdult"}


def test_image_of_a_form_may_be_a_url(client: Client) -> None:
    body, content_type = form(files(image_bytes(), "mask"), image="https://example.com/a.png")
    assert post(client, body, content_type, flagged).status == 200

    assert client.world.vendor.tasks[-1].params["FileInfos"][0]["Url"].startswith("https://example")


def test_same_form_is_the_same_request_whatever_its_boundary(client: Client) -> None:
    client.headers = {}
    bodies = [form(files(image_bytes()), **{"async": "false"}) for _ in range(2)]
    answers = [post(client, *body, flagged) for body in bodies]

    assert bodies[0] != bodies[1]
    assert [answer.status for answer in answers] == [504, 504]
    assert len({answer.body["error"]["request_id"] for answer in answers}) == 1


# Damage


@pytest.mark.parametrize(
    ("carry", "file_format", "names_its_length"),
    [
        (as_text, "PNG", True),
        (as_text, "PNG", False),
        (as_text, "JPEG", False),
        (as_text, "WEBP", False),
        (as_latin, "PNG", True),
    ],
)
def test_damaged_body_is_refused_with_what_works(
    client: Client,
    carry: Callable[[bytes], dict[str, Any]],
    file_format: str,
    names_its_length: bool,  # noqa: FBT001  a parameter of a test
) -> None:
    body, content_type = form(files(drawn(file_format)))
    length = None if names_its_length else len(carry(body)["body"].encode())
    answer = post(client, body, content_type, carry, length)

    assert answer.status == 400
    assert answer.body["error"]["code"] == "damaged_body"
    assert "`image` as a URL or in Base64" in answer.body["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert client.world.vendor.tasks == []
    assert client.world.results.objects == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[: len(body) // 2],
        lambda body: body[1:],
        lambda _body: b"",
        lambda _body: b"not a form at all",
        lambda body: body.replace(b"--", b"++"),
    ],
)
def test_form_that_was_cut_off_is_refused(client: Client, change: Callable[[bytes], bytes]) -> None:
    body, content_type = form(files(image_bytes()))
    answer = post(client, change(body), content_type, flagged, length=len(change(body)))

    assert (answer.status, answer.body["error"]["code"]) == (400, "damaged_body")
    assert client.world.vendor.tasks == []


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", 'multipart/form-data; boundary=""']
)
def test_form_without_a_boundary_is_refused(client: Client, content_type: str) -> None:
    body, _ = form(files(image_bytes()))
    answer = post(client, body, content_type, flagged)

    assert (answer.status, answer.body["error"]["code"]) == (400, "damaged_body")


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", image_bytes()[:60]])
def test_file_that_is_no_image_is_named(client: Client, data: bytes) -> None:
    answer = post(client, *form(files(data)), flagged)

    assert (answer.status, answer.body["error"]["param"]) == (400, "image")
    assert client.world.vendor.tasks == []


@pytest.mark.parametrize(
    "fields", [{"output_config": "x", "output_config[a]": "y"}, {"a[b": "c"}, {"[]": "c"}]
)
def test_names_that_contradict_each_other_are_refused(
    client: Client, fields: dict[str, str]
) -> None:
    answer = post(client, *form(files(image_bytes()), **fields), flagged)

    assert answer.status == 400
    assert client.world.vendor.tasks == []
