"""What the protocol depends on, left out one part at a time: the simulation must notice each.

`make mutations` tries all of them. A mutation that the simulation does not notice must say why
nothing goes wrong without the part that it leaves out.
"""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from aigc.errors import AmbiguousError, BadRecordError, CloudError, ThrottledError, UnclearError
from aigc.jobs import recover, results, storing, transitions
from aigc.jobs.clock import Bounds
from aigc.jobs.job import JobError
from aigc.jobs.ledger.notes import write_note
from aigc.jobs.replay import replay as replay_job
from aigc.jobs.webhooks import enqueue_delivery
from aigc.wire import with_fields
from tests.simulation.mutate import (
    Change,
    Mutation,
    assume,
    call_instead,
    drop_call,
    omit,
    postpone,
    replace,
    trust_argument,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aigc.jobs.clock import LedgerClock
    from aigc.jobs.job import Job
    from aigc.jobs.ledger.books import Book, Books
    from aigc.jobs.ledger.claims import Claims
    from aigc.jobs.ledger.contest import Contest
    from aigc.jobs.ledger.records import Records
    from aigc.jobs.ports import TaskService
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import ApiCall
    from aigc.uploads.inbox_object import InboxObject
    from aigc.uploads.rule import Rule


def _of(title: str, target: str, change: Change, **more: str) -> Mutation:
    return Mutation(title=title, changes=((target, change),), **more)


def _always(function: Callable[..., Any]) -> Change:
    """Replace a function by another one."""
    return replace(lambda _: function)


# Replacements of functions


def _by_its_own_clock(clock: LedgerClock) -> Bounds:
    ahead = clock._wall() - clock._steady()
    return Bounds(ahead, ahead, 0, 0)


def _not_at_all(_: LedgerClock) -> None:
    """Do not ask."""


SPLIT = "ledger.contest:Contest._split"


def _split_without_reading_y(contest: Contest, place: str) -> bool:
    ticket, store = contest.ticket(), contest._store
    if not store.create(f"{place}/x", ticket) or store.get(f"{place}/x") != ticket:
        return False
    store.put(f"{place}/y", ticket)
    return store.get(f"{place}/x") == ticket


def _split_without_reading_x_again(contest: Contest, place: str) -> bool:
    ticket, store = contest.ticket(), contest._store
    if not store.create(f"{place}/x", ticket) or store.get(f"{place}/y") is not None:
        return False
    store.put(f"{place}/y", ticket)
    return True


def _split_with_y_before_x(contest: Contest, place: str) -> bool:
    ticket, store = contest.ticket(), contest._store
    if store.get(f"{place}/y") is not None:
        return False
    store.put(f"{place}/y", ticket)
    return store.create(f"{place}/x", ticket) and store.get(f"{place}/x") == ticket


def _split_that_reads_y_too_early(contest: Contest, place: str) -> bool:
    ticket, store = contest.ticket(), contest._store
    entered, seen = contest._parallel(
        lambda: store.create(f"{place}/x", ticket), lambda: store.get(f"{place}/y")
    )
    if not entered or seen is not None:
        return False
    store.put(f"{place}/y", ticket)
    return store.get(f"{place}/x") == ticket


def _split_by_header(contest: Contest, place: str) -> bool:
    return contest._store.create(f"{place}/x", contest.ticket())


def _split_by_two_headers(contest: Contest, place: str) -> bool:
    store = contest._store
    return store.create(f"{place}/x", contest.ticket()) and store.create(f"{place}/y", b"{}")


def _split_by_listing(contest: Contest, place: str) -> bool:
    ticket, store = contest.ticket(), contest._store
    if not store.create(f"{place}/x", ticket) or store.list(f"{place}/y"):
        return False
    store.put(f"{place}/y", ticket)
    return store.get(f"{place}/x") == ticket


def _split_that_sends_x_twice(contest: Contest, place: str) -> bool:
    ticket, store = contest.ticket(), contest._store
    with contextlib.suppress(AmbiguousError):
        if not store.create(f"{place}/x", ticket):
            return False
    store.put(f"{place}/x", ticket)
    if store.get(f"{place}/y") is not None:
        return False
    store.put(f"{place}/y", ticket)
    return store.get(f"{place}/x") == ticket


def _identified_by_event(process_upload: Callable[..., Any]) -> Callable[..., Any]:
    def mutated(upload: InboxObject, *rest: Any) -> Any:
        request_id = rest[2] if len(rest) > 2 else ""
        peek = upload.peek._replace(etag=f"{upload.peek.etag}{request_id}")
        return process_upload(dataclasses.replace(upload, peek=peek), *rest)

    return mutated


def _identified_by_time(job_id: Callable[..., str]) -> Callable[..., str]:
    def mutated(upload: InboxObject, rule: Rule) -> str:
        return job_id(upload, with_fields(rule, repeat=True))

    return mutated


def _split_without_early_exit(contest: Contest, place: str) -> bool:
    ticket, store = contest.ticket(), contest._store
    if not store.create(f"{place}/x", ticket) or store.get(f"{place}/y") is not None:
        return False
    store.put(f"{place}/y", ticket)
    return store.get(f"{place}/x") == ticket


def _commit_after_reading_abort(contest: Contest, place: str) -> bool:
    if contest._store.get(f"{place}/abort") is not None:
        return False
    contest._store.put(f"{place}/commit", contest.ticket())
    return True


def _commit_without_reading_abort(contest: Contest, place: str) -> bool:
    contest._store.put(f"{place}/commit", contest.ticket())
    return True


def _abort_without_reading_commit(contest: Contest, place: str) -> bool:
    contest._store.put(f"{place}/abort", b"{}")
    return True


def _abort_after_reading_commit(contest: Contest, place: str) -> bool:
    if contest._is_committed(place):
        return False
    contest._store.put(f"{place}/abort", b"{}")
    return True


def _claim_without_reading_again(claims: Claims, job: Job) -> Job | None:
    if job.is_owned(claims._lease.clock.now()):
        return None
    if claims.acquire(f"{job.id}/{job.revision:06d}") is None:
        return None
    return job


def _write_again_at_once(records: Records, job: Job) -> Job:
    key, body = f"jobs/{job.id}.json", job.model_dump_json(exclude_none=True).encode()
    with contextlib.suppress(AmbiguousError):
        records._store.put(key, body)
        return job
    records._store.put(key, body)
    return job


def _write_without_an_answer(records: Records, job: Job) -> Job:
    body = job.model_dump_json(exclude_none=True).encode()
    with contextlib.suppress(AmbiguousError):
        records._store.put(f"jobs/{job.id}.json", body)
    return job


def _announced_afterwards(write: Callable[..., Job]) -> Callable[..., Job]:
    def write_new(records: Records, job: Job) -> Job:
        written = write(records, job)
        time = 10**13 - int(job.created_at.timestamp() * 1000)
        source = f"{job.source.type}-{job.source.name}"
        write_note(records._store, job.marker)
        write_note(records._store, f"index/{time:013d}-{job.id}-{job.kind}-{source}")
        return written

    return write_new


def _not_owned(submitting: Callable[..., Job]) -> Callable[..., Job]:
    def without_owner(*arguments: Any) -> Job:
        return submitting(*arguments).model_copy(update={"owned_until": None})

    return without_owner


def _is_retryable(outcome: object, job: Job, runtime: Runtime) -> bool:
    return isinstance(outcome, (AmbiguousError, ThrottledError)) and runtime.has_time(3)


class _Forgetful:
    """A vendor whose lost answers look like throttles, as if they proved that nothing was done."""

    def __init__(self, upstream: TaskService) -> None:
        self._upstream = upstream

    def call(self, call: ApiCall) -> dict[str, Any]:
        try:
            return self._upstream.call(call)
        except AmbiguousError:
            raise ThrottledError("create") from None


def _forgets_ambiguity(submit_task: Callable[..., Job]) -> Callable[..., Job]:
    def submit(job: Job, call: ApiCall, runtime: Runtime) -> Job:
        forgetful = dataclasses.replace(runtime, upstream=_Forgetful(runtime.upstream))
        return submit_task(job, call, forgetful)

    return submit


def _refused(job: Job, runtime: Runtime) -> Job:
    return transitions.fail(job, JobError(type="refused", message="the session is known"), runtime)


def _send_again_whatever_the_kind(job: Job, runtime: Runtime) -> Job:
    return recover._recover_session(job, runtime)


def _without_images(store: Callable[..., Any]) -> Callable[..., Any]:
    return lambda job, runtime: store(job, runtime)[:0]


def _store_without_progress(job: Job, runtime: Runtime) -> Job:
    begun = storing._begin_storing(job, runtime)
    for image in results.missing_images(begun, runtime):
        try:
            stored = results.store_image(begun, image, runtime)
        except CloudError as error:
            return storing._stop_storing(begun, error, runtime)
        begun = begun.add_image(image.name, stored)
    results.store_description(begun, runtime)
    return transitions.end(begun.succeed(), runtime)


def _keeps_the_slot(begin: Callable[..., Job]) -> Callable[..., Job]:
    def begin_storing(job: Job, runtime: Runtime) -> Job:
        slots = runtime.ledger.slots
        with patch.object(slots, "release", lambda *_: False):
            storing = begin(job, runtime)
        attempt = storing.attempt.model_copy(update={"slot": job.attempt.slot})
        return storing.model_copy(update={"attempts": (*storing.attempts[:-1], attempt)})

    return begin_storing


def _none_if_unreadable(read: Callable[..., Job | None]) -> Callable[..., Job | None]:
    def none_if_unreadable(*arguments: Any) -> Job | None:
        with contextlib.suppress(BadRecordError):
            return read(*arguments)
        return None

    return none_if_unreadable


def _release_before_the_end(end: Callable[..., Job]) -> Callable[..., Job]:
    def ends(job: Job, runtime: Runtime) -> Job:
        transitions._release(job, runtime)
        return end(job, runtime)

    return ends


def _tell_after_the_end(end: Callable[..., Job]) -> Callable[..., Job]:
    def ends(job: Job, runtime: Runtime) -> Job:
        ended = end(job.model_copy(update={"webhook_url": ""}), runtime)
        return runtime.ledger.records.write(
            enqueue_delivery(ended.model_copy(update={"webhook_url": job.webhook_url}), runtime)
        )

    return ends


def _index_images_after_the_end(end: Callable[..., Job]) -> Callable[..., Job]:
    def ends(job: Job, runtime: Runtime) -> Job:
        postponed: list[Callable[[], Any]] = []

        def without_the_last(*requests: Callable[[], Any]) -> list[Any]:
            if postponed:
                return runtime.parallel(*requests)
            postponed.append(requests[-1])
            return [*runtime.parallel(*requests[:-1]), None]

        ended = end(job, dataclasses.replace(runtime, parallel=without_the_last))
        postponed[0]()
        return ended

    return ends


def _write_book_without_an_answer(books: Books, book: Book) -> None:
    with contextlib.suppress(AmbiguousError):
        key = f"budget/{book.month}/{book.revision:08d}.json"
        books._store.put(key, book.model_dump_json().encode())


def _settled_and_kept(settled: Callable[..., Book]) -> Callable[..., Book]:
    def settle(book: Book, used_images: dict[str, int]) -> Book:
        return settled(book, used_images).model_copy(update={"grants": book.grants})

    return settle


def _settled_too_early(ended: Callable[..., Iterator[tuple[str, int]]]) -> Callable[..., object]:
    def all_runs(book: Book, runtime: Runtime) -> dict[str, int]:
        return {**dict.fromkeys(book.grants, 0), **dict(ended(book, runtime))}

    return all_runs


def _fails(job: Job, error: CloudError, _: str, runtime: Runtime, **__: object) -> Job:
    refusal = JobError(type="refused", message=str(error), code=error.code)
    return transitions.fail(job, refusal, runtime)


def _fails_if_unclear(hold: Callable[..., Job]) -> Callable[..., Job]:
    def holds(job: Job, error: CloudError, *more: Any, **flags: Any) -> Job:
        is_unclear = isinstance(error, UnclearError)
        return (_fails if is_unclear else hold)(job, error, *more, **flags)

    return holds


# The table

CLAIM = trust_argument("claim")

MUTATIONS = (
    # Contests
    _of(
        "a contender does not read y",
        SPLIT,
        _always(_split_without_reading_y),
        look_in="contenders for a claim",
    ),
    _of(
        "a contender does not read x again",
        SPLIT,
        _always(_split_without_reading_x_again),
        look_in="contenders for a claim",
    ),
    _of(
        "a contender writes y before x",
        SPLIT,
        _always(_split_with_y_before_x),
        look_in="contenders for a claim",
    ),
    _of(
        "a contender reads y before its x is answered",
        SPLIT,
        _always(_split_that_reads_y_too_early),
        look_in="contenders for a claim",
    ),
    _of("a contender trusts the header", SPLIT, _always(_split_by_header), look_in="for a claim"),
    _of(
        "a contender trusts the header for x and y",
        SPLIT,
        _always(_split_by_two_headers),
        look_in="contenders for a claim",
    ),
    _of(
        "a contender trusts a listing to show y",
        SPLIT,
        _always(_split_by_listing),
        look_in="contenders for a claim",
    ),
    _of(
        "a contender without an answer writes x again",
        SPLIT,
        _always(_split_that_sends_x_twice),
        look_in="contenders for a claim",
    ),
    _of(
        "a contender does not yield early when x has another token",
        SPLIT,
        _always(_split_without_early_exit),
        harmless="more contenders yield together, which only costs time",
    ),
    _of(
        "a generation begins while contenders of the one before may still run",
        "ledger.contest:Contest.acquire",
        assume("_has_expired", True),
        look_in="contenders for a claim",
    ),
    _of(
        "a winner does not read abort",
        "ledger.contest:Contest._commit",
        _always(_commit_without_reading_abort),
        look_in="for a creation",
    ),
    _of(
        "a winner reads abort before it writes commit",
        "ledger.contest:Contest._commit",
        _always(_commit_after_reading_abort),
        look_in="for a creation",
    ),
    _of(
        "a contender that aborts does not read commit",
        "ledger.contest:Contest._abort",
        _always(_abort_without_reading_commit),
        look_in="for a creation",
    ),
    _of(
        "a contender that aborts reads commit only before",
        "ledger.contest:Contest._abort",
        _always(_abort_after_reading_commit),
        look_in="for a creation",
    ),
    _of(
        "a winner of a later generation does not check for the record",
        "ledger.contest:Contest.create_once",
        assume("find", None),
        harmless="the generation before had no winner, or its winner's record was checked",
    ),
    # Creating
    _of(
        "a repeated call is created without a contest",
        "accept:accept",
        assume("find_or_win", None),
    ),
    Mutation(
        title="the record is written before its marker and its index entry",
        changes=(
            ("ledger.records:Records.announce", _always(lambda records, job: None)),
            ("ledger.records:Records.write_new", replace(_announced_afterwards)),
        ),
    ),
    _of(
        "a line of a batch is written without its marker",
        "launch:enqueue",
        omit("announce"),
        look_in="a line of a batch is processed while the sweep runs",
    ),
    _of(
        "the second step for a slot is left out",
        "ledger.slots:Slots.mark",
        _always(lambda *_: True),
        look_in="contenders for a slot",
    ),
    _of(
        "the last step for a slot is left out",
        "ledger.slots:Slots.confirm",
        _always(lambda *_: True),
        look_in="contenders for a slot",
    ),
    _of(
        "a new job is submitted before its record is written",
        "launch:_submit_in_slot",
        trust_argument("write_new"),
    ),
    _of(
        "a new job does not check its lane again after it was queued",
        "launch:launch",
        omit("pump"),
        look_in="becomes free while a job is accepted",
    ),
    _of(
        "the invocation that submits a job does not own its record",
        "job:Job.submit",
        replace(_not_owned),
    ),
    # Claims and records
    _of(
        "an inherited claim is used without reading the record again",
        "ledger.claims:Claims.claim",
        _always(_claim_without_reading_again),
        look_in="a slow status call",
    ),
    _of(
        "a job is changed before its owner has finished",
        "ledger.claims:Claims.claim",
        assume("is_owned", False),
        look_in="while the sender is still",
    ),
    _of(
        "contests are removed as soon as a job has ended",
        "ledger.claims:Claims.is_over",
        assume("has_expired", True),
        look_in="settles and cleans up",
    ),
    _of(
        "the contest on a job's last revision is removed too",
        "ledger.claims:Claims.forget_claims",
        assume("startswith", False),
        look_in="replayed twice",
    ),
    _of(
        "the key that leads to a job's contests is removed first",
        "ledger.claims:Claims.forget_claims",
        postpone("delete", behind="delete"),
        look_in="after a refused call",
    ),
    _of(
        "a write without an answer is repeated at once",
        "ledger.records:Records._put",
        _always(_write_again_at_once),
    ),
    _of(
        "a write without an answer counts as done",
        "ledger.records:Records._put",
        _always(_write_without_an_answer),
        look_in="two calls for",
    ),
    # Clocks
    _of(
        "a worker uses its own clock",
        "clock:LedgerClock._current_bounds",
        _always(_by_its_own_clock),
        look_in="clocks are an hour apart",
    ),
    _of(
        "a worker does not ask for the time before its first request",
        "clock:LedgerClock.ensure",
        _always(_not_at_all),
        harmless="only the first times that an instance writes are wrong, so its jobs start later",
        look_in="clocks are an hour apart",
    ),
    _of(
        "the end of a lease ignores the uncertainty of the time",
        "clock:LedgerClock.latest",
        _always(lambda clock: clock.now()),
        harmless="the margin of a lease covers it: a second and the time of a request",
        look_in="clocks are an hour apart",
    ),
    # Slots
    _of(
        "a slot is taken without reading x again",
        "ledger.slots:Slots.win",
        assume("confirm", True),
        look_in="two pumps contend",
    ),
    _of(
        "a slot is released without comparing its token",
        "ledger.slots:Slots.release",
        assume("_has_token", True),
        look_in="was released again",
    ),
    _of(
        "a slot is released twice when the answer is lost",
        "ledger.slots:Slots.release",
        call_instead("delete_once", "delete"),
        look_in="is released while two contend",
    ),
    _of(
        "y of a slot is removed before x",
        "ledger.slots:Slots.release",
        postpone("delete", behind="_parallel"),
        harmless="a contender writes y after it saw none, so no y of a winner is removed;"
        " without its x a winner is safe, and another contender yields",
    ),
    _of(
        "a slot is reclaimed while its contenders may still run",
        "ledger.slots:Slots.reclaim",
        assume("is_expired", True),
        look_in="a sweep releases a slot while two",
    ),
    _of(
        "two sweeps reclaim a slot",
        "ledger.slots:Slots.reclaim",
        assume("acquire", 0),
        look_in="two sweeps release a slot while",
    ),
    _of(
        "the entry of a slot's holder is removed while its job may still run",
        "recover:_remove_orphaned_entry",
        assume("has_expired", True),
        look_in="while the sweep runs",
    ),
    _of(
        "a slot is released before the record says that the job has ended",
        "transitions:end",
        replace(_release_before_the_end),
        look_in="a task ends while",
    ),
    # Starting
    _of("a job is submitted without a claim", "dispatch:_start", CLAIM, look_in="two sweeps start"),
    _of(
        "the call is made before the record says so",
        "dispatch:_submit",
        trust_argument("write"),
    ),
    _of(
        "a marker is removed while its record is being written",
        "dispatch:_remove_orphaned_marker",
        assume("has_expired", True),
        look_in="three calls for two slots",
    ),
    _of(
        "a throttle after a lost answer counts as a proof that nothing was accepted",
        "submission:submit_task",
        replace(_forgets_ambiguity),
    ),
    _of(
        "a call of MPS is repeated after a lost answer",
        "submission:_may_repeat",
        _always(_is_retryable),
    ),
    _of(
        "the answer that a session is known counts as a refusal",
        "submission:_find_task",
        _always(_refused),
    ),
    _of(
        "a lost answer is not recorded",
        "job:Job.mark_ambiguous",
        drop_call("_with_attempt"),
        harmless="a sweep records the lost answer itself before it repeats the call",
    ),
    _of(
        "a job is cancelled for its deadline without a claim",
        "transitions:expire",
        CLAIM,
        look_in="while a waiting job is started",
    ),
    _of(
        "a job is queued again before its new marker is written",
        "transitions:queue_again",
        postpone("enqueue", behind="write"),
        look_in="two calls for",
    ),
    _of(
        "a job that is queued again keeps its session",
        "job:session_id",
        _always(lambda stem, number: f"{stem}-1"),
        look_in="has no capacity",
    ),
    # Settling
    _of("a task's end is written without a claim", "settle:settle", CLAIM),
    _of(
        "the images of a submission with an unknown outcome are stored without a claim",
        "settle:store_staged",
        CLAIM,
        look_in="find the images of",
    ),
    _of(
        "storing is continued without a claim",
        "settle:_claim_and_store",
        CLAIM,
        look_in="continue to store",
    ),
    _of(
        "a callback that arrives too early is ignored",
        "settle:_settle_reported",
        omit("note_task"),
        look_in="callback arrives while",
    ),
    _of(
        "no note is written for images that are stored later",
        "storing:_leave_to_sweep",
        omit("note_follow_up"),
        harmless="the note of the step before leads to the job, and is then written again",
        look_in="denied for a day",
    ),
    _of(
        "a job without a slot is written before the note that leads to it",
        "storing:_begin_storing",
        postpone("note", behind="write"),
        harmless="an earlier note leads to the job, and the later one is then written again",
        look_in="two sweeps continue after",
    ),
    _of(
        "a note is removed while its job is about to be written",
        "ledger.records:Records.remove_orphaned",
        assume("has_expired", True),
        look_in="is restored",
    ),
    _of(
        "a job succeeds without its images",
        "results:missing_images",
        replace(_without_images),
        look_in="a task ends while",
    ),
    _of(
        "the record does not say which images are stored",
        "storing:store_images",
        _always(_store_without_progress),
        look_in="store three images",
    ),
    _of(
        "the slot is released only after the images are stored",
        "storing:_begin_storing",
        replace(_keeps_the_slot),
        look_in="while a job waits for the slot",
    ),
    _of(
        "storing stops after an hour",
        "storing:store_until",
        _always(lambda job, runtime: runtime.now() + timedelta(hours=1)),
        look_in="denied for a day",
    ),
    _of(
        "storing stops after eight deaths",
        "job:Job.is_storing_over",
        _always(lambda job: job.fruitless_tries >= 8),
        look_in="denied for a day",
    ),
    # Restoring
    _of(
        "a failed job is restored without a claim",
        "restore:restore",
        CLAIM,
        look_in="is restored twice",
    ),
    _of(
        "a restore pays again",
        "restore:restore",
        _always(lambda job_id, runtime: replay_job(job_id, runtime, pays_again=True)),
        look_in="is restored twice",
    ),
    _of(
        "a restore writes no note",
        "restore:_store_again",
        omit("note_follow_up"),
        look_in="is restored twice",
    ),
    # Records that cannot be read
    _of(
        "the marker of an unreadable job is removed",
        "dispatch:_read",
        replace(_none_if_unreadable),
        look_in="newer version waits",
    ),
    _of(
        "the slot of an unreadable job is freed",
        "recover:_keep_slot",
        assume("has_passed", True),
        look_in="newer version runs",
    ),
    _of(
        "the end of a job writes no note",
        "transitions:end",
        assume("note_end", None),
        look_in="after a refused call",
    ),
    # Cancelling, replaying, recovering
    _of(
        "a waiting job is cancelled without a claim",
        "cancel:_cancel_queued",
        CLAIM,
        look_in="is cancelled while a sweep",
    ),
    _of(
        "a failed job is replayed without a claim",
        "replay:replay",
        CLAIM,
        look_in="replayed twice",
    ),
    _of(
        "a call is repeated without a claim",
        "recover:_recover_session",
        CLAIM,
        look_in="two sweeps repeat a call",
    ),
    _of(
        "a repeated call counts as the first",
        "job:Job.submit_again",
        drop_call("_with_attempt"),
        look_in="answers of the vendor",
    ),
    _of(
        "a call of MPS is repeated after an invocation died",
        "recover:_recover",
        _always(_send_again_whatever_the_kind),
    ),
    _of(
        "a job is declared failed without a claim",
        "submission:give_up",
        CLAIM,
        look_in="is declared failed",
    ),
    _of(
        "the copies of MPS are removed after the key that leads to them",
        "recover:_forget",
        postpone("remove_staged", behind="forget_claims"),
        look_in="the copies of MPS",
    ),
    # Uploads
    _of(
        "the sweep does not walk through the inbox",
        "aigc.uploads.reconcile:reconcile_inbox",
        omit("each"),
        look_in="no event reports",
    ),
    _of(
        "the entry of an upload is written before its job",
        "aigc.uploads.intake:process_upload",
        postpone("accept", behind="write"),
        look_in="no event reports",
    ),
    _of(
        "the id of an upload's job is derived from the event",
        "aigc.uploads.intake:process_upload",
        replace(_identified_by_event),
        look_in="repeated under another",
    ),
    _of(
        "the id of an upload's job is derived from the time of the upload",
        "aigc.uploads.inbox_object:InboxObject.job_id",
        replace(_identified_by_time),
        look_in="copied onto itself",
    ),
    _of(
        "an entry that a listing does not show is not read by its key",
        "aigc.uploads.reconcile:Reconciliation.check",
        assume("_is_settled_by_key", False),
        harmless="the object is read, and its job is found by its id",
    ),
    _of(
        "a copy of an object onto itself is processed as a new upload",
        "aigc.uploads.reconcile:Reconciliation.check",
        assume("_is_unchanged", False),
        harmless="the job is found by its id; it is another one only if the rules have changed",
    ),
    # A refused account, and overdue tasks
    _of(
        "a pump ignores the pause of its lane",
        "dispatch:_start_waiting",
        assume("blocks", False),
        look_in="paused lane is probed",
    ),
    _of(
        "probes come without a backoff",
        "pauses:begin_probe",
        _always(lambda *_: None),
        look_in="paused lane is probed",
    ),
    _of(
        "an accepted task does not end the pause",
        "dispatch:_start",
        omit("resume"),
        look_in="is repaired while a lane",
    ),
    _of(
        "a job fails when the account is refused",
        "submission:_hold",
        _always(_fails),
        look_in="account is refused while calls",
    ),
    _of(
        "a job that is refused with an unclear code fails at once",
        "submission:_hold",
        replace(_fails_if_unclear),
        look_in="an unclear code",
    ),
    _of(
        "the marker of a held job is removed",
        "transitions:hold",
        call_instead("_release_slot", "_release"),
        look_in="account is refused while calls",
    ),
    _of(
        "a job is held before its new marker is written",
        "transitions:hold",
        postpone("enqueue", behind="write"),
        look_in="an unclear code",
    ),
    _of(
        "a refused query does not pause the lane",
        "settle:_observe_running",
        omit("note_refused_query"),
        look_in="a query is refused",
    ),
    _of(
        "a submission with an unknown outcome fails after half an hour",
        "recover:_recover_session",
        assume("is_session_forgotten", True),
        look_in="an unclear code after an answer was lost",
    ),
    _of(
        "a submission with an unknown outcome keeps its slot",
        "transitions:mark_ambiguous",
        assume("has_passed", False),
        look_in="the outcome of a submission stays unknown",
    ),
    _of(
        "the pump skips an overdue submission",
        "job:Job.waits_for_slot",
        _always(lambda job: job.state == "queued"),
        look_in="an unclear code after an answer was lost",
    ),
    _of(
        "an overdue submission is written before its marker",
        "transitions:_wait_to_repeat",
        postpone("enqueue", behind="write"),
        look_in="an unclear code after an answer was lost",
    ),
    _of(
        "no key leads to a task that runs without a slot",
        "transitions:mark_running",
        omit("note_follow_up"),
        look_in="while the slot of its submission",
    ),
    _of(
        "an overdue submission is repeated when the vendor has forgotten its session",
        "dispatch:_may_start",
        assume("is_session_forgotten", False),
        look_in="the vendor lists no tasks",
    ),
    _of(
        "a call is repeated when the vendor has forgotten its session",
        "recover:_recover_session",
        assume("is_session_forgotten", False),
        look_in="has forgotten a session",
    ),
    _of(
        "an overdue task keeps its slot",
        "settle:_is_overdue",
        assume("has_passed", False),
        look_in="a task does not end",
    ),
    _of(
        "no key leads to an overdue task",
        "settle:_release_overdue",
        omit("note_follow_up"),
        look_in="an overdue task ends",
    ),
    _of(
        "the note of an overdue task is removed although the later one is missing",
        "recover:_follow_noted",
        omit("note_follow_up"),
        look_in="after two invocations died",
    ),
    _of(
        "the slot of an overdue task is released without a claim",
        "settle:_release_overdue",
        CLAIM,
        look_in="while the slot of its task",
    ),
    # The index of images
    _of(
        "the images of a job are listed after the record says that it has succeeded",
        "transitions:end",
        replace(_index_images_after_the_end),
        look_in="two sweeps store three images",
    ),
    _of(
        "images are listed by the time of each attempt to end their job",
        "ledger.images:ended_at",
        _always(lambda job: job.updated_at),
        look_in="two sweeps store three images",
    ),
    # Webhooks
    _of(
        "a webhook's marker is written after the record says that the job has ended",
        "transitions:end",
        replace(_tell_after_the_end),
        look_in="a webhook is sent",
    ),
    _of(
        "a failed try of a webhook writes no note for the next",
        "webhooks:_conclude",
        omit("_write_marker"),
        look_in="a webhook is sent",
    ),
    _of(
        "a webhook's marker is removed while its job is about to end",
        "webhooks:_make_try",
        assume("has_expired", True),
        look_in="sees a webhook's",
    ),
    _of(
        "two invocations send the same try of a webhook",
        "webhooks:_make_try",
        assume("acquire", 0),
        harmless="the receiver gets the same message twice, which the documentation allows",
    ),
    # Ceilings
    _of(
        "a revision of the book is written without a contest",
        "ledger.books:Books.append",
        assume("create_once", None),
        look_in="two invocations reserve",
    ),
    _of(
        "a book that was written without an answer counts as written",
        "ledger.books:Books._write",
        _always(_write_book_without_an_answer),
        look_in="a ceiling",
    ),
    _of(
        "a job is submitted without a share",
        "dispatch:_has_budget",
        _always(lambda _job, _runtime: True),
        look_in="a ceiling",
    ),
    _of(
        "shares that are reserved do not count",
        "ledger.books:Book.reserved",
        _always(lambda _book, _account: 0),
        look_in="last share",
    ),
    _of(
        "a share is settled and stays reserved",
        "ledger.books:Book.settled",
        replace(_settled_and_kept),
        look_in="a ceiling",
    ),
    _of(
        "a job that has not ended releases its share",
        "budget:_ended_runs",
        replace(_settled_too_early),
        look_in="a ceiling",
    ),
    _of(
        "a job that may be billed releases its share",
        "budget:_used_images",
        _always(lambda job, _run, _asked: len(job.images)),
        look_in="whose outcome stays unknown",
    ),
    _of("a job is deferred without a claim", "budget:defer", CLAIM, look_in="finds no share"),
    _of("a job is released without a claim", "budget:_requeue", CLAIM, look_in="releases it"),
    _of(
        "a job is deferred before its new marker is written",
        "budget:defer",
        postpone("enqueue", behind="write"),
        look_in="a ceiling",
    ),
    _of(
        "a job is released before its new marker is written",
        "budget:_requeue",
        postpone("enqueue", behind="write"),
        look_in="releases it",
    ),
)
QUICK = (
    "shares that are reserved do not count",
    "a contender does not read y",
    "a winner does not read abort",
    "a job is submitted without a claim",
    "the answer that a session is known counts as a refusal",
)
"""The mutations that `make test` tries: one of each kind."""
