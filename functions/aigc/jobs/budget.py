"""The budget: a job is submitted only with a share of each ceiling that it counts towards.

The shares are reserved in the month's book (`aigc.jobs.ledger.books`) before a slot and the job
are claimed. A grant belongs to the job and not to the invocation that made it: whichever
invocation starts the job finds the grant and submits the task. So nothing is lost when one dies.

| | |
|---|---|
| reserve | before the submission of a queued job, by a pump |
| defer | no share is left: the job waits outside its lane, under `held/`, by priority and age |
| settle | the job has ended: the sweep turns its grant into what it used, and gives the rest back |
| release | a ceiling has a share again: the sweep puts jobs back into their lanes, in order |

A grant is settled exactly once, since the step that counts it also removes it. It is named after
the run of the job: a replay is another run, with a grant of its own. If a job is still queued on
the next day, its grant of a day's ceiling is replaced by one of the new day.

Deferred jobs wait in groups: one for each ceiling, and one for each price that is missing. Within
a group the order is kept: if one job gets no share, the jobs after it get none.
"""

from __future__ import annotations

import hashlib
import logging
import math
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote

from aigc.errors import AmbiguousError, BadRecordError
from aigc.jobs.job import Deferral
from aigc.jobs.ledger.lanes import deferred_key, marker_key
from aigc.jobs.transitions import expire
from aigc.jobs.usage import MAYBE_BILLED
from aigc.periods import MONTH, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from aigc.ceilings import Ceiling
    from aigc.jobs.job import Job
    from aigc.jobs.ledger.books import Book
    from aigc.jobs.ledger.lanes import Marker
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

TRIES = 10
"""Tries to change the book while other invocations change it too."""

REPORTED_PERCENTS = (80, 100)
"""Percentages of a ceiling that are logged when they are reached."""


class KnownBook:
    """The newest book that an instance has read or written."""

    book: Book | None = None


class Demand(NamedTuple):
    """What a job needs of one ceiling."""

    ceiling: Ceiling
    account: str
    amount: int | None
    """Images, or units of money; None if its price is unknown."""


class CeilingUsage(NamedTuple):
    """How much of a ceiling is taken, in images or in units of money."""

    ceiling: Ceiling
    used: int
    reserved: int

    @property
    def left(self) -> int:
        """What jobs may still reserve."""
        return max(0, self.ceiling.limit - self.used - self.reserved)


def demands(job: Job, runtime: Runtime) -> tuple[Demand, ...]:
    """Return what a job needs of each ceiling that it counts towards; empty without ceilings."""
    ceilings = runtime.ceilings()
    if not ceilings:
        return ()
    from aigc.prices import model_of  # noqa: PLC0415  few stacks have ceilings

    model, version = model_of(runtime.task_of(job))
    return tuple(
        Demand(ceiling, ceiling.account(runtime.now()), _amount(ceiling, job, runtime))
        for ceiling in ceilings
        if ceiling.applies(job.source.type, job.source.name, model, version)
    )


def reserve(job: Job, runtime: Runtime) -> Deferral | None:
    """Reserve a share of each ceiling for a queued job; return why it must wait if one has none.

    Raises:
        CloudError: The book could not be read or written; the job must not be submitted now.
    """
    needed = demands(job, runtime)
    if not needed:
        return None
    if _has_grant(runtime.memory.of(KnownBook).book, job, needed):
        return None
    for _ in range(TRIES):
        book = newest_book(runtime)
        if _has_grant(book, job, needed):
            return None
        deferral = _refusal(book, job, needed, runtime)
        if deferral is not None:
            return deferral
        granted = _with_grant(book, job, needed, runtime)
        if _append(granted, runtime):
            _report_thresholds(book, granted, needed)
            return None
        if not runtime.may_start():
            break
    raise AmbiguousError("reserve a share of a ceiling: others change the book")


def refusal(job: Job, runtime: Runtime) -> Deferral | None:
    """Return why a job must wait by the present book; None if it may be queued. Writes nothing."""
    needed = demands(job, runtime)
    return _refusal(newest_book(runtime), job, needed, runtime) if needed else None


def defer(job: Job, deferral: Deferral, runtime: Runtime) -> None:
    """Move a queued job out of its lane, unless another invocation has changed it.

    The new marker is written before the record that names it, and the old one removed after it.
    """
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return
    deferred = claimed.defer(
        deferral, deferred_key(claimed, _deferral_group(deferral, job, runtime))
    )
    runtime.ledger.lanes.enqueue(deferred)
    runtime.ledger.records.write(deferred)
    runtime.ledger.lanes.remove_marker(job.marker)
    report_deferral(deferred)


def deferred_at_creation(job: Job, deferral: Deferral, runtime: Runtime) -> Job:
    """Return a new job that waits outside its lane from the beginning."""
    return job.defer(deferral, deferred_key(job, _deferral_group(deferral, job, runtime)))


def report_deferral(job: Job) -> None:
    """Log that a job waits for a ceiling, which raises an alarm."""
    deferral = job.deferral
    if deferral is not None:
        fields = {"job": job.id, "reason": deferral.reason, "ceiling": deferral.ceiling}
        logger.warning("job_deferred", extra=fields)


def balance(runtime: Runtime) -> int:
    """Settle the grants of jobs that have ended, then release the jobs that get a share now.

    Returns the number of released jobs.
    """
    if runtime.ceilings():
        _settle(runtime)
    groups = runtime.ledger.lanes.deferral_groups()
    return sum(_release(group, runtime) for group in groups)


def usage_of(ceiling: Ceiling, book: Book, now: datetime) -> CeilingUsage:
    """Return how much of a ceiling is used, reserved and left in its present period."""
    account = ceiling.account(now)
    return CeilingUsage(ceiling, book.used.get(account, 0), book.reserved(account))


# Settling


def _settle(runtime: Runtime) -> None:
    limits = {ceiling.name: ceiling.limit for ceiling in runtime.ceilings()}
    for _ in range(TRIES):
        book = newest_book(runtime)
        used = dict(_ended_runs(book, runtime))
        changed = book.settled(used) if used else book.limited(limits)
        if changed is book:
            return
        _append(changed, runtime)


def _ended_runs(book: Book, runtime: Runtime) -> Iterator[tuple[str, int]]:
    """Yield the runs that have ended, each with the number of images that it used."""
    for run, grant in book.grants.items():
        if not runtime.may_start():
            return
        job_id, _, number = run.rpartition("-")
        try:
            job = runtime.ledger.records.read(job_id)
        except BadRecordError:
            continue
        if job is None:
            if runtime.ledger.lease.has_expired(grant.at):
                yield run, 0  # its creator died before it wrote the job
        elif job.spent_attempts > int(number) or job.has_ended:
            yield run, _used_images(job, int(number), grant.images)


def _used_images(job: Job, run: int, requested: int) -> int:
    """Return how many images a run that has ended used: all requested ones if that is unknown."""
    if job.spent_attempts > run:  # it was replayed: only its attempts show how this run ended
        attempts = [attempt for attempt in job.attempts if attempt.number > run]
        is_billed = any(
            attempt.may_be_billed for attempt in attempts if attempt.number <= job.spent_attempts
        )
        return requested if is_billed else 0
    if job.error is not None and job.error.type in MAYBE_BILLED:
        return requested
    return len(job.images)


# Releasing


def _release(group: str, runtime: Runtime) -> int:
    """Put jobs of a group back into their lanes, in order, until one gets no share.

    A job that needs more than a whole ceiling does not block the jobs after it.
    """
    _cancel_late(group, runtime)
    planned_book = newest_book(runtime) if runtime.ceilings() else None
    released = 0
    for job in _deferred_jobs(group, runtime):
        needed = demands(job, runtime)
        deferral = _refusal(planned_book, job, needed, runtime) if planned_book and needed else None
        if deferral is None:
            released += _requeue(job, runtime)
            planned_book = planned_book and _with_grant(planned_book, job, needed, runtime)
        elif _deferral_group(deferral, job, runtime) != group:
            defer(job, deferral, runtime)
        elif not any((demand.amount or 0) > demand.ceiling.limit for demand in needed):
            break
    return released


def _cancel_late(group: str, runtime: Runtime) -> None:
    """Cancel the jobs of a group whose latest start has passed; other records are not read."""
    for marker in runtime.ledger.lanes.list_deferred(group):
        if not runtime.may_start():
            return
        if marker.start_by is not None and marker.start_by <= runtime.now():
            job = _deferred_job(marker, runtime)
            if job is not None:
                expire(job, runtime)


def _deferred_jobs(group: str, runtime: Runtime) -> Iterator[Job]:
    """Yield the jobs of a group in order, as long as there is time."""
    for marker in runtime.ledger.lanes.list_deferred(group):
        if not runtime.may_start():
            return
        job = _deferred_job(marker, runtime)
        if job is not None:
            yield job


def _deferred_job(marker: Marker, runtime: Runtime) -> Job | None:
    """Read the job of a marker; remove a marker that no record names, or will name."""
    try:
        job = runtime.ledger.records.read(marker.job_id)
    except BadRecordError:
        logger.exception("job_unreadable", extra={"job": marker.job_id})
        return None
    if job is not None and job.state == "queued" and job.marker == marker.key:
        return job
    lease = runtime.ledger.lease
    is_settled = job is None or lease.has_expired(job.updated_at)
    if is_settled and lease.has_expired(marker.modified):
        runtime.ledger.lanes.remove_marker(marker.key)
    return None


def _requeue(job: Job, runtime: Runtime) -> bool:
    """Put a job back into its lane, at its place by priority and age."""
    claimed = runtime.ledger.claims.claim(job)
    if claimed is None:
        return False
    marker = marker_key(
        job.id, job.lane, job.priority, not_before=job.created_at, start_by=job.start_by
    )
    queued = claimed.requeue(marker)
    runtime.ledger.lanes.enqueue(queued)
    runtime.ledger.records.write(queued)
    runtime.ledger.lanes.remove_marker(job.marker)
    logger.info("job_released", extra={"job": job.id})
    return True


# The book


def newest_book(runtime: Runtime) -> Book:
    """Read the newest book of this month, in one round trip if this instance knows it."""
    known = runtime.memory.of(KnownBook)
    month = f"{runtime.now():{MONTH.stamp}}"
    known.book = runtime.ledger.books.newest(month, known.book)
    return known.book


def _append(book: Book, runtime: Runtime) -> bool:
    """Write the next revision; False if another invocation has written one."""
    existing = runtime.ledger.books.append(book)
    runtime.memory.of(KnownBook).book = book if existing is None else existing
    return existing is None


def _run(job: Job) -> str:
    """Name the present run of a job: the attempts since the last replay."""
    return f"{job.id}-{job.spent_attempts}"


def _has_grant(book: Book | None, job: Job, needed: tuple[Demand, ...]) -> bool:
    """Whether the job has a grant for exactly these ceilings, in their present periods."""
    grant = book.grants.get(_run(job)) if book else None
    return grant is not None and grant.amounts.keys() == {demand.account for demand in needed}


def _refusal(book: Book, job: Job, needed: tuple[Demand, ...], runtime: Runtime) -> Deferral | None:
    """Return why a job gets no share of a ceiling; None if it gets one of each."""
    own_grant = book.grants.get(_run(job))
    own_amounts: Mapping[str, int] = own_grant.amounts if own_grant else {}
    for demand in needed:
        reason: Literal["over_budget", "price_unknown"] | None = None
        if demand.amount is None:
            reason = "price_unknown"
        else:
            others = book.total(demand.account) - own_amounts.get(demand.account, 0)
            if others + demand.amount > demand.ceiling.limit:
                reason = "over_budget"
        if reason:
            return Deferral(reason=reason, ceiling=demand.ceiling.name, since=runtime.now())
    return None


def _with_grant(book: Book, job: Job, needed: tuple[Demand, ...], runtime: Runtime) -> Book:
    from aigc.jobs.ledger.books import Grant  # noqa: PLC0415  few stacks have ceilings
    from aigc.prices import requested_images  # noqa: PLC0415

    amounts = {demand.account: demand.amount or 0 for demand in needed}
    images = requested_images(runtime.task_of(job))
    return book.with_grant(_run(job), Grant(at=runtime.now(), images=images, amounts=amounts))


def _amount(ceiling: Ceiling, job: Job, runtime: Runtime) -> int | None:
    from aigc.prices import requested_images  # noqa: PLC0415  few stacks have ceilings

    task = runtime.task_of(job)
    images = requested_images(task)
    if ceiling.money is None:
        return images
    cost = runtime.prices().estimate(job.kind, task, images)
    return None if cost is None else math.ceil(cost * UNITS)


def _deferral_group(deferral: Deferral, job: Job, runtime: Runtime) -> str:
    """Name the group of a deferred job: its ceiling, or a digest of the price that is missing."""
    if deferral.reason == "over_budget":
        return quote(deferral.ceiling, safe="")
    from aigc.prices import suggestion  # noqa: PLC0415  few stacks have ceilings

    traits = suggestion(job.kind, runtime.task_of(job))
    return f"{deferral.reason}-{hashlib.sha256(traits.encode()).hexdigest()[:12]}"


def _report_thresholds(before: Book, after: Book, needed: tuple[Demand, ...]) -> None:
    """Log each ceiling of which this change takes 80 % or all, which raises an alarm."""
    for demand in needed:
        limit = demand.ceiling.limit
        shares = [100 * book.total(demand.account) / limit for book in (before, after)]
        for percent in REPORTED_PERCENTS:
            if shares[0] < percent <= shares[1]:
                fields = {"ceiling": demand.ceiling.name, "percent": percent, "limit": limit}
                logger.warning("ceiling_used", extra=fields)
