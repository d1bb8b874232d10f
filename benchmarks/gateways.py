"""Two gateways in one local cloud, measured alternately: ours and a straightforward handler.

The clock of that cloud is slowed down, so that no task ends and no timer fires during a
measurement, and only the called functions run.
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
from aigc_cli.local_stack import local_stack, wait_until_active
from aigc_cli.package import local_package
from aigc_cli.wheels import fetch, local_target
from localcloud.core import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from localcloud.cloud import LocalCloud

NAIVE = Path(__file__).with_name("naive")
SPEED = 0.01
PAUSE_S = 0.06
"""The pause between calls: the cloud accepts 20 requests a second for each action."""

LANES = {"vod.image": 1000, "vod.scene_image": 1, "mps.image": 1}
"""One lane that is never full, and two that the first job fills."""

WARM_UP = 3

COS_S, API_S = 0.010, 0.030
"""The simulated network latency of a request to COS and of an API call."""

_COS_OPERATIONS = ("PutObject", "GetObject", "HeadObject", "DeleteObject", "GetBucket")
_API_ACTIONS = (
    *("vod.CreateAigcImageTask", "vod.DescribeTaskDetail"),
    *("mps.CreateAigcImageTask", "mps.DescribeAigcImageTask"),
)

_SDKS = ("tencentcloud-sdk-python-vod", "tencentcloud-sdk-python-mps", "pycryptodome", "crcmod")
_OWNER = Caller("owner")


class GatewayError(AigcError):
    """A gateway answered with an error, so the gateways cannot be compared."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request to a gateway."""

    method: str
    path: str
    body: object = None

    def as_event(self, api_key: str) -> dict[str, Any]:
        """Return the event that a Function URL sends for this request."""
        return {
            "httpMethod": self.method,
            "path": self.path,
            "headers": {"authorization": f"Bearer {api_key}", "host": "127.0.0.1"},
            "queryString": {},
            "body": "" if self.body is None else json.dumps(self.body),
        }


@dataclass(frozen=True, slots=True)
class MeasuredAnswer:
    """The answer of one invocation, with its time, memory and requests."""

    body: dict[str, Any]
    seconds: float
    memory_mb: float
    requests: Counter[str]
    """The requests that the function made to the cloud: to `cos`, `vod` and `mps`."""


@dataclass(frozen=True, slots=True)
class WarmCalls:
    """The cost of a call on a warm instance: medians, and maximum numbers of requests."""

    ledger: int
    upstream: int
    cpu_ms: float
    wall_ms: float
    request_ids: tuple[str, ...]
    """The request ids in the answers, also of the calls that are not counted."""


@dataclass(slots=True)
class RequestCounter:
    """Counts the functions' requests to the cloud when the cloud authorizes them."""

    counts: Counter[str] = field(default_factory=Counter)

    def attach(self, cloud: LocalCloud) -> None:
        """Count the requests to this cloud from now on."""
        authorize = cloud.authorize

        def count(caller: Caller, action: str, resource: str) -> None:
            if caller.role is not None:
                self.counts[action.removeprefix("name/").partition(":")[0]] += 1
            authorize(caller, action, resource)

        cloud.authorize = count


@dataclass(frozen=True, slots=True)
class Gateway:
    """One of the two gateways, as a function of the local cloud."""

    function: str
    cloud: LocalCloud
    counter: RequestCounter
    api_key: str
    zip_bytes: int

    def call_cold(self, call: HttpCall) -> MeasuredAnswer:
        """Call the gateway without an instance; the time includes the start of its process."""
        self._end_instances()
        return self.call(call)

    def call_warm(self, calls: Sequence[HttpCall]) -> WarmCalls:
        """Make calls one after another on one instance; the first `WARM_UP` are not counted."""
        self._end_instances()
        warm_up = [self.call_after_pause(call) for call in calls[:WARM_UP]]
        cpu_s = self._cpu_s()
        answers = [self.call_after_pause(call) for call in calls[WARM_UP:]]
        return WarmCalls(
            ledger=max(answer.requests["cos"] for answer in answers),
            upstream=max(answer.requests["vod"] + answer.requests["mps"] for answer in answers),
            cpu_ms=1000 * (self._cpu_s() - cpu_s) / len(answers),
            wall_ms=1000 * statistics.median(answer.seconds for answer in answers),
            request_ids=tuple(answer.body["request_id"] for answer in (*warm_up, *answers)),
        )

    def call(self, call: HttpCall) -> MeasuredAnswer:
        """Invoke the gateway with one HTTP request, like its Function URL.

        Raises:
            GatewayError: The answer is not a success.
        """
        before = self.counter.counts.copy()
        event = json.dumps(call.as_event(self.api_key))
        started = time.perf_counter()
        result = self._scf("Invoke", ClientContext=event)["Result"]
        seconds = time.perf_counter() - started
        value = json.loads(result["RetMsg"])
        if value.get("statusCode") not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            raise GatewayError(f"{self.function}: {call.method} {call.path}: {value}")
        memory_mb = result["MemUsage"] / 2**20
        return MeasuredAnswer(
            json.loads(value["body"]), seconds, memory_mb, self.counter.counts - before
        )

    def call_after_pause(self, call: HttpCall) -> MeasuredAnswer:
        """Call the gateway after a pause."""
        time.sleep(PAUSE_S)
        return self.call(call)

    def _cpu_s(self) -> float:
        status = requests.get(f"{self.cloud.url}/_localcloud/scf", timeout=10).json()
        return float(status[self.function]["cpu_s"])

    def _end_instances(self) -> None:
        self._scf("UpdateFunctionConfiguration")
        wait_until_active(self.cloud, self.function)

    def _scf(self, action: str, **params: str) -> dict[str, Any]:
        arguments = {"FunctionName": self.function, **params}
        return self.cloud.services["scf"].call(action, arguments, _OWNER)


def times_over_network(
    gateways: Sequence[Gateway], calls: int, submit: HttpCall
) -> list[list[float]]:
    """Time submits and status calls of each gateway alternately, with network latency.

    Returns for each gateway the medians of submit and status, in milliseconds.
    """
    for gateway in gateways:
        gateway.call_warm([submit] * (WARM_UP + 1))
    with _network_latency(gateways[0].cloud):
        submits = [[gateway.call_after_pause(submit) for gateway in gateways] for _ in range(calls)]
        statuses = [
            [
                gateway.call_after_pause(_status_call(submit, answer))
                for gateway, answer in zip(gateways, answers, strict=True)
            ]
            for answers in submits
        ]
    return [
        [1000 * statistics.median(answer.seconds for answer in column) for column in columns]
        for columns in zip(zip(*submits, strict=True), zip(*statuses, strict=True), strict=True)
    ]


def _status_call(submit: HttpCall, answer: MeasuredAnswer) -> HttpCall:
    return HttpCall("GET", f"{submit.path}/requests/{answer.body['request_id']}/status")


@contextlib.contextmanager
def _network_latency(cloud: LocalCloud) -> Iterator[None]:
    """Delay each request by its latency; faults are given in seconds of the cloud's clock."""
    latencies_s = {f"cos.{operation}": COS_S for operation in _COS_OPERATIONS}
    latencies_s |= dict.fromkeys(_API_ACTIONS, API_S)
    cloud.faults.replace(
        [
            {"where": where, "what": f"delay:{seconds * SPEED:g}", "rate": 1}
            for where, seconds in latencies_s.items()
        ]
    )
    try:
        yield
    finally:
        cloud.faults.replace([])


@contextlib.contextmanager
def deployed_gateways(folder: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """Deploy our stack, and the straightforward gateway as one more function of its cloud."""
    naive_zip = build_naive(folder / "naive.zip")
    with local_stack(speed=SPEED, changes={"lanes": json.dumps(LANES)}) as stack:
        ours = stack.outputs.functions["gateway"]
        counter = RequestCounter()
        counter.attach(stack.cloud)
        _deploy_naive(stack.cloud, ours, naive_zip)
        yield (
            Gateway(ours, stack.cloud, counter, stack.api_key, local_package().stat().st_size),
            Gateway("naive", stack.cloud, counter, stack.api_key, naive_zip.stat().st_size),
        )


def build_naive(path: Path) -> Path:
    """Build the zip of the straightforward gateway: whole distributions, no bytecode."""
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


def _deploy_naive(cloud: LocalCloud, ours: str, package: Path) -> None:
    copied_settings = ("Role", "Environment", "MemorySize", "Timeout", "InitTimeout", "Runtime")
    settings = wait_until_active(cloud, ours)
    params = {
        **{name: settings[name] for name in copied_settings},
        "FunctionName": "naive",
        "Handler": "gateway.main_handler",
        "Code": {"ZipFile": b64encode(package.read_bytes()).decode()},
    }
    cloud.services["scf"].call("CreateFunction", params, _OWNER)
    wait_until_active(cloud, "naive")
