"""A load generator: many calls a second to the gateway of a system in other processes.

Calls follow a schedule and do not wait for earlier answers, so a slow answer delays no later call;
latency is measured from the time at which a call was due. Locust and similar tools have users that
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

MAX_RUNNING_TASKS = 40
"""The limit of running tasks of each kind, also at the vendor: enough for all submitted jobs."""

MAX_CONCURRENT_CALLS = 200
"""The limit of concurrent calls; a further call waits, and its latency includes the wait."""

WARM_UP = 6
"""The number of jobs that end before the load begins, so that there are results to get."""

WAIT_TIMEOUT_S = 300.0
"""Long enough for a job whose function was killed: it continues when the lease expires."""

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
"""The status in the sample of a call without an answer."""


class LoadError(AigcError):
    """The load cannot be measured, since a job failed or did not end."""


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
class AcceptedRequest:
    """An accepted request: its address, and the key and body that repeat it."""

    path: str
    request_id: str
    key: str
    body: Mapping[str, str]

    @property
    def url(self) -> str:
        """The path of its result."""
        return f"{self.path}/requests/{self.request_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """The measurements of a load."""

    rate: int
    seconds: float
    duration_s: float
    """Seconds until the last answer."""
    samples: Sequence[Sample]
    cpu_s: Mapping[str, float]
    """CPU time of the client, of the cloud, and of the functions."""
    machine_s: float
    """CPU time of all processes of this machine."""
    accepted: Sequence[str]
    """The prompt of each accepted request; each prompt is unique."""
    paid: Mapping[str, int]
    """Prompt → number of paid tasks."""

    @property
    def unexpected(self) -> Counter[str]:
        """Count the answers that the documentation does not allow, by kind and status."""
        samples = (sample for sample in self.samples if not sample.is_expected)
        return Counter(f"{sample.kind} {sample.status or 'lost'}" for sample in samples)

    @property
    def wrongly_paid(self) -> list[str]:
        """Return the prompts that were not accepted exactly once or not paid for exactly once."""
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
        self._thread_data = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close every connection, after the last call."""
        for connection in self._connections:
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
            self._thread_data.connection = None
            raise

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(
            self._thread_data, "connection", None
        )
        if connection is None:
            connection = http.client.HTTPConnection(self._host, timeout=WAIT_TIMEOUT_S)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._thread_data.connection = connection
            self._connections.append(connection)
        return connection


@dataclass
class Load:
    """The calls of one run, and the requests that they created."""

    client: Client
    rng: random.Random
    open: list[AcceptedRequest] = field(default_factory=list)
    done: list[AcceptedRequest] = field(default_factory=list)
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
        """Wait until all jobs have ended.

        Raises:
            LoadError: A job fails, or the jobs take too long.
        """
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while self.open:
            request = self.open[-1]
            status, answer = self.client.call("GET", f"{request.url}/status")
            if status == HTTPStatus.OK and "error" in answer:
                raise LoadError(f"request {request.request_id} failed: {answer['error']}")
            if status == HTTPStatus.OK:
                self._mark_done(request)
            elif time.monotonic() > deadline:
                raise LoadError(f"{len(self.open)} jobs had not ended after {WAIT_TIMEOUT_S:g} s")
            else:
                time.sleep(0.1)

    def run(self, rate: int, seconds: float) -> None:
        """Make calls at a rate, without waiting for earlier answers."""
        kinds = self.rng.choices(list(MIX), list(MIX.values()), k=round(rate * seconds))
        with ThreadPoolExecutor(MAX_CONCURRENT_CALLS) as callers:
            started = time.monotonic()
            for number, kind in enumerate(kinds):
                due = started + number / rate
                time.sleep(max(0.0, due - time.monotonic()))
                callers.submit(self._sample, kind, due)

    def _sample(self, kind: str, due: float) -> None:
        calls = {
            "status": self._status,
            "result": self._result,
            "information": self._information,
            "submit": self._submit,
            "repeat": self._repeat,
        }
        try:
            status = calls[kind]()
        except (OSError, http.client.HTTPException, ValueError):
            status = LOST
        self.samples.append(Sample(kind, status, time.monotonic() - due))

    def _submit(self) -> int:
        path, task = self.rng.choice(_ENDPOINTS)
        key = uuid.UUID(int=self.rng.getrandbits(128)).hex
        body = {**task, "prompt": f"a lighthouse in the fog, {key}"}
        status, answer = self._post(path, body, key)
        if status == HTTPStatus.OK:
            self.open.append(AcceptedRequest(path, answer["request_id"], key, body))
        return status

    def _repeat(self) -> int:
        request = self.rng.choice([*self.open[-20:], *self.done[-20:]])
        status, answer = self._post(request.path, request.body, request.key)
        if status == HTTPStatus.OK and answer["request_id"] != request.request_id:
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

    def _mark_done(self, request: AcceptedRequest) -> None:
        with contextlib.suppress(ValueError):  # another thread has moved it already
            self.open.remove(request)
            self.done.append(request)

    def _result(self) -> int:
        return self.client.call("GET", self.rng.choice(self.done).url)[0]

    def _information(self) -> int:
        return self.client.call("GET", self.rng.choice(_INFORMATION))[0]


def measure(rate: int, seconds: float, *, speed: float) -> LoadResult:
    """Start a stack, run the load, wait until all jobs have ended, and count the paid tasks."""
    with _stack(speed) as stack, contextlib.closing(Client(stack.connection)) as client:
        load = Load(client, random.Random(0))  # noqa: S311  the same calls in each run
        load.warm_up()
        cpu_before, machine_before, started = stack.cpu_s(), _machine_s(), time.monotonic()
        load.run(rate, seconds)
        cpu_after, duration_s = stack.cpu_s(), time.monotonic() - started
        machine_s = _machine_s() - machine_before
        load.finish()
        return LoadResult(
            rate=rate,
            seconds=seconds,
            duration_s=duration_s,
            samples=load.samples,
            cpu_s={part: cpu_after[part] - cpu_before[part] for part in cpu_after},
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
        return {"client": time.process_time(), **self._query("cpu_s")}

    def paid(self) -> dict[str, int]:
        """Return the number of paid tasks, by prompt."""
        return dict(self._query("paid"))

    def _query(self, name: str) -> dict[str, Any]:
        self._pipe.send(name)
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
        raise LoadError("the stack's process ended; its output has the reason") from None
    finally:
        parent_end.close()
        process.join()


def _serve(pipe: Connection[Any, str], speed: float) -> None:
    """Run a stack, and answer queries until the other end of the pipe is closed."""
    lanes = dict.fromkeys(("vod.image", "vod.scene_image", "mps.image"), MAX_RUNNING_TASKS)
    with local_stack(speed=speed, changes={"lanes": json.dumps(lanes)}) as stack:
        limits = stack.cloud.tasks.limits
        limits.update(dict.fromkeys(limits, MAX_RUNNING_TASKS))
        queries: dict[str, Callable[[], Mapping[str, float]]] = {
            "cpu_s": lambda: _cpu_s(stack.cloud),
            "paid": lambda: _paid(stack.cloud),
        }
        pipe.send(stack.connection)
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            while True:
                pipe.send(queries[pipe.recv()]())


def _machine_s() -> float:
    """Return the CPU time of all processors: user, nice, system and interrupts."""
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
