"""Many calls a second on the gateway's address, with the system in processes of its own.

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
from localcloud.server import Request
from ops.local_stack import local_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

    from localcloud.cloud import LocalCloud

MIX = {"status": 60, "result": 15, "information": 10, "submit": 5, "repeat": 10}
"""Of a hundred calls, how many are of which kind: a caller polls more than it submits."""

AT_ONCE = 40
"""Tasks of each kind that may run, at the vendor too: as many as are submitted meanwhile."""

CALLERS = 200
"""Calls under way at once; beyond them a call waits here, and its latency counts that."""

WARM_UP = 6
"""Jobs that have ended when the load begins: there are results to ask for."""

PATIENCE_S = 300.0
"""Also a job whose function was killed has ended by then: others wait a lease for it."""

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
"""Stands for the status of a call that was never answered."""


class LoadError(AigcError):
    """The system could not be brought to where its load can be measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One call: of which kind, how it was answered, and how long after it was due."""

    kind: str
    status: int
    seconds: float

    @property
    def is_expected(self) -> bool:
        """Whether the answer is one that the documents promise, `429` included."""
        return self.status in _EXPECTED[self.kind] or self.status == HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that was accepted: where to ask about it, and what to repeat it with."""

    path: str
    request_id: str
    key: str
    body: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where its result is."""
        return f"{self.path}/requests/{self.request_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a load."""

    rate: int
    seconds: float
    took_s: float
    """Until the last answer."""
    samples: Sequence[Sample]
    cpu_s: Mapping[str, float]
    """CPU time of the client, of the cloud, and of the functions."""
    machine_s: float
    """CPU time of everything on this machine, other work included."""
    accepted: Sequence[str]
    """The prompt of each request that was accepted: no two are alike."""
    paid: Mapping[str, int]
    """How many tasks the vendor was paid for, by their prompt."""

    @property
    def unexpected(self) -> Counter[str]:
        """Count what nobody promised, by kind and status."""
        wrong = (one for one in self.samples if not one.is_expected)
        return Counter(f"{one.kind} {one.status or 'lost'}" for one in wrong)

    @property
    def misspent(self) -> list[str]:
        """Name the prompts that were paid for more or less than once, or that nobody accepted."""
        prompts = {*self.paid, *self.accepted}
        wanted = Counter(self.accepted)
        return sorted(one for one in prompts if self.paid.get(one, 0) != 1 or wanted[one] != 1)


class Client:
    """Calls the gateway, from any thread, each over a connection that it keeps."""

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._host = urlsplit(connection["gateway"]).netloc
        self._headers = {
            "Authorization": f"Bearer {connection['api_key']}",
            "Content-Type": "application/json",
        }
        self._own = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close every connection; nobody calls any more."""
        for connection in self._open:
            connection.close()

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Make one call; nothing is repeated.

        Raises:
            OSError: There was no answer.
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
        kept: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if kept is None:
            kept = http.client.HTTPConnection(self._host, timeout=PATIENCE_S)
            kept.connect()
            kept.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._own.connection = kept
            self._open.append(kept)
        return kept


@dataclass
class Load:
    """The calls of one run, and what is known of the jobs that they made."""

    client: Client
    chance: random.Random
    open: list[Accepted] = field(default_factory=list)
    done: list[Accepted] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def warm_up(self) -> None:
        """Submit a few jobs and wait for them, so that there are results to ask for.

        Raises:
            LoadError: They are not accepted, or do not end well.
        """
        for _ in range(WARM_UP):
            status = self._submit()
            if status != HTTPStatus.OK:
                raise LoadError(f"a submit without load was answered {status}; expected: 200")
        self.finish()

    def finish(self) -> None:
        """Wait for the jobs that are open.

        Raises:
            LoadError: One fails, or they take too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while self.open:
            asked = self.open[-1]
            status, answer = self.client.call("GET", f"{asked.url}/status")
            if status == HTTPStatus.OK and "error" in answer:
                raise LoadError(f"request {asked.request_id} failed: {answer['error']}")
            if status == HTTPStatus.OK:
                self._has_ended(asked)
            elif time.monotonic() > deadline:
                raise LoadError(f"{len(self.open)} jobs had not ended after {PATIENCE_S:g} s")
            else:
                time.sleep(0.1)

    def run(self, rate: int, seconds: float) -> None:
        """Make so many calls a second, whether or not those before were answered."""
        kinds = self.chance.choices(list(MIX), list(MIX.values()), k=round(rate * seconds))
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
        path, task = self.chance.choice(_ENDPOINTS)
        key = uuid.UUID(int=self.chance.getrandbits(128)).hex
        body = {**task, "prompt": f"a lighthouse in the fog, {key}"}
        status, answer = self._post(path, body, key)
        if status == HTTPStatus.OK:
            self.open.append(Accepted(path, answer["request_id"], key, body))
        return status

    def _repeat(self) -> int:
        first = self.chance.choice([*self.open[-20:], *self.done[-20:]])
        status, answer = self._post(first.path, first.body, first.key)
        if status == HTTPStatus.OK and answer["request_id"] != first.request_id:
            return LOST
        return status

    def _post(self, path: str, body: Mapping[str, str], key: str) -> tuple[int, dict[str, Any]]:
        return self.client.call("POST", path, body, **{"Idempotency-Key": key})

    def _status(self) -> int:
        asked = self.chance.choice([*self.open] or self.done)
        status, answer = self.client.call("GET", f"{asked.url}/status")
        if status == HTTPStatus.OK and "error" not in answer:
            self._has_ended(asked)
        return status

    def _has_ended(self, request: Accepted) -> None:
        with contextlib.suppress(ValueError):  # another caller was faster
            self.open.remove(request)
            self.done.append(request)

    def _result(self) -> int:
        return self.client.call("GET", self.chance.choice(self.done).url)[0]

    def _information(self) -> int:
        return self.client.call("GET", self.chance.choice(_INFORMATION))[0]


def measure(rate: int, seconds: float, *, speed: float) -> Outcome:
    """Start a stack, bring the load on it, let all jobs end and look at the vendor's books."""
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
            cpu_s={who: after[who] - before[who] for who in after},
            machine_s=machine_s,
            accepted=[one.body["prompt"] for one in load.done],
            paid=stack.paid(),
        )


@dataclass(frozen=True, slots=True)
class Stack:
    """The system in a process of its own."""

    connection: dict[str, Any]
    _pipe: Connection[str, Any]

    def cpu_s(self) -> dict[str, float]:
        """Tell how much CPU time each part has taken until now."""
        return {"client": time.process_time(), **self._ask("cpu_s")}

    def paid(self) -> dict[str, int]:
        """Count the vendor's tasks that did not fail, by prompt."""
        return dict(self._ask("paid"))

    def _ask(self, what: str) -> dict[str, Any]:
        self._pipe.send(what)
        answer: dict[str, Any] = self._pipe.recv()
        return answer


@contextlib.contextmanager
def _stack(speed: float) -> Iterator[Stack]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, speed))
    process.start()
    theirs.close()
    try:
        yield Stack(ours.recv(), ours)
    except EOFError:
        raise LoadError("the stack's process ended; what it wrote says why") from None
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection[Any, str], speed: float) -> None:
    """Run a stack and answer questions about it until the other end is closed."""
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
    """Add up what all processors have worked: user, nice, system, and both kinds of interrupts."""
    times = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = sum(int(times[kind]) for kind in (0, 1, 2, 5, 6))
    return ticks / os.sysconf("SC_CLK_TCK")


def _cpu_s(cloud: LocalCloud) -> dict[str, float]:
    functions = json.loads(cloud.control_routes["/_localcloud/scf"](Request.get(cloud.url)).body)
    return {
        "cloud": time.process_time(),
        "functions": sum(one["cpu_s"] for one in functions.values()),
    }


def _paid(cloud: LocalCloud) -> dict[str, int]:
    tasks = cloud.tasks.report()["tasks"]
    return Counter(one["prompt"] for one in tasks if one["error"] is None)
