"""`make cost`: counts the requests of a job to COS and upstream, on each path that it can take.

Requests are counted when the local cloud authorizes them, by the role of the function. So requests
of the invocations for a job and requests of sweeps are counted separately.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from aigc.errors import AigcError
from aigc.jobs.job import Job
from aigc_cli.local_stack import ROOT, local_stack, wait_until_active
from aigc_cli.upload import cos_client
from tests.chaos.audit import ACTIONS, KEPT
from tests.chaos.clients import Receiver
from tests.chaos.plan import ENDPOINTS, PlannedJob
from tests.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aigc_cli.local_stack import LocalStack
    from localcloud.core import Caller

SPEED = 10
TIMEOUT_S = 10
LANES = {"vod.image": 50, "vod.scene_image": 1, "mps.image": 50}
"""Two lanes that are never full, and one that the first job fills."""

JOBS = 10
THROTTLED_JOBS = 3
IDLE_SWEEPS = 5
WAIT_TIMEOUT_S = 120
MAX_COUNTS = 5
"""How often a path is counted until it runs as expected."""

THROTTLES = 4
"""The number of calls that an attempt makes before its job returns to the queue."""

CREATE = "vod.CreateAigcImageTask"

OPERATIONS = {
    "PutObject": "writes",
    "GetObject": "reads",
    "HeadObject": "reads",
    "GetBucket": "listings",
    "DeleteObject": "deletes",
    "DeleteMultipleObjects": "deletes",
}
COLUMNS = ("writes", "reads", "listings", "deletes")

BEFORE = {
    "call, VOD, its lane free": ("17.2", "7.9"),
    "call, MPS, its lane free": ("17.8", "7.9"),
    "upload, VOD, its lane free": ("17.2", "7.9"),
    "the same, ten uploads at once": ("54.9", "7.9"),
    "call, VOD, its lane full, started by another's end": ("18.8", "8.5"),
    "call with a webhook": ("25.0", "7.9"),
    "call, cancelled while it waited": ("9.8", ""),
    "call, throttled once": ("23.7", "15.5"),
    "a sweep with nothing to do": ("", "12.2"),
}
"""Path → requests to the ledger, and by sweeps, while the ledger relied on atomic creates."""


class CostError(AigcError):
    """A path did not run as expected, so that its requests cannot be counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The requests of the jobs on a path."""

    path: str
    requests: Counter[str]
    """Requests of gateway and upload for all jobs: to the ledger by column, and `upstream`."""
    sweep_requests: float
    """Requests of sweeps to the ledger for one job, without those of idle sweeps."""
    jobs: int
    """The number of jobs."""


class FunctionRequests:
    """Counts the requests of each function."""

    def __init__(self, stack: LocalStack) -> None:
        self._ledger = f":{stack.outputs.buckets['ledger']}/"
        self._functions = {
            wait_until_active(stack.cloud, name)["Role"]: part
            for part, name in stack.outputs.functions.items()
        }
        self._counts: Counter[tuple[str, str]] = Counter()
        self._authorize = stack.cloud.authorize
        stack.cloud.authorize = self._count

    def of(self, *functions: str) -> Counter[str]:
        """Return the requests of these functions so far."""
        total: Counter[str] = Counter()
        for (function, column), count in list(self._counts.items()):
            if function in functions:
                total[column] += count
        return total

    def _count(self, caller: Caller, action: str, resource: str) -> None:
        function = self._functions.get(caller.role or "", "")
        service, _, operation = action.removeprefix("name/").partition(":")
        if service in {"vod", "mps"}:
            self._counts[function, "upstream"] += 1
        elif service == "cos" and self._ledger in resource:
            self._counts[function, OPERATIONS.get(operation, "others")] += 1
        self._authorize(caller, action, resource)


class PathCounter:
    """Runs jobs on each path, one path at a time, and counts their requests."""

    def __init__(self, stack: LocalStack, photo: bytes, receiver: Receiver) -> None:
        self._stack = stack
        self._cos = cos_client(stack.connection)
        self._photo = photo
        self._receiver = receiver
        self._requests = FunctionRequests(stack)
        self._number = 0
        self._idle_sweep = 0.0

    def costs(self) -> Iterator[Cost]:
        """Yield the cost of each path and of an idle sweep, whose requests the paths exclude.

        A path that cannot be counted is reported and left out.
        """
        self._wait(self._is_clean)
        sweeps, requests = self._sweeps(), self._sweep_requests()
        self._wait(lambda: self._sweeps() - sweeps >= IDLE_SWEEPS)
        self._idle_sweep = (self._sweep_requests() - requests) / (self._sweeps() - sweeps)
        idle = Cost(
            path="a sweep with nothing to do",
            requests=Counter(),
            sweep_requests=self._idle_sweep,
            jobs=1,
        )
        for path in self._paths():
            try:
                yield self._count_path(*path)
            except CostError as error:
                print(f"{path[0]}: {error}; it is left out", file=sys.stderr)
                self._wait(self._is_clean)
        yield idle

    def _paths(self) -> Sequence[tuple[str, int, Callable[[], None]]]:
        return (
            ("call, VOD, its lane free", JOBS, lambda: self._calls("vod.image")),
            ("call, MPS, its lane free", JOBS, lambda: self._calls("mps.image")),
            ("upload, VOD, its lane free", JOBS, self._uploads),
            ("the same, ten uploads at once", JOBS, lambda: self._uploads(at_once=True)),
            ("call, VOD, its lane full, started by another's end", JOBS, self._queue),
            ("call with a webhook", JOBS, lambda: self._calls("vod.image", wants_webhook=True)),
            ("call, cancelled while it waited", JOBS, self._cancel),
            ("call, throttled once", THROTTLED_JOBS, self._throttle),
        )

    def _count_path(self, path: str, jobs: int, run_path: Callable[[], None]) -> Cost:
        """Count a path; repeat it if it did not run as expected, for example on a slow machine."""
        for _ in range(MAX_COUNTS - 1):
            try:
                return self._count_path_once(path, jobs, run_path)
            except CostError as error:
                print(f"{path}: {error}; it is counted again", file=sys.stderr)
                self._wait(self._is_clean)
        return self._count_path_once(path, jobs, run_path)

    def _count_path_once(self, path: str, jobs: int, run_path: Callable[[], None]) -> Cost:
        requests_before = self._requests.of("gateway", "upload")
        sweeps_before, sweep_requests_before = self._sweeps(), self._sweep_requests()
        run_path()
        self._wait(self._is_clean)
        requests_made = self._requests.of("gateway", "upload")
        requests_made.subtract(requests_before)
        idle = self._idle_sweep * (self._sweeps() - sweeps_before)
        sweep_requests = self._sweep_requests() - sweep_requests_before - idle
        return Cost(
            path=path, requests=requests_made, sweep_requests=sweep_requests / jobs, jobs=jobs
        )

    def _calls(self, kind: str, *, wants_webhook: bool = False) -> None:
        self._wait_until_ended([self._call(kind, wants_webhook=wants_webhook) for _ in range(JOBS)])

    def _uploads(self, *, at_once: bool = False) -> None:
        before = len(self._jobs())
        for number in range(1, JOBS + 1):
            self._upload()
            if not at_once or number == JOBS:
                self._wait(functools.partial(self._has_jobs, before + number))
        self._wait_until_ended(self._jobs())

    def _upload(self) -> None:
        inbox = self._stack.outputs.buckets["inbox"]
        key = self._planned_job("vod.image").upload_key
        self._cos.put_object(Bucket=inbox, Key=key, Body=self._photo)

    def _has_jobs(self, number: int) -> bool:
        return len(self._jobs()) >= number

    def _queue(self) -> None:
        """Fill the lane, so that all jobs except the first wait."""
        self._wait_until_ended([self._call("vod.scene_image") for _ in range(JOBS)])

    def _cancel(self) -> None:
        """Cancel nine requests that wait for the slot of the first; the average includes the first.

        Raises:
            CostError: The first task ended too early, so that the next job was submitted.
        """
        first = self._call("vod.scene_image")
        for _ in range(JOBS - 1):
            request_id = self._call("vod.scene_image")
            path = f"{ENDPOINTS['vod.scene_image']}/requests/{request_id}/cancel"
            if not self._is_cancelled(path):
                raise CostError(f"{request_id} had been submitted already")
        self._wait_until_ended([first])

    def _is_cancelled(self, path: str) -> bool:
        """Cancel a request; return False if it was submitted already, which the gateway refuses."""
        try:
            return self._request("PUT", path).get("state") == "cancelled"
        except CostError:
            return False

    def _throttle(self) -> None:
        for _ in range(THROTTLED_JOBS):
            entry = {"where": CREATE, "what": "throttle", "times": THROTTLES}
            self._stack.cloud.faults.replace([entry])
            self._wait_until_ended([self._call("vod.image")])

    def _call(self, kind: str, *, wants_webhook: bool = False) -> str:
        time.sleep(1 / 15)  # the vendor accepts 20 calls a second
        planned = self._planned_job(kind, wants_webhook=wants_webhook)
        return str(
            self._request("POST", ENDPOINTS[kind], planned.body(self._receiver.url))["request_id"]
        )

    def _planned_job(self, kind: str, *, wants_webhook: bool = False) -> PlannedJob:
        self._number += 1
        return PlannedJob(
            number=self._number,
            kind=kind,
            is_upload=False,
            shape="1:1",
            wants_webhook=wants_webhook,
        )

    def _request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        response = requests.request(
            method,
            f"{self._stack.outputs.endpoint}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._stack.api_key}"},
            timeout=60,
        )
        if not response.ok:
            raise CostError(f"{method} {path} returned {response.status_code}: {response.text}")
        return dict(response.json())

    def _wait_until_ended(self, job_ids: Iterable[str]) -> None:
        jobs = list(job_ids)
        self._wait(lambda: all(self._read(job_id).has_ended for job_id in jobs))

    def _wait(self, is_reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while not is_reached():
            if time.monotonic() > deadline:
                raise CostError(f"the path did not end within {WAIT_TIMEOUT_S} s")
            time.sleep(0.05)

    def _keys(self) -> list[str]:
        bucket = self._stack.cloud.cos.bucket(self._stack.outputs.buckets["ledger"])
        with bucket.lock:
            return [key.decode() for key in bucket.keys]

    def _is_clean(self) -> bool:
        return all(key.startswith(KEPT) for key in self._keys())

    def _jobs(self) -> list[str]:
        keys = (key for key in self._keys() if key.startswith("jobs/"))
        return [key.removeprefix("jobs/").removesuffix(".json") for key in keys]

    def _read(self, job_id: str) -> Job:
        ledger = self._stack.outputs.buckets["ledger"]
        return Job.model_validate_json(self._stack.cloud.cos.read(ledger, f"jobs/{job_id}.json"))

    def _sweeps(self) -> int:
        status = requests.get(f"{self._stack.cloud.url}/_localcloud/scf", timeout=10).json()
        return int(status[self._stack.outputs.functions["sweep"]]["invocations"])

    def _sweep_requests(self) -> int:
        counts = self._requests.of("sweep")
        return sum(count for column, count in counts.items() if column != "upstream")


TABLE = Table(
    "reliability.md",
    "cost",
    (
        *("a job's path", *COLUMNS, "to the ledger in all", "before"),
        *("to VOD or MPS", "by sweeps", "before"),
    ),
    tuple(BEFORE),
)


def costs(photo: bytes) -> Iterator[tuple[str, ...]]:
    """Count each path in a new local cloud; yield its row of the table when it is counted."""
    changes = {"lanes": json.dumps(LANES)}
    limits = {ACTIONS[lane]: slots for lane, slots in LANES.items()}
    with contextlib.ExitStack() as exit_stack:
        stack = exit_stack.enter_context(
            local_stack(speed=SPEED, timeout_s=TIMEOUT_S, limits=limits, changes=changes)
        )
        receiver = exit_stack.enter_context(Receiver(stack.webhook_secret, seed=0, failure_rate=0))
        yield from map(row, PathCounter(stack, photo, receiver).costs())


def row(cost: Cost) -> tuple[str, ...]:
    """Return a row of the table: the requests for each job, and those before contests."""
    before, sweeps_before = BEFORE[cost.path]
    if not cost.requests:
        return (cost.path, *[""] * (len(COLUMNS) + 3), f"{cost.sweep_requests:.1f}", sweeps_before)
    per_job = {column: count / cost.jobs for column, count in cost.requests.items()}
    ledger = sum(number for column, number in per_job.items() if column != "upstream")
    columns = [*(per_job.get(column, 0) for column in COLUMNS), ledger]
    figures = [f"{number:.1f}" for number in columns]
    upstream = f"{per_job.get('upstream', 0):.1f}"
    return (cost.path, *figures, before, upstream, f"{cost.sweep_requests:.1f}", sweeps_before)


def main() -> None:
    """Count each path and print its row; with `--write`, also write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    writes_page = parser.parse_args().write
    for cells in costs((ROOT / "aigc_cli" / "samples" / "coffee.jpg").read_bytes()):
        print(" | ".join(cells), flush=True)
        if writes_page:
            TABLE.write([cells])


if __name__ == "__main__":
    main()
