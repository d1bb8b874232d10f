"""Which calls a key may make, and how VOD's callbacks are authenticated."""

from __future__ import annotations

import hashlib
import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from aigc.api.errors import EXCEPTION_STATUS, JOB_ERROR_STATUS
from aigc.api.routes import ROUTES
from aigc.errors import AigcError
from tests.captured import captured
from tests.unit.api.test_progress import submitted
from tests.unit.api.test_submit import BODIES, IMAGE, MPS

if TYPE_CHECKING:
    from tests.unit.api.client import Client


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer wrong", "Basic example-key"],
)
def test_call_without_a_valid_key_gets_no_other_information(
    client: Client, authorization: str
) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], Authorization=authorization)

    assert answer.status == 401
    assert answer.body["detail"] == (
        "the API key is missing or wrong: send the header `Authorization: Bearer <key>`"
    )
    assert answer.body["field"] == "Authorization"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="AIGC Functions"'
    assert client.world.vendor.tasks == []


def test_call_without_a_key_does_not_learn_which_paths_there_are(client: Client) -> None:
    there = client.send("DELETE", IMAGE, headers={"Authorization": ""})
    nowhere = client.get("/nowhere", headers={"Authorization": ""})

    assert there.status == nowhere.status == 401
    assert there.body == nowhere.body


@pytest.mark.parametrize("authorization", ["Key example-key", "BEARER other-key"])
def test_either_scheme_and_any_key_is_accepted(client: Client, authorization: str) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], Authorization=authorization)

    assert answer.status == 200


def test_health_needs_no_key_and_no_request(client: Client) -> None:
    answer = client.get("/health", headers={"Authorization": ""})

    assert (answer.status, answer.body) == (200, {"status": "ok"})
    assert client.world.store.requests == []


def test_too_long_id_is_not_read_from_the_ledger(client: Client) -> None:
    answer = client.get(f"/v1/jobs/{'a' * 900}")

    assert answer.status == 404
    assert client.world.store.requests == []


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("GET", f"{IMAGE}/requests/x/cancel", "OPTIONS, PUT"),
    ],
)
def test_answer_to_a_wrong_method_names_the_allowed_ones(
    client: Client, method: str, path: str, allow: str
) -> None:
    answer = client.send(method, path)

    assert answer.status == 405
    assert answer.headers["Allow"] == allow


def test_options_name_the_methods(client: Client) -> None:
    answer = client.send("OPTIONS", IMAGE, headers={"Authorization": ""})

    assert (answer.status, answer.body) == (204, None)
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_head_is_answered_like_get_so_that_the_platform_can_count_the_body(
    client: Client,
) -> None:
    request_id = submitted(client)
    path = f"{IMAGE}/requests/{request_id}/status"

    assert client.send("HEAD", path) == client.get(path)


# Browsers, caches and forms


def test_icon_needs_no_key(client: Client) -> None:
    answer = client.get("/favicon.ico", headers={"Authorization": ""})

    assert (answer.status, answer.body) == (204, None)
    assert answer.headers["Cache-Control"] == "public, max-age=86400"


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/models"])
def test_unchanged_content_is_sent_once(client: Client, path: str) -> None:
    first = client.get(path)

    second = client.get(path, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})

    assert (second.status, second.body) == (304, None)
    assert "Content-Type" not in second.headers
    for name in ("ETag", "Cache-Control"):
        assert second.headers[name] == first.headers[name]
    assert first.headers["Cache-Control"].endswith(", max-age=300")
    assert client.get(path, headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("value", ["0", "False", "TRUE", ""])
def test_logs_parameter_may_be_a_number_or_a_word(client: Client, value: str) -> None:
    request_id = submitted(client)

    answer = client.get(f"{IMAGE}/requests/{request_id}/status", query={"logs": value})

    assert (answer.body["logs"] is None) == (value in {"0", "False"})


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (f"{IMAGE}/requests/x/status", "log", "1"),
        (f"{IMAGE}/requests/x/status", "logs", "maybe"),
        ("/health", "x", "1"),
    ],
)
def test_query_parameter_that_nothing_reads_is_refused(
    client: Client, path: str, name: str, value: str
) -> None:
    answer = client.get(path, query={name: value})

    assert (answer.status, answer.body["error_type"]) == (400, "invalid_request")
    assert answer.body["field"] == name
    assert answer.body["allowed"]


def test_query_parameters_of_a_submit_are_checked_before_anything_is_paid(client: Client) -> None:
    query = {"fal_webhok": "https://example.com"}

    answer = client.send("POST", IMAGE, body=json.dumps(BODIES[IMAGE]), query=query)

    assert (answer.status, answer.body["field"]) == (400, "fal_webhok")
    assert client.world.vendor.tasks == []


def test_compressed_body_is_refused_with_what_is_allowed(client: Client) -> None:
    answer = client.send("POST", IMAGE, body="\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert answer.status == 415
    assert answer.body["field"] == "Content-Encoding"
    assert answer.headers["Accept-Encoding"] == "identity"


def test_body_with_the_identity_coding_is_accepted(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], Content_Encoding="identity")

    assert answer.status == 200


@pytest.mark.parametrize("path", ["/health", "/nowhere"])
def test_every_answer_names_its_invocation_and_is_not_cached(client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.headers["X-Request-Id"] == "invocation-1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_loopback_gets_no_strict_transport_security(client: Client) -> None:
    headers = {"host": "127.0.0.1:8401", "X-Forwarded-Proto": "http"}

    answer = client.get("/health", headers=headers)

    assert "Strict-Transport-Security" not in answer.headers


def test_cors_headers_are_left_to_the_platform(client: Client) -> None:
    answer = client.get("/health", headers={"Origin": "https://example.com"})

    assert not [name for name in answer.headers if name.startswith("Access-Control-")]


def test_answer_to_a_crash_names_the_invocation_that_logged_it(client: Client) -> None:
    client.world.settings = None  # type: ignore[assignment]

    answer = client.get("/health")

    assert answer.status == 500
    assert answer.headers["X-Request-Id"] == "invocation-1"


def test_slash_at_the_end_does_not_matter(client: Client) -> None:
    assert client.post(f"{MPS}/", BODIES[MPS]).status == 200


# VOD's callbacks


def event_of(client: Client, request_id: str, **more: Any) -> str:
    [task] = client.world.vendor.tasks
    event = captured("vod_callback/image_finished")
    event["AigcImageCompleteEvent"] |= {
        "TaskId": task.id,
        "SessionId": task.session_id,
        "SessionContext": request_id,
    }
    return json.dumps({**event, "Sign": "", "T": 0, **more})


def signature(key: str, expires_at: int) -> dict[str, Any]:
    sign = hashlib.md5(f"{key}{expires_at}".encode()).hexdigest()  # noqa: S324  VOD's own
    return {"Sign": sign, "T": expires_at}


def state_of(client: Client, request_id: str) -> str:
    job = client.world.runtime().ledger.records.read(request_id)
    assert job is not None
    return job.state


def test_callback_with_the_key_in_its_path_settles_the_job(client: Client) -> None:
    request_id = submitted(client)
    client.world.vendor.finish(client.world.vendor.tasks[0])

    answer = client.post("/vod/events/callbackkey", event_of(client, request_id), Authorization="")

    assert answer.status == 200
    assert state_of(client, request_id) == "succeeded"


@pytest.mark.parametrize("where", ["body", "query"])
def test_callback_with_a_good_signature_settles_the_job(client: Client, where: str) -> None:
    request_id = submitted(client)
    client.world.vendor.finish(client.world.vendor.tasks[0])
    signed = signature("callbackkey", int(client.world.clock.now().timestamp()) + 600)
    in_body = signed if where == "body" else {}
    in_query = {name: str(value) for name, value in signed.items()} if where == "query" else {}

    answer = client.send(
        "POST", "/vod/events", body=event_of(client, request_id, **in_body), query=in_query
    )

    assert answer.status == 200
    assert state_of(client, request_id) == "succeeded"


@pytest.mark.parametrize(
    ("path", "key", "valid_for_s"),
    [
        ("/vod/events/wrong", "callbackkey", 600),
        ("/vod/events", "wrong", 600),
        ("/vod/events", "callbackkey", -1),
    ],
)
def test_callback_that_proves_nothing_changes_nothing(
    client: Client, path: str, key: str, valid_for_s: int
) -> None:
    request_id = submitted(client)
    client.world.vendor.finish(client.world.vendor.tasks[0])
    signed = signature(key, int(client.world.clock.now().timestamp()) + valid_for_s)

    answer = client.post(path, event_of(client, request_id, **signed))

    assert answer.status == 401
    assert state_of(client, request_id) == "running"


def test_callback_is_no_proof_of_how_a_task_ended(client: Client) -> None:
    request_id = submitted(client)

    answer = client.post("/vod/events/callbackkey", event_of(client, request_id))

    assert answer.status == 200
    assert state_of(client, request_id) == "running"


@pytest.mark.parametrize(
    "event",
    [
        {"EventType": "NewFileUpload", "FileUploadEvent": {"FileId": "1"}},
        {"AigcImageCompleteEvent": {"TaskId": "1", "SessionContext": "../somebody else's"}},
        {"AigcImageCompleteEvent": {"TaskId": "1"}},
    ],
)
def test_event_of_an_unknown_task_is_accepted_and_ignored(
    client: Client, event: dict[str, Any]
) -> None:
    answer = client.post("/vod/events/callbackkey", event)

    assert answer.status == 200
    assert client.world.store.requests == []


# The table


def test_every_error_of_the_tree_has_an_answer() -> None:
    assert AigcError in EXCEPTION_STATUS


def test_refused_throttled_moderated_and_failed_differ_by_status() -> None:
    documented = {
        JOB_ERROR_STATUS[error_type].status
        for error_type in ("refused", "throttled", "moderated", "task_failed")
    }

    assert len(documented) == 4


def test_every_route_has_its_handler() -> None:
    for route in ROUTES:
        module, _, function = route.handler.partition(":")
        assert callable(getattr(importlib.import_module(f"aigc.api.{module}"), function))
