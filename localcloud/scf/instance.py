"""One instance of a function: a process that handles one event at a time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localcloud.scf.package import Package

RUNNER = Path(__file__).with_name("runner.py")
EXIT_TIMEOUT_S = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of an invocation, with SCF's status code.

    430: the handler raised an exception; 433: it took too long; 439: its process ended; 443: its
    module could not be imported; 450: the import took too long.
    https://cloud.tencent.com/document/product/583/42611
    """

    status: int
    type: str
    message: str
    stack: str = ""

    def as_json(self, request_id: str) -> dict[str, Any]:
        """Return the failure in the form of SCF's response."""
        return {
            "errorCode": 1 if self.stack else -1,
            "errorMessage": f"{self.type}: {self.message}" if self.stack else self.message,
            "requestId": request_id,
            "stackTrace": self.stack,
            "statusCode": self.status,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an invocation: a value as JSON text, or a failure."""

    request_id: str
    value: str = "null"
    failure: Failure | None = None
    seconds: float = 0.0
    """The duration of the invocation."""
    memory: int = 0
    """The peak memory of the process in bytes."""
    cpu_s: float = 0.0
    """The CPU time of the handler."""

    def as_result(self) -> dict[str, Any]:
        """Return the fields of Invoke's Result."""
        failure = self.failure
        return {
            "RetMsg": json.dumps(failure.as_json(self.request_id)) if failure else self.value,
            "ErrMsg": failure.message if failure else "",
            "InvokeResult": failure.status if failure else 0,
            "FunctionRequestId": self.request_id,
            "Duration": round(self.seconds * 1000, 2),
            "BillDuration": round(self.seconds * 1000),
            "MemUsage": self.memory,
            "Log": "",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSettings:
    """The settings of the instances of one version of a function."""

    package: Package
    handler: str
    environment: Mapping[str, str]
    init_timeout_s: float
    log: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """An event for an instance, with its context."""

    request_id: str
    event: Any
    context: dict[str, Any]
    environment: dict[str, str]
    """Updates of the process's environment: the current credentials."""
    timeout_s: float
    kill_after_s: float | None = None
    """A fault: kill the process this many real seconds after it received the event."""


class _ChannelClosedError(Exception):
    """The process closed the channel."""


class Instance:
    """A process that runs the function's code; its output goes to the function's log."""

    def __init__(self, settings: InstanceSettings) -> None:
        self._settings = settings
        self._channel, runner_end = socket.socketpair()
        # -S hides the installed packages: SCF has none for Python 3.10 either, so a package that
        # the zip lacks is missing here, too.
        # In its own session, the process is not stopped by Ctrl-C in a terminal.
        self._process = subprocess.Popen(
            [
                *(settings.package.interpreter, "-S", str(RUNNER)),
                *(settings.handler, str(runner_end.fileno())),
            ],
            cwd=settings.package.folder,
            env=dict(settings.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[runner_end.fileno()],
            start_new_session=True,
        )
        runner_end.close()
        self._output = threading.Thread(target=self._copy_output, daemon=True)
        self._output.start()
        self._failure: Failure | None = None
        self._ready = False

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether the instance can handle another event."""
        return self._ready and self._failure is None

    def handle(self, invocation: Invocation) -> Outcome:
        """Send an event to the process and wait for the outcome."""
        self._wait_until_ready()
        started = time.monotonic()
        reply = {} if self._failure else self._exchange(invocation)
        return Outcome(
            invocation.request_id,
            reply.get("value", "null"),
            self._failure or _failure_of(reply),
            time.monotonic() - started,
            reply.get("memory", 0),
            reply.get("cpu_s", 0.0),
        )

    def kill(self) -> None:
        """Kill the process and its child processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process and wait for its end."""
        self.kill()
        self._process.wait()
        self._channel.close()
        self._output.join(timeout=1)

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        seconds = self._settings.init_timeout_s
        try:
            failure = self._receive(seconds).get("failure")
        except _ChannelClosedError:
            self._failure = self._exit_failure()
        except TimeoutError:
            self.kill()
            self._failure = Failure(
                450, "InitTimeout", f"Function init timed out after {seconds:g} seconds"
            )
        else:
            self._ready = failure is None
            self._failure = failure and Failure(443, **failure)

    def _exchange(self, invocation: Invocation) -> dict[str, Any]:
        seconds = invocation.timeout_s
        try:
            self._send(invocation)
            if invocation.kill_after_s is not None:
                self._kill_after(invocation.kill_after_s)
            return self._receive(seconds)
        except _ChannelClosedError:
            self._failure = self._exit_failure()
        except TimeoutError:
            self.kill()
            self._failure = Failure(
                433, "Timeout", f"Invoking task timed out after {seconds:g} seconds"
            )
        return {}

    def _kill_after(self, seconds: float) -> None:
        """Kill the process after this time, or earlier if the handler ends.

        The reply is discarded, so that the fault applies to a fast handler, too.
        """
        with contextlib.suppress(TimeoutError, BlockingIOError):
            self._receive(seconds)
        self.kill()
        raise _ChannelClosedError

    def _exit_failure(self) -> Failure:
        return Failure(
            439, "ProcessExited", f"User process exit with code {self._exit_code()} when running"
        )

    def _exit_code(self) -> int:
        try:
            return self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # the process closed the channel but still runs
            self.kill()
            return self._process.wait()

    def _send(self, invocation: Invocation) -> None:
        message = {
            "event": invocation.event,
            "context": invocation.context,
            "environment": invocation.environment,
        }
        body = json.dumps(message).encode()
        self._channel.settimeout(None)
        try:
            self._channel.sendall(struct.pack(">I", len(body)) + body)
        except OSError:
            raise _ChannelClosedError from None

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        self._channel.settimeout(timeout_s)
        (size,) = struct.unpack(">I", self._read(4))
        return cast("dict[str, Any]", json.loads(self._read(size)))

    def _read(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            try:
                part = self._channel.recv(size - len(received))
            except ConnectionError:
                part = b""
            if not part:
                raise _ChannelClosedError
            received += part
        return bytes(received)

    def _copy_output(self) -> None:
        with cast("IO[bytes]", self._process.stdout) as output:
            for line in output:
                self._settings.log(line.decode(errors="replace").rstrip("\n"))


def _failure_of(reply: dict[str, Any]) -> Failure | None:
    return Failure(430, **reply["failure"]) if "failure" in reply else None
