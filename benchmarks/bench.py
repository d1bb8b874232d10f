"""`make bench`: cold starts and calls of our gateway and of a straightforward handler."""

from __future__ import annotations

import platform
import statistics
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aigc_cli import options
from aigc_cli.reference import figures
from aigc_cli.wheels import SCF_PYTHON, local_target, scf_target
from benchmarks.gateways import (
    API_S,
    COS_S,
    WARM_UP,
    Gateway,
    HttpCall,
    deployed_gateways,
    times_over_network,
)
from benchmarks.labels import label_ms
from benchmarks.load import section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.gateways import WarmCalls

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"

MAX_COLD_RATIO = 0.25
MAX_NETWORK_SUBMIT_RATIO = 2.2
MAX_NETWORK_STATUS_RATIO = 1.5
MAX_MEMORY_MB = 64
MAX_ZIP_MB = 10
MAX_LABEL_MS = 5

_TASK = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}
HEALTH = HttpCall("GET", "/health")
SUBMIT = HttpCall("POST", "/tencent-vod/v1/aigc-image", _TASK)
SUBMIT_TO_FULL = HttpCall("POST", "/tencent-mps/v1/aigc-image", {**_TASK, "model_name": "Hunyuan"})

TEXT = """# Benchmarks

`make bench` wrote this page on {day}, on {where}.
Both gateways run alternately in one local cloud. Ratios are therefore comparable between \
machines; milliseconds are not.
Times are medians of {rounds} cold starts and {calls} calls.

- *ours*: the deployed zip, `gateway.main_handler`.
- *straightforward*: [benchmarks/naive/gateway.py](../benchmarks/naive/gateway.py), written and \
packaged as the SDKs' documentation shows: typed clients, whole distributions, no bytecode.
  It has no queue, no leases and no API keys, so its calls do far less work than ours.

{table}

{verdict}

A cold start is the time from starting an instance's process to its answer.
Peak memory is the peak of one instance after a cold start and a submit.
Requests are requests to COS for the ledger and calls of VOD or MPS; the table shows the maximum \
over all calls.
The local cloud times each call on a warm instance, and its own work is included. \
CPU time is that of the function alone; it is a mean.
Each status call is for a different request, because the gateway queries the vendor about one \
request at most every 2 seconds.
*With the network*: each request to COS takes {cos_ms:.0f} ms longer and each API call \
{api_ms:.0f} ms longer; the two gateways are called alternately.
A submit makes its requests in four round trips; into a full lane in three.

The status of a queued request takes two requests to the ledger at the same time, and none \
upstream: its `queue_position` takes a listing of the queue.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table: a figure of both gateways, and whether our gateway meets its target."""

    name: str
    ours: str
    naive: str
    ratio: str = ""
    target: str = ""
    figure: str = ""
    """The figure to which the target applies."""
    is_met: bool = True


@dataclass(frozen=True, slots=True)
class Measurements:
    """The measurements of one gateway."""

    cold_health_s: float
    cold_submit_s: float
    memory_mb: float
    zip_mb: float
    submit: WarmCalls
    submit_to_full: WarmCalls
    status: WarmCalls
    status_of_queued: WarmCalls
    network_submit_ms: float
    """Milliseconds with simulated network latency, as in `network_status_ms`."""
    network_status_ms: float


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
    with tempfile.TemporaryDirectory() as folder, deployed_gateways(Path(folder)) as gateways:
        ours, naive = measure(gateways, rounds, calls)
    rows = [*compare(ours, naive), label_row(label_ms())]
    text = TEXT.format(
        day=datetime.now(timezone.utc).date(),
        rounds=rounds,
        calls=calls,
        where=_machine(),
        cos_ms=1000 * COS_S,
        api_ms=1000 * API_S,
        table=table(rows),
        verdict=verdict(rows),
    )
    load = section(page.read_text()) if page.exists() else ""
    page.write_text(f"{text}\n{load}" if load else text)
    figures.update_translations(page)
    print(f"{table(rows)}\n\n{verdict(rows)}")


def measure(gateways: Sequence[Gateway], rounds: int, calls: int) -> list[Measurements]:
    """Measure the gateways alternately, so that other load on the machine affects both."""
    cold = [[_measure_cold_starts(gateway) for gateway in gateways] for _ in range(rounds)]
    network = times_over_network(gateways, calls, SUBMIT)
    return [
        _measurements(gateway, cold_starts, calls, network_ms)
        for gateway, cold_starts, network_ms in zip(
            gateways, zip(*cold, strict=True), network, strict=True
        )
    ]


def compare(ours: Measurements, naive: Measurements) -> list[Row]:
    """Return the rows of the table, with the targets of our gateway."""
    return [
        _cold_row("cold start, `GET /health`", ours.cold_health_s, naive.cold_health_s),
        _cold_row("cold start, submit", ours.cold_submit_s, naive.cold_submit_s),
        _size_row("peak memory", ours.memory_mb, naive.memory_mb, MAX_MEMORY_MB),
        _size_row("zip", ours.zip_mb, naive.zip_mb, MAX_ZIP_MB),
        _network_row(
            "submit, lane free",
            ours.network_submit_ms,
            naive.network_submit_ms,
            MAX_NETWORK_SUBMIT_RATIO,
        ),
        _network_row(
            "status, running",
            ours.network_status_ms,
            naive.network_status_ms,
            MAX_NETWORK_STATUS_RATIO,
        ),
        *_call_rows("submit, lane free", ours.submit, naive.submit, (12, 1)),
        *_call_rows("submit, lane full", ours.submit_to_full, naive.submit_to_full, (10, 0)),
        *_call_rows("status, running", ours.status, naive.status, (2, 1)),
        *_call_rows("status, queued", ours.status_of_queued, naive.status_of_queued, (2, 0)),
    ]


def label_row(milliseconds: float) -> Row:
    """Return the row with the time of a label and its target."""
    figure = f"{milliseconds:.1f} ms"
    return Row(
        name="labels of a 10 MB image",
        ours=figure,
        naive="none",
        target=f"≤ {MAX_LABEL_MS} ms",
        figure=figure,
        is_met=milliseconds <= MAX_LABEL_MS,
    )


def table(rows: Sequence[Row]) -> str:
    """Format rows as a Markdown table."""
    head = ["| | ours | straightforward | ratio | target |", "|---|---|---|---|---|"]
    lines = (
        f"| {row.name} | {row.ours} | {row.naive} | {row.ratio} | {row.target} |" for row in rows
    )
    return "\n".join([*head, *lines])


def verdict(rows: Sequence[Row]) -> str:
    """Return a sentence that names the missed targets and by how much they are missed."""
    missed = [f"{row.name}: {row.figure}, target {row.target}" for row in rows if not row.is_met]
    return f"**Targets missed:** {'; '.join(missed)}." if missed else "Every target is met."


def _measurements(
    gateway: Gateway,
    cold: Sequence[tuple[float, float, float]],
    calls: int,
    network_ms: Sequence[float],
) -> Measurements:
    """Return the medians of a gateway's cold starts, and its calls on a warm instance."""
    health_s, submit_s, memory_mb = (
        statistics.median(values) for values in zip(*cold, strict=True)
    )
    zip_mb = gateway.zip_bytes / 2**20
    return Measurements(
        health_s, submit_s, memory_mb, zip_mb, *_measure_warm_calls(gateway, calls), *network_ms
    )


def _measure_cold_starts(gateway: Gateway) -> tuple[float, float, float]:
    health, submit = gateway.call_cold(HEALTH), gateway.call_cold(SUBMIT)
    return health.seconds, submit.seconds, submit.memory_mb


def _measure_warm_calls(
    gateway: Gateway, calls: int
) -> tuple[WarmCalls, WarmCalls, WarmCalls, WarmCalls]:
    count = WARM_UP + calls
    gateway.call(SUBMIT_TO_FULL)
    submit = gateway.call_warm([SUBMIT] * count)
    submit_to_full = gateway.call_warm([SUBMIT_TO_FULL] * count)
    return (
        submit,
        submit_to_full,
        _status_calls(gateway, SUBMIT, submit),
        _status_calls(gateway, SUBMIT_TO_FULL, submit_to_full),
    )


def _status_calls(gateway: Gateway, submit: HttpCall, submitted: WarmCalls) -> WarmCalls:
    """Get the status of each request once, since most repeated queries do not reach the vendor."""
    return gateway.call_warm(
        [
            HttpCall("GET", f"{submit.path}/requests/{request_id}/status")
            for request_id in submitted.request_ids
        ]
    )


def _cold_row(name: str, ours_s: float, naive_s: float) -> Row:
    ratio = ours_s / naive_s
    return Row(
        name=name,
        ours=f"{1000 * ours_s:.0f} ms",
        naive=f"{1000 * naive_s:.0f} ms",
        ratio=f"{ratio:.2f}",
        target=f"≤ {MAX_COLD_RATIO}",
        figure=f"{ratio:.2f}",
        is_met=ratio <= MAX_COLD_RATIO,
    )


def _network_row(name: str, ours_ms: float, naive_ms: float, limit: float) -> Row:
    ratio = ours_ms / naive_ms
    return Row(
        name=f"{name}, with the network: time to the answer",
        ours=f"{ours_ms:.1f} ms",
        naive=f"{naive_ms:.1f} ms",
        ratio=f"{ratio:.2f}",
        target=f"≤ {limit}",
        figure=f"{ratio:.2f}",
        is_met=ratio <= limit,
    )


def _size_row(name: str, ours_mb: float, naive_mb: float, limit_mb: int) -> Row:
    return Row(
        name=name,
        ours=f"{ours_mb:.1f} MB",
        naive=f"{naive_mb:.1f} MB",
        ratio=f"{ours_mb / naive_mb:.2f}",
        target=f"≤ {limit_mb} MB",
        figure=f"{ours_mb:.1f} MB",
        is_met=ours_mb <= limit_mb,
    )


def _call_rows(name: str, ours: WarmCalls, naive: WarmCalls, limits: tuple[int, int]) -> list[Row]:
    return [
        _requests_row(f"{name}: requests to the ledger + upstream", ours, naive, limits),
        _time_row(f"{name}: CPU time", ours.cpu_ms, naive.cpu_ms),
        _time_row(f"{name}: time to the answer", ours.wall_ms, naive.wall_ms),
    ]


def _requests_row(name: str, ours: WarmCalls, naive: WarmCalls, limits: tuple[int, int]) -> Row:
    ledger, upstream = limits
    figure = f"{ours.ledger} + {ours.upstream}"
    return Row(
        name=name,
        ours=figure,
        naive=f"{naive.ledger} + {naive.upstream}",
        target=f"≤ {ledger} + {upstream}",
        figure=figure,
        is_met=ours.ledger <= ledger and ours.upstream <= upstream,
    )


def _time_row(name: str, ours_ms: float, naive_ms: float) -> Row:
    return Row(
        name=name,
        ours=f"{ours_ms:.1f} ms",
        naive=f"{naive_ms:.1f} ms",
        ratio=f"{ours_ms / naive_ms:.2f}",
    )


def _machine() -> str:
    version = SCF_PYTHON if local_target() == scf_target() else platform.python_version()
    return f"{platform.system()} {platform.machine()}, Python {version}"


if __name__ == "__main__":
    typer.run(main)
