"""`make chaos`: many jobs on the local cloud with many faults, then an audit.

The seed decides the jobs and the faults. When a fault occurs depends on real processes, so the same
seed repeats the plan but not each step of a run.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aigc.uploads.since import SINCE
from aigc_cli import options
from aigc_cli.local_stack import ROOT, local_stack, wait_until_active
from localcloud.core import Caller
from tests.chaos import plan as chaos_plan
from tests.chaos.audit import ACTIONS, Books, Findings, audit, job_details
from tests.chaos.clients import Clients, Receiver
from tests.chaos.use import lane_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aigc_cli.local_stack import LocalStack
    from tests.chaos.plan import Plan

PHOTO = ROOT / "aigc_cli" / "samples" / "coffee.jpg"

LEASE_MARGIN_S = 2
"""How much longer a lease is than a function may run. It is 15 in the cloud. Here all processes
share a clock, and shorter leases let more faults occur in a minute."""

RECONCILE_AFTER_S = 180
"""Cloud time after an upload from which a sweep processes it."""

STALLED_S = 3600
"""Cloud time without any change after which a run stops waiting."""

ENDED_UNDER_FAULTS = 0.75
"""The part of the jobs that must end before the faults stop."""

LEAST_USE = 0.95

DETAILED_JOBS = 5

_OWNER = Caller("owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The settings of a run."""

    speed: float
    slots: int
    """The slots of each lane."""
    timeout_s: int = 10
    failing_webhooks: float = 0.2

    @property
    def lanes(self) -> dict[str, int]:
        """The limit of each lane."""
        return dict.fromkeys(ACTIONS, self.slots)

    @property
    def lease_s(self) -> int:
        """The lease: how long a killed function keeps its claims and slots."""
        return self.timeout_s + LEASE_MARGIN_S


CHAOS_JOBS, CHAOS = 2000, Setting(speed=30, slots=4)
BURST_JOBS, BURST = 5000, Setting(speed=2, slots=20, timeout_s=30)
"""A burst is slow: the time between two tasks in a slot is real time, and would weigh more with
faster tasks. It has many slots, since a job keeps two cores busy for a tenth of a second."""


@dataclass(slots=True)
class Run:
    """One run of a plan on a stack, from the first call to the audit."""

    plan: Plan
    setting: Setting
    stack: LocalStack
    receiver: Receiver
    log: Path
    progress: Callable[[str], None]
    is_calm: bool = False
    """Whether the faults are over."""

    def findings(self) -> Findings:
        """Make the calls under faults, stop the faults, wait for the jobs, audit the records."""
        cloud = self.stack.cloud
        clients = Clients(self.stack, PHOTO.read_bytes(), self.receiver.url)
        self._wait_for_first_sweep()
        started = time.monotonic()
        cloud.faults.seed(self.plan.seed)
        cloud.faults.replace([*self.plan.storage, *self.plan.faults])
        self._plan_refusal()
        clients.carry_out(self.plan)
        called_s = time.monotonic() - started
        self.progress(
            f"all calls made after {called_s:.0f} s; waiting until most jobs have ended …"
        )
        self._wait_until(lambda books: books.ended >= ENDED_UNDER_FAULTS * len(self.plan.jobs))
        self.is_calm = True
        cloud.faults.replace(list(self.plan.storage))
        self.receiver.calm()
        self.progress("the faults are off; waiting until all jobs have ended …")
        books = self._wait_until(
            lambda records: (
                records.ended == len(records.jobs)
                and not records.left_over
                and not records.lost_uploads
            )
        )
        findings = Findings()
        self._report_faults(findings, time.monotonic() - started)
        checked = audit(self.plan, books, clients.log, self.receiver.log, self.setting.lanes)
        findings.rows += checked.rows
        findings.violations += checked.violations
        self._report_use(findings, books)
        self._print_details(findings, books)
        return findings

    def _wait_for_first_sweep(self) -> None:
        """Wait until a sweep has noted since when the rules exist: older uploads are an archive."""
        until = time.monotonic() + STALLED_S / self.setting.speed
        while not any(key.startswith(SINCE) for key in Books.of(self.stack).ledger):
            assert time.monotonic() < until, "no sweep has run"
            time.sleep(0.5)

    def _plan_refusal(self) -> None:
        """Let the vendor refuse the account for a while, beside the other faults."""
        refusal, clock = self.plan.refusal, self.stack.cloud.clock
        if refusal is None:
            return
        usual = [*self.plan.storage, *self.plan.faults]
        clock.after(refusal.begins_s, lambda: self._inject([refusal.fault, *usual]))
        clock.after(refusal.begins_s + refusal.lasts_s, lambda: self._inject(usual))

    def _inject(self, faults: list[dict[str, Any]]) -> None:
        if not self.is_calm:
            self.stack.cloud.faults.replace(faults)

    def _wait_until(self, is_reached: Callable[[Books], bool]) -> Books:
        """Wait for a condition, at most `STALLED_S` without a change; return the records."""
        stalled_s = max(STALLED_S / self.setting.speed, 5 * self.setting.lease_s)
        pause_s = 1 + len(self.plan.jobs) / 250  # reading all records takes time from the cloud
        last, changed_at = (-1, -1, -1), time.monotonic()
        while True:
            books = Books.of(self.stack)
            if is_reached(books):
                return books
            now = (books.ended, len(books.left_over), len(books.lost_uploads))
            if now != last:
                last, changed_at = now, time.monotonic()
            elif time.monotonic() - changed_at > stalled_s:
                self.progress(f"nothing has changed for {stalled_s:.0f} s")
                return books
            time.sleep(pause_s)

    def _report_faults(self, findings: Findings, seconds: float) -> None:
        injected = self.stack.cloud.faults.applied
        findings.report(
            "time", f"{seconds:.0f} s, {seconds * self.setting.speed / 60:.0f} min there"
        )
        findings.report("functions killed", _total(injected, "kill"))
        findings.report("replies lost", _total(injected, "lost_reply"))
        others = sum(injected.values()) - _total(injected, "kill", "lost_", "race", "lag")
        lost, repeated = (injected[f"cos.event {what}"] for what in ("drop", "repeat"))
        findings.report("events of buckets lost; repeated", f"{lost}; {repeated}")
        if self.plan.refusal is not None:
            code, lasts_s = self.plan.refusal.code, self.plan.refusal.lasts_s
            findings.report("account refused", f"{code} for {lasts_s:.0f} s there")
        findings.report("creates that raced; late listings", _races(injected))
        findings.report("other faults", others)

    def _report_use(self, findings: Findings, books: Books) -> None:
        """Check the use of the lanes; not with faults, where slots of killed functions are idle."""
        if self.plan.faults:
            return
        lanes = self.setting.lanes
        all_created_at = max(job.created_at.timestamp() for job in books.jobs.values())
        for lane, use in lane_use(books, lanes).items():
            findings.report(f"in use while jobs waited, {lane}", f"{use.share:.1%}")
        for lane, use in lane_use(books, lanes, since=all_created_at).items():
            what = f"in use while jobs waited, once all were there ({use.waited_s:.0f} s), {lane}"
            findings.at_least(what, use.share, LEAST_USE)

    def _print_details(self, findings: Findings, books: Books) -> None:
        of_jobs = [(what, job_id) for what, job_id in findings.violations if job_id]
        for what, job_id in of_jobs[:DETAILED_JOBS]:
            self.progress(f"violated: {what}: {job_id}\n{job_details(job_id, books, self.log)}")


def main(  # noqa: PLR0917  the options of the command
    seed: Annotated[int, typer.Option(help="Decides the jobs and the faults.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            parser=options.whole(1), metavar="N", help="How many jobs (2000; in a burst 5000)."
        ),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(parser=options.speed, help="How much faster time passes (30; in a burst 2)."),
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option(
            parser=options.whole(1), metavar="N", help="Slots of each lane (4; in a burst 20)."
        ),
    ] = None,
    burst: Annotated[
        bool, typer.Option("--burst", help="Uploads only, at once, without faults.")
    ] = False,
    lossy: Annotated[
        bool,
        typer.Option(
            "--lossy", help="With --burst: a tenth of the events lost, a tenth repeated, and kills."
        ),
    ] = False,
) -> None:
    """Run many jobs with many faults; the status is 1 if a promise is broken."""
    usual = BURST if burst else CHAOS
    make_burst = chaos_plan.lossy_burst if lossy else chaos_plan.burst
    plan = make_burst(jobs or BURST_JOBS) if burst else chaos_plan.chaos(seed, jobs or CHAOS_JOBS)
    setting = replace(usual, speed=speed or usual.speed, slots=slots or usual.slots)
    print(
        f"seed {plan.seed}, {len(plan.jobs)} jobs, speed {setting.speed:g},"
        f" {setting.slots} slots for each lane"
    )
    findings = run_plan(plan, setting, progress=print)
    print(f"\n{findings.table()}\n")
    print("violated" if findings.violations else "every promise was kept")
    if findings.violations:
        raise typer.Exit(1)


def run_plan(plan: Plan, setting: Setting, *, progress: Callable[[str], None]) -> Findings:
    """Run a plan in a new local cloud; return the findings."""
    with _started(plan, setting, progress) as run:
        return run.findings()


@contextlib.contextmanager
def _started(plan: Plan, setting: Setting, progress: Callable[[str], None]) -> Iterator[Run]:
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="aigc-chaos-"))
        path = Path(folder) / "functions.log"
        log = opened.enter_context(path.open("w", buffering=1))

        def write_line(line: str) -> None:
            log.write(f"{line}\n")  # one write for each line: several threads log

        stack = opened.enter_context(
            local_stack(
                speed=setting.speed,
                timeout_s=setting.timeout_s,
                limits={ACTIONS[lane]: slots for lane, slots in setting.lanes.items()},
                changes={"lanes": json.dumps(setting.lanes)},
                on_log=write_line,
            )
        )
        for function in stack.outputs.functions.values():
            shorten_lease(stack, function, setting.lease_s, RECONCILE_AFTER_S / setting.speed)
        failing = setting.failing_webhooks if plan.faults else 0
        receiver = opened.enter_context(Receiver(stack.webhook_secret, plan.seed, failing))
        yield Run(plan, setting, stack, receiver, path, progress)


def shorten_lease(
    stack: LocalStack, function: str, lease_s: int, reconcile_after_s: float = RECONCILE_AFTER_S
) -> None:
    """Change the lease of a deployed function, and when it processes uploads without an event."""
    state = wait_until_active(stack.cloud, function)
    variables = state["Environment"]["Variables"]
    times = {"AIGC_LEASE_S": lease_s, "AIGC_RECONCILE_AFTER_S": reconcile_after_s}
    changed = [variable for variable in variables if variable["Key"] not in times]
    changed += [{"Key": key, "Value": f"{seconds:g}"} for key, seconds in times.items()]
    stack.cloud.services["scf"].call(
        "UpdateFunctionConfiguration",
        {"FunctionName": function, "Environment": {"Variables": changed}},
        _OWNER,
    )
    wait_until_active(stack.cloud, function)


def _races(injected: Mapping[str, int]) -> str:
    return f"{_total(injected, 'race')}; {_total(injected, 'lag')}"


def _total(injected: Mapping[str, int], *kinds: str) -> int:
    return sum(
        times for fault, times in injected.items() if fault.partition(" ")[2].startswith(kinds)
    )
