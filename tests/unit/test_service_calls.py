"""Calls of the command to a deployment: which are repeated, and the texts of errors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aigc_cli import batch, cli
from aigc_cli.service import CallError, Service, UnreachableError
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
NO_ROOM = (503, {"detail": "no room", "retryable": True})
FULL = (429, {"detail": "too many calls", "retryable": True})
FINE: tuple[int, Any] = (200, {"lanes": []})


@contextlib.contextmanager
def deployment(*answers: tuple[int, Any]) -> Iterator[tuple[Service, list[str]]]:
    """Serve these answers in turn, the last one for ever; yield the calls that arrive."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[min(len(calls), len(answers) - 1)]
            calls.append(f"{self.command} {self.path}")
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield Service(f"http://127.0.0.1:{server.server_port}", "key"), calls


def test_call_is_repeated_until_the_deployment_has_room() -> None:
    with deployment(NO_ROOM, NO_ROOM, FINE) as (service, calls):
        assert service.get("/v1/lanes") == FINE[1]

    assert calls == ["GET /v1/lanes"] * 3


def test_only_a_batch_waits_for_the_permits_of_its_key() -> None:
    with deployment(FULL, FINE) as (service, calls):
        with pytest.raises(CallError, match="429: too many calls; trying again may help"):
            service.get("/v1/lanes")
        assert len(calls) == 1

    with deployment(FULL, FULL, FINE) as (service, calls):
        assert service.send("GET", "/v1/lanes", repeats=batch.BATCH_REPEATS).status_code == 200
        assert len(calls) == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (422, {"detail": "seed: 1 is not allowed", "request_id": "r1", "retryable": False}),
            (
                "GET /v1/x answered 422: seed: 1 is not allowed (request r1);"
                " the same call will be refused again"
            ),
        ),
        ((500, "<html>oops</html>"), "GET /v1/x answered 500: <html>oops</html>"),
        ((404, ""), "GET /v1/x answered 404: Not Found"),
        (
            (401, {"detail": "the API key is wrong"}),
            (
                "GET /v1/x answered 401: the API key is wrong; needed: another key, with --key,"
                " AIGC_API_KEY or `aigc login`"
            ),
        ),
    ],
)
def test_error_has_the_answer_and_whether_trying_again_helps(
    answer: tuple[int, Any], message: str
) -> None:
    with deployment(answer) as (service, _), pytest.raises(CallError) as raised:
        service.get("/v1/x")

    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("http://127.0.0.1:1", "Failed to establish a new connection"),
        ("http://nowhere.invalid", "Failed to resolve 'nowhere.invalid'"),
    ],
)
def test_endpoint_without_an_answer_is_named(
    endpoint: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigc_cli.service.FIRST_WAIT_S", 0.0)

    with pytest.raises(UnreachableError) as raised:
        Service(endpoint, "key").get("/v1/lanes")

    assert str(raised.value).startswith(f"GET {endpoint}/v1/lanes: no answer in 4 tries: {reason}")


def test_interrupted_wait_names_the_job_that_continues(tmp_path: Path) -> None:
    job = {"request_id": "abc", "state": "running", "status_url": "/v1/status"}
    command = [sys.executable, "-m", "aigc_cli", "submit", "a harbour", "--wait"]
    with deployment((200, job)) as (service, _):
        where = {"AIGC_ENDPOINT": service.endpoint, "AIGC_API_KEY": service.key}
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | where | {"XDG_CONFIG_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            output, messages = process.communicate()

    assert first == "abc: running\n"
    assert (process.returncode, output) == (130, "")
    assert messages == "abc continues; `aigc jobs follow abc` shows its progress\n"


def test_ended_job_is_not_cancelled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with deployment((200, {"request_id": "abc", "state": "failed"})) as (service, calls):
        monkeypatch.setenv("AIGC_ENDPOINT", service.endpoint)
        monkeypatch.setenv("AIGC_API_KEY", service.key)

        status = cli.main(["jobs", "cancel", "abc"])

        odd = cli.main(["jobs", "show", "../lanes"])

    assert (status, odd) == (1, 0)
    assert calls == ["GET /v1/jobs/abc", "GET /v1/jobs/..%2Flanes"]
    assert "abc has ended (failed): there is nothing to cancel" in capsys.readouterr().err


def test_jobs_are_replayed_and_restored_by_a_key_that_may_operate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = {"request_id": "abc", "state": "failed", "attempts": [{"number": 1}, {"number": 2}]}
    queued = {"request_id": "abc", "state": "queued", "attempt": 3}
    paid = {"detail": "the images of the job are paid for", "retryable": False}
    answers = [(200, job), (202, queued), (409, paid), (403, {"detail": "may not operate"})]
    with deployment(*answers) as (service, calls):
        where = ["--endpoint", service.endpoint, "--key", service.key]
        statuses = [
            cli.main(["jobs", "replay", "abc", *where]),
            cli.main(["jobs", "restore", "abc", *where, "--json"]),
            cli.main(["jobs", "restore", "abc", *where]),
        ]

    assert statuses == [0, 1, 3]
    assert calls == [
        *("GET /v1/jobs/abc", "POST /v1/jobs/abc/replay"),
        *("POST /v1/jobs/abc/restore", "POST /v1/jobs/abc/restore"),
    ]
    output, messages = capsys.readouterr()
    replayed, _, restored = output.partition("\n")
    assert replayed == "job abc is queued, attempt 3"
    [outcome] = json.loads(restored)
    assert outcome["done"] is False
    assert "are paid for; the same call will be refused again" in outcome["message"]
    assert "answered 403: may not operate" in messages
    assert "with the owner's credentials: the same command without --endpoint" in messages


def test_key_alone_lets_the_api_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = {"request_id": "abc", "state": "failed", "attempts": []}
    queued = {"request_id": "abc", "state": "queued", "attempt": 2}
    with deployment((200, job), (202, queued)) as (service, calls):
        monkeypatch.setenv("AIGC_ENDPOINT", service.endpoint)

        status = cli.main(["jobs", "replay", "abc", "--key", service.key])

    assert status == 0
    assert calls == ["GET /v1/jobs/abc", "POST /v1/jobs/abc/replay"]
    assert capsys.readouterr().out == "job abc is queued, attempt 2\n"


@pytest.mark.parametrize("where", [["--endpoint", "https://example.com"], ["--key", "k"]])
@pytest.mark.parametrize("what", ["--all", "--webhooks"])
def test_ledger_is_not_read_with_an_api_key(
    what: str, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [] if what == "--all" else ["abc"]

    with pytest.raises(SystemExit) as ended:
        cli.main(["jobs", "replay", *ids, what, *where])

    message = capsys.readouterr().err
    assert ended.value.code == 2
    assert "with the owner's credentials: give --stack" in message
    assert "`aigc jobs list --state failed`" in message


@pytest.mark.parametrize("words", ["dead", "replay --all", "replay abc", "restore abc"])
@pytest.mark.parametrize("options", ["", "--stack prod"])
def test_commands_of_the_owner_say_what_an_api_key_can_do(
    words: str,
    options: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Without the owner's credentials, and where no local cloud runs."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("TENCENTCLOUD_SECRET_ID", raising=False)
    outputs = dict.fromkeys(("region", "ledgerBucket", "resultsBucket", "inboxBucket"), "x")
    monkeypatch.setattr(
        "aigc_cli.deployment.stack_outputs", lambda *_, **__: {**outputs, "subAppId": 1}
    )

    status = cli.main(["jobs", *words.split(), *options.split()])

    message = capsys.readouterr().err
    assert status == 3
    assert ("TENCENTCLOUD_SECRET_ID is not set" if options else "no deployment is named") in message
    assert (
        "with an API key of `aigc keys new --operate`: `aigc jobs list --state failed`" in message
    )


def test_uploads_are_listed_with_their_jobs_or_reasons(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upload: dict[str, Any] = {
        "uploaded_at": "2026-11-28T18:00:00+00:00",
        "reason": None,
        "detail": "",
        "jobs": [],
    }
    job = {"request_id": "abc", "rule": "any", "state": "storing"}
    lost = {"request_id": "def", "rule": "all", "state": None}
    first = [{**upload, "key": "a.png", "outcome": "job", "jobs": [job, lost]}]
    second = [
        {**upload, "key": "b.png", "outcome": "none", "reason": "no_rule", "detail": "why"},
        {**upload, "key": "c.png", "outcome": "pending"},
    ]
    pages = [(200, {"uploads": first, "cursor": "x"}), (200, {"uploads": second, "cursor": None})]
    with deployment(*pages) as (service, calls):
        monkeypatch.setenv("AIGC_ENDPOINT", service.endpoint)
        monkeypatch.setenv("AIGC_API_KEY", service.key)

        assert cli.main(["uploads", "list", "--prefix", "a b/"]) == 0

    assert calls == [
        "GET /v1/uploads?limit=50&prefix=a+b%2F",
        "GET /v1/uploads?limit=49&cursor=x&prefix=a+b%2F",
    ]
    assert [line.split(maxsplit=4)[3:] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["job", "abc storing (any), def without a record (all)"],
        ["none", "no_rule: why"],
        ["pending", "waits for its event or for the sweep"],
    ]


def test_console_is_printed_without_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("AIGC_ENDPOINT", "https://example.com/")
    monkeypatch.delenv("AIGC_API_KEY", raising=False)

    assert cli.main(["console", "--print"]) == 0
    assert cli.main(["console", "--json"]) == 0
    assert opened == []
    assert cli.main(["console"]) == 0

    url = "https://example.com/console"
    assert opened == [url]
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == (url, url)
