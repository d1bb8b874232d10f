"""`make chaos`: many jobs on the local cloud while nearly everything goes wrong, then the books.

The seed decides who asks for what and which faults there are; when each of them strikes depends
on real processes, so that a run can be drawn again but not replayed step by step.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.contest import wait_until_active
from localcloud.core import Caller
from ops import options
from ops.local_stack import ROOT, local_stack
from tests.chaos import plan as chaos_plan
from tests.chaos.audit import ACTIONS, Books, Findings, audit, story
from tests.chaos.clients import Clients, Receiver
from tests.chaos.use import lane_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from localcloud.cos.events import ObjectCreated
    from ops.local_stack import LocalStack
    from tests.chaos.plan import Plan

PHOTO = ROOT / "ops" / "samples" / "coffee.jpg"

LEASE_MARGIN_S = 2
"""How much longer a lease is than a function may run. Fifteen in the cloud; but here is only one
clock, and what dies is found sooner, so that more can go wrong in a minute."""

STALLED_S = 3600
"""Cloud time without any change after which nothing is waited for any more."""

MOST = 0.75
"""The part of all jobs that is to end before the faults do."""

LEAST_USE = 0.95

STORIES = 5

_OWNER = Caller("owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a run is made."""

    speed: float
    places: int
    """Of each lane."""
    timeout_s: int = 10
    failing_webhooks: float = 0.2

    @property
    def lanes(self) -> dict[str, int]:
        """The stack's lanes, all alike."""
        return dict.fromkeys(ACTIONS, self.places)

    @property
    def lease_s(self) -> int:
        """How long the dead hold what they held."""
        return self.timeout_s + LEASE_MARGIN_S


CHAOS_JOBS, CHAOS = 2000, Setting(speed=30, places=4)
BURST_JOBS, BURST = 5000, Setting(speed=2, places=20, timeout_s=30)
"""Slow: the time from one task's end to the next one's start is real, and would weigh more the
faster tasks are. Many places: a job keeps two cores busy for a tenth of a second."""


@dataclass(slots=True)
class Run:
    """A stack under a plan, from its first call to the audit."""

    plan: Plan
    setting: Setting
    stack: LocalStack
    receiver: Receiver
    log: Path
    say: Callable[[str], None]
    uploaded: list[ObjectCreated] = field(default_factory=list)

    def findings(self) -> Findings:
        """Make it: ask, let faults strike, let them end, wait, look into the books."""
        cloud = self.stack.cloud
        cloud.cos.subscribe(self._note_upload)
        clients = Clients(self.stack, PHOTO.read_bytes(), self.receiver.url)
        started = time.monotonic()
        cloud.faults.seed(self.plan.seed)
        cloud.faults.replace([*self.plan.storage, *self.plan.faults])
        clients.carry_out(self.plan)
        asked_s = time.monotonic() - started
        self.say(f"all asked for after {asked_s:.0f} s; waiting for most of it to end …")
        self._waited(lambda books: books.ended >= MOST * len(self.plan.wishes))
        cloud.faults.replace(list(self.plan.storage))
        self.receiver.calm()
        self.say("nothing goes wrong any more; waiting until all has ended …")
        books = self._waited(lambda seen: seen.ended == len(seen.jobs) and not seen.left_over)
        findings = Findings()
        self._tell_how_it_went(findings, time.monotonic() - started)
        checked = audit(self.plan, books, clients.heard, self.receiver.told, self.setting.lanes)
        findings.rows += checked.rows
        findings.violations += checked.violations
        self._tell_use(findings, books)
        self._tell_stories(findings, books)
        return findings

    def _note_upload(self, created: ObjectCreated) -> None:
        if created.bucket == self.stack.outputs.buckets["inbox"]:
            self.uploaded.append(created)

    def _waited(self, is_reached: Callable[[Books], bool]) -> Books:
        """Wait for something as long as anything changes at all; return what was seen last."""
        patience_s = max(STALLED_S / self.setting.speed, 5 * self.setting.lease_s)
        pause_s = 1 + len(self.plan.wishes) / 250  # to read all records takes the cloud's time
        last, changed_at = (-1, -1), time.monotonic()
        while True:
            books = Books.of(self.stack, self.uploaded)
            if is_reached(books):
                return books
            now = (books.ended, len(books.left_over))
            if now != last:
                last, changed_at = now, time.monotonic()
            elif time.monotonic() - changed_at > patience_s:
                self.say(f"nothing has changed for {patience_s:.0f} s")
                return books
            time.sleep(pause_s)

    def _tell_how_it_went(self, findings: Findings, seconds: float) -> None:
        came_true = self.stack.cloud.faults.came_true
        findings.tell("time", f"{seconds:.0f} s, {seconds * self.setting.speed / 60:.0f} min there")
        findings.tell("functions killed", _total(came_true, "kill"))
        findings.tell("replies lost", _total(came_true, "lost_reply"))
        others = sum(came_true.values()) - _total(came_true, "kill", "lost_", "race", "lag")
        findings.tell("creates that raced; late listings", _races(came_true))
        findings.tell("other faults", others)

    def _tell_use(self, findings: Findings, books: Books) -> None:
        """Hold the lanes' use against the promise; with faults, places of the dead stand empty."""
        if self.plan.faults:
            return
        lanes = self.setting.lanes
        all_there = max(job.created_at.timestamp() for job in books.jobs.values())
        for lane, use in lane_use(books, lanes).items():
            findings.tell(f"in use while jobs waited, {lane}", f"{use.share:.1%}")
        for lane, use in lane_use(books, lanes, since=all_there).items():
            what = f"in use while jobs waited, once all were there ({use.waited_s:.0f} s), {lane}"
            findings.at_least(what, use.share, LEAST_USE)

    def _tell_stories(self, findings: Findings, books: Books) -> None:
        of_jobs = [(what, job_id) for what, job_id in findings.violations if job_id]
        for what, job_id in of_jobs[:STORIES]:
            self.say(f"violated: {what}: {job_id}\n{story(job_id, books, self.log)}")


def main(
    seed: Annotated[int, typer.Option(help="Decides everything that is drawn.")] = 1,
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
    places: Annotated[
        int | None,
        typer.Option(
            parser=options.whole(1), metavar="N", help="Slots of each lane (4; in a burst 20)."
        ),
    ] = None,
    burst: Annotated[
        bool, typer.Option("--burst", help="Uploads only, at once, without faults.")
    ] = False,
) -> None:
    """Run many jobs while nearly everything goes wrong; the status is 1 if a promise was broken."""
    usual = BURST if burst else CHAOS
    plan = (
        chaos_plan.burst(jobs or BURST_JOBS)
        if burst
        else chaos_plan.chaos(seed, jobs or CHAOS_JOBS)
    )
    setting = replace(usual, speed=speed or usual.speed, places=places or usual.places)
    print(
        f"seed {plan.seed}, {len(plan.wishes)} jobs, speed {setting.speed:g},"
        f" {setting.places} places a lane"
    )
    findings = make(plan, setting, say=print)
    print(f"\n{findings.table()}\n")
    print("violated" if findings.violations else "every promise was kept")
    if findings.violations:
        raise typer.Exit(1)


def make(plan: Plan, setting: Setting, *, say: Callable[[str], None]) -> Findings:
    """Make a run in a cloud of its own."""
    with _started(plan, setting, say) as run:
        return run.findings()


@contextlib.contextmanager
def _started(plan: Plan, setting: Setting, say: Callable[[str], None]) -> Iterator[Run]:
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="aigc-chaos-"))
        path = Path(folder) / "functions.log"
        log = opened.enter_context(path.open("w", buffering=1))

        def write_line(line: str) -> None:
            log.write(f"{line}\n")  # in one write: several threads log

        stack = opened.enter_context(
            local_stack(
                speed=setting.speed,
                timeout_s=setting.timeout_s,
                limits={ACTIONS[lane]: places for lane, places in setting.lanes.items()},
                changes={"lanes": json.dumps(setting.lanes)},
                on_log=write_line,
            )
        )
        for function in stack.outputs.functions.values():
            shorten_lease(stack, function, setting.lease_s)
        failing = setting.failing_webhooks if plan.faults else 0
        receiver = opened.enter_context(Receiver(stack.webhook_secret, plan.seed, failing))
        yield Run(plan, setting, stack, receiver, path, say)


def shorten_lease(stack: LocalStack, function: str, lease_s: int) -> None:
    """Give a deployed function another lease."""
    state = wait_until_active(stack.cloud, function)
    variables = state["Environment"]["Variables"]
    changed = [one for one in variables if one["Key"] != "AIGC_LEASE_S"]
    changed.append({"Key": "AIGC_LEASE_S", "Value": str(lease_s)})
    stack.cloud.services["scf"].call(
        "UpdateFunctionConfiguration",
        {"FunctionName": function, "Environment": {"Variables": changed}},
        _OWNER,
    )
    wait_until_active(stack.cloud, function)


def _races(came_true: Mapping[str, int]) -> str:
    return f"{_total(came_true, 'race')}; {_total(came_true, 'lag')}"


def _total(came_true: Mapping[str, int], *kinds: str) -> int:
    return sum(
        times for fault, times in came_true.items() if fault.partition(" ")[2].startswith(kinds)
    )
