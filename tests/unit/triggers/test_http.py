"""One parser reads the requests of API Gateway and of a Function URL."""

from __future__ import annotations

import base64
import json

import pytest

from aigc.triggers.http import HttpRequest, HttpResponse
from tests.captured import captured


@pytest.mark.parametrize("source", ["api_gateway", "function_url"])
def test_submit_reads_the_same_from_both_triggers(source: str) -> None:
    request = HttpRequest.parse(captured(f"{source}/submit_vod_image"))

    assert request.method == "POST"
    assert request.path == "/tencent-vod/v1/aigc-image"
    assert json.loads(request.body)["prompt"] == "a lighthouse in the fog"
    assert request.header("Authorization") == "Bearer example-key"
    assert request.source_ip == "203.0.113.14"


def test_base64_body_is_decoded() -> None:
    plain = HttpRequest.parse(captured("api_gateway/submit_vod_image"))

    encoded = HttpRequest.parse(captured("api_gateway/base64_body"))

    assert encoded.body == plain.body


def test_query_values_of_every_shape_become_texts() -> None:
    request = HttpRequest.parse(captured("function_url/query_odd_values"))

    assert request.query == {"logs": ("",), "tag": ("a", "b"), "empty": ("",), "one": ("1",)}
    assert request.parameter("tag") == "a"
    assert request.parameter("absent") == ""


def test_declared_query_serves_where_the_actual_one_is_missing() -> None:
    event = captured("api_gateway/status")
    del event["queryString"]

    request = HttpRequest.parse(event | {"queryStringParameters": {"logs": "1"}})

    assert request.parameter("logs") == "1"


def test_links_of_api_gateway_carry_its_stage() -> None:
    request = HttpRequest.parse(captured("api_gateway/status"))

    assert request.base_url == (
        "https://service-f94sy04v-1250000000.gz.apigw.tencentcs.com/release"
    )


@pytest.mark.parametrize("name", ["submit_vod_image", "with_request_context"])
def test_links_of_a_function_url_have_no_stage(name: str) -> None:
    request = HttpRequest.parse(captured(f"function_url/{name}"))

    assert request.base_url == "https://1250000000-abcdefghij.ap-guangzhou.tencentscf.com"


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("127.0.0.1:8401", "http://127.0.0.1:8401"),
        ("localhost", "http://localhost"),
        ("[::1]:80", "http://[::1]:80"),
        ("images.example.com", "https://images.example.com"),
        ("evil.example/path?", ""),
        ("", ""),
    ],
)
def test_base_url_follows_the_host(host: str, base_url: str) -> None:
    event = captured("function_url/status")
    event["headers"]["host"] = host

    request = HttpRequest.parse(event)

    assert request.base_url == base_url


def test_request_id_of_the_invocation_goes_before_the_gateways() -> None:
    event = captured("api_gateway/status")

    assert HttpRequest.parse(event, request_id="invocation").request_id == "invocation"
    assert HttpRequest.parse(event).request_id == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


def test_response_has_the_form_of_both_triggers() -> None:
    response = HttpResponse(status=202, body={"detail": "猫"}, headers={"Retry-After": "2"})

    event = response.to_event()

    assert event["statusCode"] == 202
    assert event["isBase64Encoded"] is False
    assert event["headers"]["Retry-After"] == "2"
    assert event["headers"]["Content-Type"].startswith("application/json")
    assert event["body"] == '{"detail": "猫"}'


def test_text_is_answered_as_it_stands() -> None:
    response = HttpResponse(status=200, body="retry: 1000\n\n", content_type="text/event-stream")

    event = response.to_event()

    assert event["body"] == "retry: 1000\n\n"
    assert event["headers"]["Content-Type"] == "text/event-stream"


def test_answer_without_a_body_has_no_type() -> None:
    event = HttpResponse(status=204).to_event()

    assert event["body"] == ""
    assert "Content-Type" not in event["headers"]


def test_headers_that_an_answer_has_are_not_replaced() -> None:
    response = HttpResponse(status=200, headers={"Retry-After": "2"})

    headers = response.with_headers({"Retry-After": "9", "X-Request-Id": "1"}).headers

    assert headers == {"Retry-After": "2", "X-Request-Id": "1"}


def test_half_a_surrogate_pair_does_not_break_the_answer() -> None:
    response = HttpResponse(status=422, body={"detail": "no field \ud800"})

    body = response.to_event()["body"]

    assert body.encode() == b'{"detail": "no field ?"}'


def test_bytes_travel_as_base64() -> None:
    event = HttpResponse(status=200, body=b"\x1f\x8b", content_type="text/html").to_event()

    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\x1f\x8b"


def request_with(**headers: str) -> HttpRequest:
    event = captured("function_url/status")
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return HttpRequest.parse({**event, "headers": named})


@pytest.mark.parametrize(
    "accepted", ["deflate, GZIP ;q=0.5", "br;q=1.0, *;q=0.1", "gzip;q=nonsense"]
)
def test_gzip_is_sent_to_callers_that_accept_it(accepted: str) -> None:
    assert request_with(accept_encoding=accepted).accepts_gzip()


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0, *", "*;q=0.0"])
def test_gzip_is_sent_to_no_other_caller(accepted: str) -> None:
    assert not request_with(accept_encoding=accepted).accepts_gzip()


@pytest.mark.parametrize("known", ['"abc"', '"x", W/"abc"', "*"])
def test_versions_are_compared_weakly(known: str) -> None:
    assert request_with(if_none_match=known).has_version('W/"abc"')


@pytest.mark.parametrize("known", ["", '"abcd"', "abc"])
def test_another_version_is_another(known: str) -> None:
    assert not request_with(if_none_match=known).has_version('W/"abc"')
