"""A load generator: many calls a second to the gateway, with the system in its own processes.

Calls follow a schedule and do not wait for earlier answers, so a slow answer delays no later call;
latency counts from the moment at which a call was due. Locust and similar tools have users that
wait for an answer before their next call: under load they send less and hide the delay, and their
figures could not be compared with those of docs/benchmarks.md.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import random
import socket
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aigc.errors import AigcError
from aigc_cli.local_stack import local_stack
from localcloud.server import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

    from localcloud.cloud import LocalCloud

MIX = {"status": 60, "result": 15, "information": 10, "submit": 5, "repeat": 10}
"""The number of calls of each kind in a hundred: a caller polls more than it submits."""

AT_ONCE = 40
"""The limit of running tasks of each kind, at the vendor too: enough for all submitted jobs."""

CALLERS = 200
"""The limit of concurrent calls; a further call waits, and its latency includes the wait."""

WARM_UP = 6
"""The number of jobs that end before the load begins, so that there are results to get."""

PATIENCE_S = 300.0
"""Long enough for a job whose function was killed: it continues after a lease."""

_ENDPOINTS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("/tencent-vod/v1/aigc-image", {"model_name": "GG", "model_version": "3.0"}),
    ("/tencent-mps/v1/aigc-image", {"model_name": "Hunyuan", "model_version": "3.0"}),
)
_INFORMATION = ("/health", "/v1/models", "/v1/lanes")
_EXPECTED: Mapping[str, set[int]] = {
    "status": {HTTPStatus.OK, HTTPStatus.ACCEPTED},
    "result": {HTTPStatus.OK},
    "information": {HTTPStatus.OK},
    "submit": {HTTPStatus.OK},
    "repeat": {HTTPStatus.OK},
}
LOST = 0
"""Stands for the status of a call without an answer."""


class LoadError(AigcError):
    """The system does not reach a state in which its load can be measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One call: its kind, the status of the answer, and the time from when it was due."""

    kind: str
    status: int
    seconds: float

    @property
    def is_expected(self) -> bool:
        """Whether the documentation allows this answer; `429` is always allowed."""
        return self.status in _EXPECTED[self.kind] or self.status == HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted request: its address, and the values that repeat it."""

    path: str
    request_id: str
    key: str
    body: Mapping[str, str]

    @property
    def url(self) -> str:
        """The path of its result."""
        return f"{self.path}/requests/{self.request_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The measurements of a load."""

    rate: int
    seconds: float
    took_s: float
    """Seconds until the last answer."""
    samples: Sequence[Sample]
    cpu_s: Mapping[str, float]
    """CPU time of the client, of the cloud, and of the functions."""
    machine_s: float
    """CPU time of everything on this machine, other work included."""
    accepted: Sequence[str]
    """The prompt of each accepted request; each prompt is unique."""
    paid: Mapping[str, int]
    """Prompt → number of paid tasks."""

    @property
    def unexpected(self) -> Counter[str]:
        """Count the answers that the documentation does not allow, by kind and status."""
        wrong = (sample for sample in self.samples if not sample.is_expected)
        return Counter(f"{sample.kind} {sample.status or 'lost'}" for sample in wrong)

    @property
    def misspent(self) -> list[str]:
        """List the prompts that were not accepted once and paid for once."""
        accepted = Counter(self.accepted)
        return sorted(
            prompt
            for prompt in {*self.paid, *accepted}
            if self.paid.get(prompt, 0) != 1 or accepted[prompt] != 1
        )


class Client:
    """Calls the gateway; each thread keeps one connection open."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._host = urlsplit(connection["gateway"]).netloc
        self._headers = {
            "Authorization": f"Bearer {connection['api_key']}",
            "Content-Type": "application/json",
        }
        self._own = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close every connection, after the last call."""
        for connection in self._open:
            connection.close()

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Make one call, without retries.

        Raises:
            OSError: There is no answer.
        """
        content = None if body is None else json.dumps(body)
        try:
            connection = self._connection()
            connection.request(method, path, content, self._headers | headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except BaseException:
            self._own.connection = None
            raise

    def _connection(self) -> http.client.HTTPConnection:
        open_connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if open_connection is None:
            open_connection = http.client.HTTPConnection(self._host, timeout=PATIENCE_S)
            open_connection.connect()
            open_connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._own.connection = open_connection
            self._open.append(open_connection)
        return open_connection


@dataclass
class Load:
    """The calls of one run, and the requests that they created."""

    client: Client
    rng: random.Random
    open: list[Accepted] = field(default_factory=list)
    done: list[Accepted] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def warm_up(self) -> None:
        """Submit a few jobs and wait for them, so that there are results to get.

        Raises:
            LoadError: A job is not accepted, or fails.
        """
        for _ in range(WARM_UP):
            status = self._submit()
            if status != HTTPStatus.OK:
                raise LoadError(f"a submit without load was answered {status}; expected: 200")
        self.finish()

    def finish(self) -> None:
        """Wait until all open jobs have ended.

        Raises:
            LoadError: A job fails, or they take too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while self.open:
            request = self.open[-1]
            status, answer = self.client.call("GET", f"{request.url}/status")
            if status == HTTPStatus.OK and "error" in answer:
                raise LoadError(f"request {request.request_id} failed: {answer['error']}")
            if status == HTTPStatus.OK:
                self._mark_done(request)
            elif time.monotonic() > deadline:
                raise LoadError(f"{len(self.open)} jobs had not ended after {PATIENCE_S:g} s")
            else:
                time.sleep(0.1)

    def run(self, rate: int, seconds: float) -> None:
        """Make calls at a rate, without waiting for earlier answers."""
        kinds = self.rng.choices(list(MIX), list(MIX.values()), k=round(rate * seconds))
        with ThreadPoolExecutor(CALLERS) as callers:
            begin = time.monotonic()
            for number, kind in enumerate(kinds):
                due = begin + number / rate
                time.sleep(max(0.0, due - time.monotonic()))
                callers.submit(self._sample, kind, due)

    def _sample(self, kind: str, due: float) -> None:
        try:
            status = getattr(self, f"_{kind}")()
        except (OSError, http.client.HTTPException, ValueError):
            status = LOST
        self.samples.append(Sample(kind, status, time.monotonic() - due))

    def _submit(self) -> int:
        path, task = self.rng.choice(_ENDPOINTS)
        key = uuid.UUID(int=self.rng.getrandbits(128)).hex
        body = {**task, "prompt": f"a lighthouse in the fog, {key}"}
        status, answer = self._post(path, body, key)
        if status == HTTPStatus.OK:
            self.open.append(Accepted(path, answer["request_id"], key, body))
        return status

    def _repeat(self) -> int:
        first = self.rng.choice([*self.open[-20:], *self.done[-20:]])
        status, answer = self._post(first.path, first.body, first.key)
        if status == HTTPStatus.OK and answer["request_id"] != first.request_id:
            return LOST
        return status

    def _post(self, path: str, body: Mapping[str, str], key: str) -> tuple[int, dict[str, Any]]:
        return self.client.call("POST", path, body, **{"Idempotency-Key": key})

    def _status(self) -> int:
        request = self.rng.choice([*self.open] or self.done)
        status, answer = self.client.call("GET", f"{request.url}/status")
        if status == HTTPStatus.OK and "error" not in answer:
            self._mark_done(request)
        return status

    def _mark_done(self, request: Accepted) -> None:
        with contextlib.suppress(ValueError):  # another thread has moved it already
            self.open.remove(request)
            self.done.append(request)

    def _result(self) -> int:
        return self.client.call("GET", self.rng.choice(self.done).url)[0]

    def _information(self) -> int:
        return self.client.call("GET", self.rng.choice(_INFORMATION))[0]


def measure(rate: int, seconds: float, *, speed: float) -> Outcome:
    """Start a stack, run the load, wait until all jobs have ended, and read the vendor's bills."""
    with _stack(speed) as stack, contextlib.closing(Client(stack.connection)) as client:
        load = Load(client, random.Random(0))  # noqa: S311  the same calls each time
        load.warm_up()
        before, machine, began = stack.cpu_s(), _machine_s(), time.monotonic()
        load.run(rate, seconds)
        after, took_s = stack.cpu_s(), time.monotonic() - began
        machine_s = _machine_s() - machine
        load.finish()
        return Outcome(
            rate=rate,
            seconds=seconds,
            took_s=took_s,
            samples=load.samples,
            cpu_s={part: after[part] - before[part] for part in after},
            machine_s=machine_s,
            accepted=[request.body["prompt"] for request in load.done],
            paid=stack.paid(),
        )


@dataclass(frozen=True, slots=True)
class Stack:
    """The system in a separate process."""

    connection: dict[str, Any]
    _pipe: Connection[str, Any]

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU time that each part has used so far."""
        return {"client": time.process_time(), **self._ask("cpu_s")}

    def paid(self) -> dict[str, int]:
        """Return the number of tasks that the vendor bills, by prompt."""
        return dict(self._ask("paid"))

    def _ask(self, what: str) -> dict[str, Any]:
        self._pipe.send(what)
        answer: dict[str, Any] = self._pipe.recv()
        return answer


@contextlib.contextmanager
def _stack(speed: float) -> Iterator[Stack]:
    context = multiprocessing.get_context("spawn")
    parent_end, child_end = context.Pipe()
    process = context.Process(target=_serve, args=(child_end, speed))
    process.start()
    child_end.close()
    try:
        yield Stack(parent_end.recv(), parent_end)
    except EOFError:
        raise LoadError("the stack's process ended; its output says why") from None
    finally:
        parent_end.close()
        process.join()


def _serve(pipe: Connection[Any, str], speed: float) -> None:
    """Run a stack, and answer queries until the other end of the pipe is closed."""
    lanes = dict.fromkeys(("vod.image", "vod.scene_image", "mps.image"), AT_ONCE)
    with local_stack(speed=speed, changes={"lanes": json.dumps(lanes)}) as stack:
        book = stack.cloud.tasks
        book.limits.update(dict.fromkeys(book.limits, AT_ONCE))
        answers: dict[str, Callable[[], Mapping[str, float]]] = {
            "cpu_s": lambda: _cpu_s(stack.cloud),
            "paid": lambda: _paid(stack.cloud),
        }
        pipe.send(stack.connection)
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                pipe.send(answers[pipe.recv()]())


def _machine_s() -> float:
    """Sum up the work of all processors: user, nice, system, and both kinds of interrupts."""
    times = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = sum(int(times[kind]) for kind in (0, 1, 2, 5, 6))
    return ticks / os.sysconf("SC_CLK_TCK")


def _cpu_s(cloud: LocalCloud) -> dict[str, float]:
    functions = json.loads(cloud.control_routes["/_localcloud/scf"](Request.get(cloud.url)).body)
    return {
        "cloud": time.process_time(),
        "functions": sum(function["cpu_s"] for function in functions.values()),
    }


def _paid(cloud: LocalCloud) -> dict[str, int]:
    tasks = cloud.tasks.report()["tasks"]
    return Counter(task["prompt"] for task in tasks if task["error"] is None)
