"""The sender against receivers on loopback: allowed addresses, refused addresses, timeouts."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest
import trustme

from aigc.cloud.webhooks import PublicSender
from aigc.destinations import checked_url, is_reachable
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

    from aigc.jobs.ports import Reply

    Answer = Callable[[BaseHTTPRequestHandler], None]

LOOPBACK = ("127.0.0.0/8",)
PATIENCE_S = 0.3


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def local_sender() -> PublicSender:
    return PublicSender(plain_http=True, networks=LOOPBACK)


def send(sender: PublicSender, url: str, timeout_s: float = 5) -> Reply:
    return sender.send(url, {"webhook-id": "msg_1"}, b'{"status":"OK"}', timeout_s)


# What arrives


def test_headers_and_body_arrive_under_the_whole_path(receiver: Receiver) -> None:
    reply = send(local_sender(), f"{receiver.url}?a=1&b=%20#never-sent")

    [request] = receiver.got
    assert (reply.status, reply.error) == (200, "")
    assert request.path == "/hook?a=1&b=%20"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["webhook-id"] == "msg_1"
    assert request.body == b'{"status":"OK"}'


def test_no_more_of_an_answer_is_read_than_requested(receiver: Receiver) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b'{"errcode":0}' + b"x" * 100_000)

    receiver.plan = [answer, answer]

    reply = local_sender().send(receiver.url, {}, b"{}", 5, answer_bytes=13)

    assert reply.answer == b'{"errcode":0}'
    assert send(local_sender(), receiver.url).answer == b""


@pytest.mark.parametrize("status", [204, 307, 410])
def test_a_status_is_returned_unchanged_and_redirects_are_not_followed(
    receiver: Receiver, status: int
) -> None:
    receiver.plan = [status]

    assert send(local_sender(), receiver.url).status == status
    assert len(receiver.got) == 1


def test_a_receiver_over_https_is_known_by_its_name() -> None:
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(served)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with receiving(served) as receiver:

        def sender(trusted: ssl.SSLContext | None) -> PublicSender:
            return PublicSender(
                plain_http=False,
                networks=LOOPBACK,
                resolve=lambda *_: ["127.0.0.1"],
                trusted=trusted,
            )

        right = send(sender(trusted), f"https://hooks.example:{receiver.port}/")
        another = send(sender(trusted), f"https://other.example:{receiver.port}/")
        stranger = send(sender(None), f"https://hooks.example:{receiver.port}/")

    assert right.status == 200
    assert receiver.got[0].headers["host"] == f"hooks.example:{receiver.port}"
    assert "SSLCertVerificationError" in another.error
    assert "SSLCertVerificationError" in stranger.error
    assert len(receiver.got) == 1


def test_the_next_address_is_tried_if_one_accepts_no_connection(receiver: Receiver) -> None:
    sender = PublicSender(
        plain_http=True, networks=LOOPBACK, resolve=lambda *_: ["127.0.0.77", "127.0.0.1"]
    )

    assert send(sender, f"http://hooks.example:{receiver.port}/").status == 200


# What is refused


def test_a_name_with_a_private_address_is_refused(receiver: Receiver) -> None:
    sender = PublicSender(plain_http=True, networks=(), resolve=lambda *_: ["127.0.0.1"])

    reply = send(sender, f"http://hooks.example:{receiver.port}/")

    assert reply.error == "hooks.example is not on the public internet: 127.0.0.1"
    assert receiver.got == []


def test_a_name_with_one_address_inside_is_refused(receiver: Receiver) -> None:
    sender = PublicSender(
        plain_http=True, networks=LOOPBACK, resolve=lambda *_: ["127.0.0.1", "169.254.0.23"]
    )

    assert "169.254.0.23" in send(sender, f"http://hooks.example:{receiver.port}/").error
    assert receiver.got == []


def test_a_name_is_resolved_once(receiver: Receiver) -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    sender = PublicSender(plain_http=True, networks=LOOPBACK, resolve=lambda *_: answers.pop(0))

    reply = send(sender, f"http://hooks.example:{receiver.port}/")

    assert reply.status == 200
    assert answers == [["10.0.0.1"]]


def test_an_address_that_is_not_public_is_not_reachable() -> None:
    addresses = (
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.0.23", "100.64.0.1"),
        *("9.1.2.3", "11.0.0.1", "30.255.0.1", "::ffff:9.1.2.3"),
        *("0.0.0.7", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff0e::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1"),
        *("2002:a00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    )

    assert [address for address in addresses if is_reachable(address, ())] == []


def test_a_public_address_is_reachable() -> None:
    for address in (
        *("1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::"),
    ):
        assert is_reachable(address, ()), address


def test_an_address_in_a_network_that_is_allowed_is_reachable() -> None:
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::7"):
        assert is_reachable(address, ("10.1.0.0/16", "fd00::/8")), address


@pytest.mark.parametrize(
    ("url", "must"),
    [
        ("http://example.com/", "must be https://"),
        ("https:///path", "must be https://"),
        ("https://user@example.com/", "user name or a password"),
        ("https://example.com:0/", "port"),
        ("https://example.com\\@127.0.0.1/", "ASCII"),
        ("https://example.com/a b", "ASCII"),
        ("https://example.com/\r\nHost: evil", "ASCII"),
        ("https://例子.example/", "ASCII"),
        ("https://example.com/" + "a" * 2048, "at most 2048"),
        ("https://[::1/", "must have a valid host"),
        ("https://127.0.0.1/", "public internet"),
        ("https://0x7f000001/", "public internet"),
        ("https://[::ffff:10.0.0.1]/", "public internet"),
    ],
)
def test_a_url_that_is_not_public_is_refused(url: str, must: str) -> None:
    with pytest.raises(ValueError, match=must):
        checked_url(url, plain_http=False, networks=())

    assert send(PublicSender(plain_http=False, networks=()), url).error.startswith("the URL is not")


@pytest.mark.parametrize(
    "url", ["https://example.com", "HTTPS://Example.com:8443/a?b#c", "https://[2606:4700::1111]/"]
)
def test_a_public_url_is_accepted(url: str) -> None:
    assert checked_url(url, plain_http=False, networks=()).hostname


# How long it waits


def silence(handler: BaseHTTPRequestHandler) -> None:
    handler.rfile.read(1)  # until the other side hangs up


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Answer one byte at a time, each soon enough for a timeout of its own."""
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        handler.wfile.write(bytes([byte]))
        time.sleep(PATIENCE_S / 10)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 2**16)


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00" * 100 + b"\r\n\r\n")


@pytest.mark.parametrize("answer", [silence, drip])
def test_a_receiver_that_takes_too_long_is_cut_off(receiver: Receiver, answer: Answer) -> None:
    receiver.plan = [answer]

    reply = send(local_sender(), receiver.url, PATIENCE_S)

    assert reply.status is None
    assert reply.error == "no answer within 0.3 s"


def test_a_slow_look_up_is_cut_off(receiver: Receiver) -> None:
    def slow(_host: str, _port: int) -> list[str]:
        time.sleep(2 * PATIENCE_S)
        return ["127.0.0.1"]

    sender = PublicSender(plain_http=True, networks=LOOPBACK, resolve=slow)

    reply = send(sender, f"http://hooks.example:{receiver.port}/", PATIENCE_S)
    time.sleep(2 * PATIENCE_S)

    assert reply.error == "no answer within 0.3 s"
    assert receiver.got == []


def test_an_answer_without_end_is_not_read(receiver: Receiver) -> None:
    receiver.plan = [endless]

    assert send(local_sender(), receiver.url).status == 200


def test_an_answer_that_is_no_http_is_an_error(receiver: Receiver) -> None:
    receiver.plan = [garbage]

    assert send(local_sender(), receiver.url).error.startswith("BadStatusLine")


def test_a_port_without_a_listener_is_an_error() -> None:
    with socket.socket() as held:  # a port that was given back may be another process's by now
        held.bind(("127.0.0.1", 0))

        reply = send(local_sender(), f"http://127.0.0.1:{held.getsockname()[1]}/")

    assert reply.error.startswith("ConnectionRefusedError")


def test_an_unknown_host_is_an_error() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    sender = PublicSender(plain_http=True, networks=(), resolve=unknown)

    assert send(sender, "http://no.example/").error.startswith("gaierror")
