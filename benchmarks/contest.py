"""Two gateways in one local cloud, measured in turns: ours and the straightforward one.

Time nearly stands still in that cloud, so that no task ends and no timer fires while it measures,
and nothing runs but what was called.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import time
import zipfile
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from aigc.errors import AigcError
from localcloud.core import Caller
from ops.local_stack import local_stack
from ops.package import local_package
from ops.wheels import fetch, local_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localcloud.cloud import LocalCloud

NAIVE = Path(__file__).with_name("naive")
SPEED = 0.01
PAUSE_S = 0.06
"""Between calls: the cloud takes 20 requests a second of an action."""

LANES = {"vod.image": 1000, "vod.scene_image": 1, "mps.image": 1}
"""One lane that is never full, and one that the first job fills."""

WARM_UP = 3

COS_S, API_S = 0.010, 0.030
"""How long a request to COS and a call of an API take where the network is measured."""

_COS_OPERATIONS = ("PutObject", "GetObject", "HeadObject", "DeleteObject", "GetBucket")
_API_ACTIONS = (
    *("vod.CreateAigcImageTask", "vod.DescribeTaskDetail"),
    *("mps.CreateAigcImageTask", "mps.DescribeAigcImageTask"),
)

_SDKS = ("tencentcloud-sdk-python-vod", "tencentcloud-sdk-python-mps", "pycryptodome", "crcmod")
_OWNER = Caller("owner")


class ContestError(AigcError):
    """One of the two did not do what it was called for: there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request to a gateway."""

    method: str
    path: str
    body: object = None

    def as_event(self, api_key: str) -> dict[str, Any]:
        """Say it as a Function URL does."""
        return {
            "httpMethod": self.method,
            "path": self.path,
            "headers": {"authorization": f"Bearer {api_key}", "host": "127.0.0.1"},
            "queryString": {},
            "body": "" if self.body is None else json.dumps(self.body),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one invocation."""

    body: dict[str, Any]
    seconds: float
    memory_mb: float
    requests: Counter[str]
    """What the function asked of the cloud meanwhile: `cos`, `vod` and `mps`."""


@dataclass(frozen=True, slots=True)
class Warm:
    """What one call costs an instance that has answered before: medians, and the most requests."""

    ledger: int
    upstream: int
    cpu_ms: float
    wall_ms: float
    request_ids: tuple[str, ...]
    """What the answers called the requests, also those that are not counted."""


@dataclass(slots=True)
class RequestCounter:
    """Counts what functions ask of the cloud, at the place where each must be allowed."""

    seen: Counter[str] = field(default_factory=Counter)

    def watch(self, cloud: LocalCloud) -> None:
        """Count from now on."""
        allow = cloud.authorize

        def count(caller: Caller, action: str, resource: str) -> None:
            if caller.role is not None:
                self.seen[action.removeprefix("name/").partition(":")[0]] += 1
            allow(caller, action, resource)

        cloud.authorize = count


@dataclass(frozen=True, slots=True)
class Gateway:
    """One of the two, as a function of the local cloud."""

    function: str
    cloud: LocalCloud
    counter: RequestCounter
    api_key: str
    zip_bytes: int

    def cold(self, call: HttpCall) -> Answer:
        """Call it with no instance there: from starting a process to its answer."""
        self._end_instances()
        return self.call(call)

    def warm(self, calls: Sequence[HttpCall]) -> Warm:
        """Make calls one after the other on one instance; the first few are not counted."""
        self._end_instances()
        first = [self.paced(call) for call in calls[:WARM_UP]]
        cpu_s = self._cpu_s()
        answers = [self.paced(call) for call in calls[WARM_UP:]]
        return Warm(
            ledger=max(one.requests["cos"] for one in answers),
            upstream=max(one.requests["vod"] + one.requests["mps"] for one in answers),
            cpu_ms=1000 * (self._cpu_s() - cpu_s) / len(answers),
            wall_ms=1000 * statistics.median(one.seconds for one in answers),
            request_ids=tuple(one.body["request_id"] for one in (*first, *answers)),
        )

    def call(self, call: HttpCall) -> Answer:
        """Invoke it with one HTTP request, as its Function URL would.

        Raises:
            ContestError: It answered anything but success.
        """
        before = self.counter.seen.copy()
        event = json.dumps(call.as_event(self.api_key))
        started = time.perf_counter()
        result = self._scf("Invoke", ClientContext=event)["Result"]
        seconds = time.perf_counter() - started
        value = json.loads(result["RetMsg"])
        if value.get("statusCode") not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            raise ContestError(f"{self.function}: {call.method} {call.path}: {value}")
        memory_mb = result["MemUsage"] / 2**20
        return Answer(json.loads(value["body"]), seconds, memory_mb, self.counter.seen - before)

    def paced(self, call: HttpCall) -> Answer:
        """Call it after a pause."""
        time.sleep(PAUSE_S)
        return self.call(call)

    def _cpu_s(self) -> float:
        status = requests.get(f"{self.cloud.url}/_localcloud/scf", timeout=10).json()
        return float(status[self.function]["cpu_s"])

    def _end_instances(self) -> None:
        self._scf("UpdateFunctionConfiguration")
        wait_until_active(self.cloud, self.function)

    def _scf(self, action: str, **params: str) -> dict[str, Any]:
        given = {"FunctionName": self.function, **params}
        return self.cloud.services["scf"].call(action, given, _OWNER)


def wait_until_active(cloud: LocalCloud, function: str) -> dict[str, Any]:
    """Look at a function until it has taken in its last change; return what was seen."""
    scf = cloud.services["scf"]
    while True:
        state = scf.call("GetFunction", {"FunctionName": function}, _OWNER)
        if state["Status"] == "Active":
            return state


def in_turns(gateways: Sequence[Gateway], calls: int, submit: HttpCall) -> list[list[float]]:
    """Time submits and the status of each, in turns, as far away as the network is.

    Returns for each gateway the medians of submit and status, in milliseconds.
    """
    for gateway in gateways:
        gateway.warm([submit] * (WARM_UP + 1))
    with _network(gateways[0].cloud):
        submits = [[gateway.paced(submit) for gateway in gateways] for _ in range(calls)]
        statuses = [
            [
                gateway.paced(_status(submit, answer))
                for gateway, answer in zip(gateways, answers, strict=True)
            ]
            for answers in submits
        ]
    return [
        [1000 * statistics.median(answer.seconds for answer in column) for column in columns]
        for columns in zip(zip(*submits, strict=True), zip(*statuses, strict=True), strict=True)
    ]


def _status(submit: HttpCall, answer: Answer) -> HttpCall:
    return HttpCall("GET", f"{submit.path}/requests/{answer.body['request_id']}/status")


@contextlib.contextmanager
def _network(cloud: LocalCloud) -> Iterator[None]:
    """Let each request take its time; a fault's seconds are the cloud's."""
    times_s = {f"cos.{operation}": COS_S for operation in _COS_OPERATIONS}
    times_s |= dict.fromkeys(_API_ACTIONS, API_S)
    cloud.faults.replace(
        [
            {"where": where, "what": f"delay:{seconds * SPEED:g}", "rate": 1}
            for where, seconds in times_s.items()
        ]
    )
    try:
        yield
    finally:
        cloud.faults.replace([])


@contextlib.contextmanager
def contest(folder: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """Deploy ours with its stack, and the straightforward one as a further function beside it."""
    theirs = build_naive(folder / "naive.zip")
    with local_stack(speed=SPEED, changes={"lanes": json.dumps(LANES)}) as stack:
        ours = stack.outputs.functions["gateway"]
        counter = RequestCounter()
        counter.watch(stack.cloud)
        _deploy_beside(stack.cloud, ours, theirs)
        yield (
            Gateway(ours, stack.cloud, counter, stack.api_key, local_package().stat().st_size),
            Gateway("naive", stack.cloud, counter, stack.api_key, theirs.stat().st_size),
        )


def build_naive(path: Path) -> Path:
    """Zip the straightforward gateway as users do: whole distributions, no bytecode."""
    stage = path.with_suffix("")
    for wheel in fetch(local_target()).glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(stage)
    for name in _SDKS:
        _copy_installed(name, stage)
    shutil.copyfile(NAIVE / "gateway.py", stage / "gateway.py")
    shutil.make_archive(str(stage), "zip", stage)
    return path


def _copy_installed(name: str, stage: Path) -> None:
    installed = distribution(name)
    for file in installed.files or []:
        if ".." not in file.parts and file.suffix != ".pyc":
            target = stage / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(installed.locate_file(file)), target)


def _deploy_beside(cloud: LocalCloud, ours: str, package: Path) -> None:
    same = ("Role", "Environment", "MemorySize", "Timeout", "InitTimeout", "Runtime")
    settings = wait_until_active(cloud, ours)
    params = {
        **{name: settings[name] for name in same},
        "FunctionName": "naive",
        "Handler": "gateway.main_handler",
        "Code": {"ZipFile": b64encode(package.read_bytes()).decode()},
    }
    cloud.services["scf"].call("CreateFunction", params, _OWNER)
    wait_until_active(cloud, "naive")
