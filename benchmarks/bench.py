"""`make bench`: cold starts and calls, beside the straightforward handler, in one run."""

from __future__ import annotations

import platform
import statistics
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.contest import API_S, COS_S, WARM_UP, Gateway, HttpCall, contest, in_turns
from benchmarks.labels import label_ms
from benchmarks.load import section
from ops import options
from ops.wheels import SCF_PYTHON, local_target, scf_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contest import Warm

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"

MAX_COLD_RATIO = 0.25
MAX_FAR_SUBMIT_RATIO = 2.2
MAX_FAR_STATUS_RATIO = 1.5
MAX_MEMORY_MB = 64
MAX_ZIP_MB = 10
MAX_LABEL_MS = 5

_TASK = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}
HEALTH = HttpCall("GET", "/health")
SUBMIT = HttpCall("POST", "/tencent-vod/v1/aigc-image", _TASK)
SUBMIT_TO_FULL = HttpCall("POST", "/tencent-mps/v1/aigc-image", {**_TASK, "model_name": "Hunyuan"})

TEXT = """# Benchmarks

`make bench` wrote this page on {day}, on {where}.
It runs both gateways in one local cloud in turns, so that a ratio holds on other machines, \
which milliseconds do not.
Times are medians of {rounds} cold starts and {calls} calls.

- *ours*: the deployed zip, `gateway.main_handler`.
- *straightforward*: [benchmarks/naive/gateway.py](../benchmarks/naive/gateway.py), written and \
packaged as the SDKs' documentation shows: typed clients, whole distributions, no bytecode.
  It knows no queue, no lease and no key, so its calls do far less than ours.

{table}

{verdict}

A cold start is the time from starting an instance's process to its answer.
Peak memory is an instance's after a cold start and a submit.
Requests are those to COS for the ledger, and calls of VOD or MPS: the most that any call made.
A call on a warm instance is timed at the local cloud, whose own work is in it; \
CPU time is the function's alone, and a mean.
Each status call asks for another request: a repeated one asks upstream every 2 seconds at most.
*With the network* each request to COS takes {cos_ms:.0f} ms longer and each call of an API \
{api_ms:.0f} ms; both gateways are called in turns.
A submit makes its requests in four round trips, into a full lane in three.

The status of a queued request takes two requests to the ledger at the same time, and none \
upstream: its `queue_position` takes a listing of the queue.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing measured, and whether it is as good as it must be."""

    what: str
    ours: str
    naive: str
    ratio: str = ""
    target: str = ""
    figure: str = ""
    """Which of these the target is about."""
    is_met: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything about one gateway."""

    cold_health_s: float
    cold_submit_s: float
    memory_mb: float
    zip_mb: float
    submit: Warm
    submit_to_full: Warm
    status: Warm
    status_of_queued: Warm
    far_submit_ms: float
    """With the latencies of the network."""
    far_status_ms: float


def main(
    rounds: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="Cold starts of each kind.")
    ] = 15,
    calls: Annotated[
        int, typer.Option(parser=options.whole(1), metavar="N", help="Calls of each kind.")
    ] = 30,
    page: Annotated[Path, typer.Option(help="The page that the table is written to.")] = PAGE,
) -> None:
    """Measure both gateways, print the table and write the page."""
    with tempfile.TemporaryDirectory() as folder, contest(Path(folder)) as gateways:
        ours, naive = measure(gateways, rounds, calls)
    rows = [*compare(ours, naive), label_row(label_ms())]
    text = TEXT.format(
        day=datetime.now(timezone.utc).date(),
        rounds=rounds,
        calls=calls,
        where=_where(),
        cos_ms=1000 * COS_S,
        api_ms=1000 * API_S,
        table=table(rows),
        verdict=verdict(rows),
    )
    load = section(page.read_text()) if page.exists() else ""
    page.write_text(f"{text}\n{load}" if load else text)
    print(f"{table(rows)}\n\n{verdict(rows)}")


def measure(gateways: Sequence[Gateway], rounds: int, calls: int) -> list[Measured]:
    """Measure gateways in turns, so that whatever else the machine does hits them alike."""
    cold = [[_cold(gateway) for gateway in gateways] for _ in range(rounds)]
    far = in_turns(gateways, calls, SUBMIT)
    return [
        _measured(gateway, of_one, calls, far_ms)
        for gateway, of_one, far_ms in zip(gateways, zip(*cold, strict=True), far, strict=True)
    ]


def compare(ours: Measured, naive: Measured) -> list[Row]:
    """Put the two side by side, and hold ours against what is promised."""
    return [
        _cold_row("cold start, `GET /health`", ours.cold_health_s, naive.cold_health_s),
        _cold_row("cold start, submit", ours.cold_submit_s, naive.cold_submit_s),
        _size_row("peak memory", ours.memory_mb, naive.memory_mb, MAX_MEMORY_MB),
        _size_row("zip", ours.zip_mb, naive.zip_mb, MAX_ZIP_MB),
        _far_row(
            "submit, lane free", ours.far_submit_ms, naive.far_submit_ms, MAX_FAR_SUBMIT_RATIO
        ),
        _far_row("status, running", ours.far_status_ms, naive.far_status_ms, MAX_FAR_STATUS_RATIO),
        *_call_rows("submit, lane free", ours.submit, naive.submit, (12, 1)),
        *_call_rows("submit, lane full", ours.submit_to_full, naive.submit_to_full, (10, 0)),
        *_call_rows("status, running", ours.status, naive.status, (1, 1)),
        *_call_rows("status, queued", ours.status_of_queued, naive.status_of_queued, (2, 0)),
    ]


def label_row(milliseconds: float) -> Row:
    """Hold the time of a label against what is promised."""
    figure = f"{milliseconds:.1f} ms"
    return Row(
        what="labels of a 10 MB picture",
        ours=figure,
        naive="none",
        target=f"≤ {MAX_LABEL_MS} ms",
        figure=figure,
        is_met=milliseconds <= MAX_LABEL_MS,
    )


def table(rows: Sequence[Row]) -> str:
    """Lay rows out as Markdown."""
    head = ["| | ours | straightforward | ratio | target |", "|---|---|---|---|---|"]
    lines = (
        f"| {one.what} | {one.ours} | {one.naive} | {one.ratio} | {one.target} |" for one in rows
    )
    return "\n".join([*head, *lines])


def verdict(rows: Sequence[Row]) -> str:
    """Say which targets are missed, and by how much."""
    missed = [f"{row.what}: {row.figure}, target {row.target}" for row in rows if not row.is_met]
    return f"**Targets missed:** {'; '.join(missed)}." if missed else "Every target is met."


def _measured(
    gateway: Gateway,
    cold: Sequence[tuple[float, float, float]],
    calls: int,
    far_ms: Sequence[float],
) -> Measured:
    """Combine the medians of a gateway's cold starts with its calls on a warm instance."""
    health_s, submit_s, memory_mb = (
        statistics.median(values) for values in zip(*cold, strict=True)
    )
    zip_mb = gateway.zip_bytes / 2**20
    return Measured(health_s, submit_s, memory_mb, zip_mb, *_warm(gateway, calls), *far_ms)


def _cold(gateway: Gateway) -> tuple[float, float, float]:
    health, submit = gateway.cold(HEALTH), gateway.cold(SUBMIT)
    return health.seconds, submit.seconds, submit.memory_mb


def _warm(gateway: Gateway, calls: int) -> tuple[Warm, Warm, Warm, Warm]:
    count = WARM_UP + calls
    gateway.call(SUBMIT_TO_FULL)
    submit = gateway.warm([SUBMIT] * count)
    submit_to_full = gateway.warm([SUBMIT_TO_FULL] * count)
    return (
        submit,
        submit_to_full,
        _asked(gateway, SUBMIT, submit),
        _asked(gateway, SUBMIT_TO_FULL, submit_to_full),
    )


def _asked(gateway: Gateway, submit: HttpCall, submitted: Warm) -> Warm:
    """Ask once how each request stands: repeated, most would be answered without the vendor."""
    return gateway.warm(
        [HttpCall("GET", f"{submit.path}/requests/{one}/status") for one in submitted.request_ids]
    )


def _cold_row(what: str, ours_s: float, naive_s: float) -> Row:
    ratio = ours_s / naive_s
    return Row(
        what=what,
        ours=f"{1000 * ours_s:.0f} ms",
        naive=f"{1000 * naive_s:.0f} ms",
        ratio=f"{ratio:.2f}",
        target=f"≤ {MAX_COLD_RATIO}",
        figure=f"{ratio:.2f}",
        is_met=ratio <= MAX_COLD_RATIO,
    )


def _far_row(what: str, ours_ms: float, naive_ms: float, limit: float) -> Row:
    ratio = ours_ms / naive_ms
    return Row(
        what=f"{what}, with the network: time to the answer",
        ours=f"{ours_ms:.1f} ms",
        naive=f"{naive_ms:.1f} ms",
        ratio=f"{ratio:.2f}",
        target=f"≤ {limit}",
        figure=f"{ratio:.2f}",
        is_met=ratio <= limit,
    )


def _size_row(what: str, ours_mb: float, naive_mb: float, limit_mb: int) -> Row:
    return Row(
        what=what,
        ours=f"{ours_mb:.1f} MB",
        naive=f"{naive_mb:.1f} MB",
        ratio=f"{ours_mb / naive_mb:.2f}",
        target=f"≤ {limit_mb} MB",
        figure=f"{ours_mb:.1f} MB",
        is_met=ours_mb <= limit_mb,
    )


def _call_rows(what: str, ours: Warm, naive: Warm, most: tuple[int, int]) -> list[Row]:
    return [
        _requests_row(f"{what}: requests to the ledger + upstream", ours, naive, most),
        _time_row(f"{what}: CPU time", ours.cpu_ms, naive.cpu_ms),
        _time_row(f"{what}: time to the answer", ours.wall_ms, naive.wall_ms),
    ]


def _requests_row(what: str, ours: Warm, naive: Warm, most: tuple[int, int]) -> Row:
    ledger, upstream = most
    figure = f"{ours.ledger} + {ours.upstream}"
    return Row(
        what=what,
        ours=figure,
        naive=f"{naive.ledger} + {naive.upstream}",
        target=f"≤ {ledger} + {upstream}",
        figure=figure,
        is_met=ours.ledger <= ledger and ours.upstream <= upstream,
    )


def _time_row(what: str, ours_ms: float, naive_ms: float) -> Row:
    return Row(
        what=what,
        ours=f"{ours_ms:.1f} ms",
        naive=f"{naive_ms:.1f} ms",
        ratio=f"{ours_ms / naive_ms:.2f}",
    )


def _where() -> str:
    version = SCF_PYTHON if local_target() == scf_target() else platform.python_version()
    return f"{platform.system()} {platform.machine()}, Python {version}"


if __name__ == "__main__":
    typer.run(main)
