"""The https port forwards requests, and marks them as https."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import requests

from localcloud.server import LostReplyError, Request, Response, Server
from localcloud.tls import https_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def echo(request: Request) -> Response:
    """Answer with the parts of the request; `/lost` gets no answer."""
    if request.path == "/lost":
        raise LostReplyError
    parts = {
        "method": request.method,
        "host": request.host,
        "target": f"{request.path}?{request.query}",
        "scheme": request.headers["x-forwarded-proto"],
        "body": request.body.decode(),
    }
    return Response(202, json.dumps(parts).encode(), {"X-Answer": "yes"})


@dataclass(frozen=True)
class Https:
    """A listener's URL, and a client that trusts it."""

    url: str
    client: requests.Session


@pytest.fixture
def https(tmp_path: Path) -> Iterator[Https]:
    server, authority = Server(0, echo), tmp_path / "ca.pem"
    server.start()
    with (
        https_proxy(f"http://127.0.0.1:{server.port}", authority) as url,
        requests.Session() as client,
    ):
        client.verify = str(authority)
        client.trust_env = False  # the machine's own list of authorities would take precedence
        yield Https(url, client)
    server.stop()


def test_request_and_answer_pass_unchanged(https: Https) -> None:
    answer = https.client.post(f"{https.url}/a%2Fb?x=1", data=b"body", timeout=60)

    assert (answer.status_code, answer.headers["X-Answer"]) == (202, "yes")
    assert answer.json() == {
        "method": "POST",
        "host": https.url.removeprefix("https://"),
        "target": "/a%2Fb?x=1",
        "scheme": "https",
        "body": "body",
    }


def test_client_cannot_set_the_scheme(https: Https) -> None:
    answer = https.client.get(https.url, headers={"X-Forwarded-Proto": "http"}, timeout=60)

    assert answer.json()["scheme"] == "https"


def test_connection_stays_open_after_an_answer_without_a_body(https: Https) -> None:
    head = https.client.head(https.url, timeout=60)
    get = https.client.get(https.url, timeout=60)

    assert (head.status_code, head.content) == (202, b"")
    assert get.json()["method"] == "GET"


def test_lost_reply_is_lost_over_https_too(https: Https) -> None:
    with pytest.raises(requests.ConnectionError):
        https.client.get(f"{https.url}/lost", timeout=60)


def test_client_that_does_not_trust_the_authority_gets_no_answer(https: Https) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(https.url, timeout=60)
