"""Malformed calls are refused with a reason; none crashes a function, and none is paid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bad_input.corpus import corpus, data, expanded, with_changes
from tests.bad_input.invoked import (
    DIGEST,
    KEY,
    TASK,
    assert_nothing_was_paid,
    call,
    new_world,
    post,
)
from tests.captured import captured

if TYPE_CHECKING:
    from tests.bad_input.invoked import Invoked

STATUS = {"malformed_json": 400, "body_too_large": 413, "invalid_request": 422}
BODIES = {
    name: (error_type, case)
    for error_type, cases in corpus("bodies").items()
    for name, case in cases.items()
}
HEADERS = corpus("headers")
EVENTS = corpus("http_events")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=6,
)


def body_of(case: dict[str, Any]) -> bytes:
    if "with" in case:
        return json.dumps(TASK | expanded(case["with"])).encode()
    return json.dumps(case["json"]).encode() if "json" in case else data(case)


def assert_refused(invoked: Invoked, status: int) -> None:
    assert invoked.status == status, invoked.crash
    assert invoked.body["detail"]
    assert invoked.body["error_type"]
    assert invoked.body["request_id"] == "invocation-1"
    assert len(invoked.answer["body"]) < 4000


@pytest.mark.parametrize("name", BODIES)
def test_bad_body_is_refused_with_its_reason(name: str) -> None:
    error_type, case = BODIES[name]
    world = new_world()

    invoked = call(post("api_gateway", body_of(case)), world)

    assert_refused(invoked, STATUS[error_type])
    assert invoked.body["error_type"] == error_type
    assert invoked.body["retryable"] is False
    assert case.get("says", "") in invoked.body["detail"]
    assert case.get("field", invoked.body["field"]) == invoked.body["field"]
    assert_nothing_was_paid(world)


@pytest.mark.parametrize("name", HEADERS)
def test_bad_headers_are_refused_with_their_reason(name: str) -> None:
    case, world = HEADERS[name], new_world()
    headers = {
        header: str(expanded(text)).replace("{digest}", DIGEST)
        for header, text in case["headers"].items()
    }

    invoked = call(post("function_url", json.dumps(TASK), **headers), world)

    assert_refused(invoked, case["status"])
    default_field = "Authorization" if case["status"] == 401 else None
    assert case.get("field", default_field) == invoked.body["field"]
    assert_nothing_was_paid(world)


@pytest.mark.parametrize("name", EVENTS)
def test_bad_event_is_answered_and_raises_nothing(name: str) -> None:
    case, world = EVENTS[name], new_world()
    good = post("api_gateway", json.dumps(TASK))

    invoked = call(case["event"] if "event" in case else with_changes(good, case["change"]), world)

    assert_refused(invoked, case["status"])
    assert_nothing_was_paid(world)


@pytest.mark.parametrize("source", ["function_url", "api_gateway"])
def test_unchanged_request_of_the_corpus_is_accepted(source: str) -> None:
    world = new_world()

    invoked = call(post(source, json.dumps(TASK)), world)

    assert invoked.status == 200
    assert len(world.vendor.tasks) == 1


def test_byte_order_mark_before_a_body_is_ignored() -> None:
    world = new_world()

    invoked = call(post("function_url", b"\xef\xbb\xbf" + json.dumps(TASK).encode()), world)

    assert invoked.status == 200


@pytest.mark.parametrize(
    "prompt",
    ["line one\r\nline two\t\u2028", "\u202egnp", "\u200d", "\ufffd", "'; DROP --"],
)
def test_odd_but_valid_prompt_reaches_the_vendor_unchanged(prompt: str) -> None:
    world = new_world()

    invoked = call(post("function_url", json.dumps(TASK | {"prompt": prompt})), world)

    assert invoked.status == 200
    assert world.vendor.tasks[0].params["Prompt"] == prompt


def test_refusal_quotes_a_value_without_its_secret_part() -> None:
    secret = "https://example.com/" + "a" * 60 + "?q-signature=secret\x00"
    body = TASK | {"file_infos": [{"type": "Url", "url": secret}]}

    invoked = call(post("function_url", json.dumps(body)), new_world())

    assert invoked.status == 422
    assert "secret" not in invoked.answer["body"]
    assert "secret" not in json.dumps(invoked.lines)


@given(fields=st.dictionaries(st.sampled_from([*TASK, "file_infos", "result", "seed"]), anything))
def test_any_values_of_known_fields_are_accepted_or_refused(fields: dict[str, Any]) -> None:
    world = new_world()

    invoked = call(post("function_url", json.dumps(TASK | fields)), world)

    assert invoked.status in {200, 400, 422}
    assert len(world.vendor.tasks) == (invoked.status == 200)


@given(body=st.binary(max_size=200) | anything.map(lambda body: json.dumps(body).encode()))
def test_any_bytes_are_refused(body: bytes) -> None:
    world = new_world()

    invoked = call(post("api_gateway", body), world)

    assert invoked.status in {400, 422}
    assert_nothing_was_paid(world)


@given(cut=st.integers(0, 200), flipped=st.binary(max_size=3))
def test_damaged_body_is_accepted_or_refused(cut: int, flipped: bytes) -> None:
    world = new_world()
    body = json.dumps(TASK).encode()

    invoked = call(post("function_url", body[:cut] + flipped + body[cut + len(flipped) :]), world)

    assert invoked.status in {200, 400, 422}


@given(
    names=st.sets(st.sampled_from([*captured("function_url/status")]), min_size=1, max_size=3),
    value=anything,
)
def test_event_with_arbitrary_values_is_answered(names: set[str], value: object) -> None:
    event = post("function_url", json.dumps(TASK)) | dict.fromkeys(names, value)

    invoked = call(event, new_world())

    assert invoked.status < 500


@given(
    path=st.text(max_size=60).map(lambda text: f"/{text}"),
    method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "HEAD", "PATCH"]),
    query=st.dictionaries(st.text(max_size=10), anything, max_size=3),
)
def test_any_path_is_answered(path: str, method: str, query: dict[str, Any]) -> None:
    event = post("api_gateway", "{}", path) | {"httpMethod": method, "queryString": query}

    invoked = call(event, new_world())

    assert invoked.status in {204, 302, 400, 401, 404, 405, 422}


@given(authorization=st.text(st.characters(), max_size=80) | st.just(f"Basic {KEY}"))
def test_no_other_text_is_accepted_as_a_key(authorization: str) -> None:
    world = new_world()

    invoked = call(post("function_url", json.dumps(TASK), Authorization=authorization), world)

    assert invoked.status in {400, 401}
    assert_nothing_was_paid(world)


# Callbacks


@pytest.mark.parametrize("name", corpus("callbacks"))
def test_bad_callback_is_refused_with_its_reason(name: str) -> None:
    world = new_world()
    body = data(corpus("callbacks")[name])

    invoked = call(post("api_gateway", body, "/vod/events/callbackkey"), world)

    assert_refused(invoked, 400)
    assert invoked.body["error_type"] == "bad_request"
    assert world.vendor.calls == []


@pytest.mark.parametrize("path", ["/vod/events/wrong", "/vod/events/猫", "/vod/events"])
def test_callback_without_a_valid_signature_causes_no_query(path: str) -> None:
    world = new_world()
    body = json.dumps(captured("vod_callback/image_finished") | {"Sign": "猫", "T": 2**62})

    invoked = call(post("function_url", body, path), world)

    assert_refused(invoked, 401)
    assert world.vendor.calls == []


@given(
    event=st.fixed_dictionaries(
        {},
        optional={
            "EventType": anything,
            "AigcImageCompleteEvent": anything,
            "SceneAigcImageCompleteEvent": st.fixed_dictionaries(
                {}, optional={"TaskId": anything, "SessionId": anything, "SessionContext": anything}
            ),
            "Sign": anything,
            "T": anything,
        },
    )
)
@pytest.mark.parametrize("path", ["/vod/events/callbackkey", "/vod/events"])
def test_any_callback_is_answered(path: str, event: dict[str, Any]) -> None:
    world = new_world()

    invoked = call(post("function_url", json.dumps(event), path), world)

    assert invoked.status in {200, 400, 401}
    assert world.vendor.calls == []
