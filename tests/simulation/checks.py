"""What must hold at the end of a simulation, when no worker is running."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aigc.cloud.error_codes import class_of
from aigc.errors import AccountError, UnclearError
from aigc.jobs.buckets import STAGING
from aigc.jobs.job import ENDED, FORMAT, Job, milliseconds
from aigc.jobs.ledger.books import Book
from aigc.jobs.ledger.images import IMAGES, image_sets
from aigc.jobs.ledger.lanes import Lanes
from aigc.jobs.usage import MAYBE_BILLED
from aigc.jobs.webhooks import message_id
from tests.fakes import LEASE_S
from tests.simulation.cloud import describe

if TYPE_CHECKING:
    from aigc.jobs.ledger.lanes import Marker
    from tests.simulation.cloud import Cloud
    from tests.simulation.vendor import Task

NO_IMAGE = "is no image"
"""End of the error of a job whose image was none."""

KEPT = (
    "jobs/",
    "index/",
    "images/",
    "usage/",
    "deliveries/",
    "dead/",
    "sweep/",
    "uploads/",
    "inbox/",
    "budget/",
)
"""What the ledger keeps of jobs that have ended, of sweeps and of uploads."""


def broken_promises(cloud: Cloud) -> list[str]:
    """Return all broken promises."""
    return [
        *cloud.problems,
        *_paid_too_often(cloud),
        *_wrongly_failed(cloud),
        *_failed_for_the_account(cloud),
        *_not_in_index(cloud),
        *_wrong_images(cloud),
        *_wrong_webhooks(cloud),
        *_repeated_uploads(cloud),
        *_wrong_book(cloud),
        *unfinished(cloud),
    ]


def unfinished(cloud: Cloud) -> list[str]:
    """Find jobs that have not ended, and objects that should have been removed."""
    left = [key for key in cloud.ledger.objects if not _may_stay(key, cloud)]
    staged = [key for key in cloud.results.objects if _is_staged_in_time(key, cloud)]
    open_records = [record for record in cloud.records() if record["state"] not in ENDED]
    return [
        *(f"{describe(record)} never ends" for record in open_records),
        *(f"{key} is left over" for key in (*left, *staged)),
        *(f"{key} has no job or no entry" for key in _lost_uploads(cloud)),
        *(f"{run} was never settled" for run in newest_book(cloud).grants),
    ]


def _lost_uploads(cloud: Cloud) -> list[str]:
    """Find uploads without a job, or without an entry that names it."""
    entries = [
        json.loads(body)
        for key, (body, _) in cloud.ledger.objects.items()
        if key.startswith("uploads/")
    ]
    taken = {job["id"]: entry["key"] for entry in entries for job in entry["jobs"]}
    has_job = {taken.get(job.id) for job in cloud.jobs()}
    return [key for key in cloud.inbox.objects if key not in has_job]


def _repeated_uploads(cloud: Cloud) -> list[str]:
    """Find uploads of one content that became several jobs."""
    keys = [job.source.key for job in cloud.jobs() if job.source.type == "upload"]
    return [f"{key} became {keys.count(key)} jobs" for key in set(keys) if keys.count(key) > 1]


def _is_staged_in_time(key: str, cloud: Cloud) -> bool:
    """Whether a key is a staged image that was written before its job had ended.

    MPS may write one hours after a submission without an answer was given up.
    """
    if not key.startswith(STAGING):
        return False
    record = cloud.record(key.removeprefix(STAGING).split("/")[0])
    written_at = cloud.results.objects[key][1]
    is_over = record is not None and record["state"] in ENDED
    return not is_over or written_at - _ended_at(record) < timedelta(seconds=2 * LEASE_S)


def idle_slots(cloud: Cloud) -> list[str]:
    """Find free slots of lanes in which a job waits."""
    lanes = Lanes(cloud.ledger, cloud.clock)
    return [
        f"{marker.job_id} waits although a slot of lane {lane} is free"
        for lane, limit in cloud.settings.lanes.items()
        for view in [lanes.view(lane)]
        for marker in view.waiting()
        if len(view.slots) < limit and not (view.cuts or view.is_refused) and _is_due(marker, cloud)
    ]


def _is_due(marker: Marker, cloud: Cloud) -> bool:
    """Whether a job could be started now: where all contenders for it yielded, a lease later."""
    record = cloud.record(marker.job_id)
    if record is None or record["state"] != "queued" or marker.not_before > cloud.clock.moment:
        return False
    if record["record_format"] > FORMAT:
        return False
    contest = f"claims/{record['id']}/{record['revision']:06d}/"
    return not any(key.startswith(contest) for key in cloud.ledger.objects)


def _may_stay(key: str, cloud: Cloud) -> bool:
    """Whether a key may stay for good; the claim of a replay that died may.

    So may the contest of a creation that died before there was a record, and a pause: the next
    job of its lane is the next probe.
    """
    if key.startswith(KEPT) or (key.startswith("lanes/") and key.endswith("/pause")):
        return True
    if key.startswith("creations/"):
        return cloud.record(key.split("/")[1]) is None
    if not key.startswith("claims/"):
        return False
    job_id, step = key.split("/")[1:3]
    record = cloud.record(job_id)
    return (
        record is not None and record["state"] == "failed" and step == f"{record['revision']:06d}"
    )


def _paid_too_often(cloud: Cloud) -> list[str]:
    """Find jobs that were paid twice, or were paid and cancelled."""
    problems = []
    for job in cloud.jobs():
        paid = [task.id for task in _tasks(job, cloud) if task.state == "done"]
        if len(paid) > (0 if job.state == "cancelled" else 1):
            problems.append(f"{_describe(job)} was paid: {', '.join(paid)}")
    return problems


def _wrongly_failed(cloud: Cloud) -> list[str]:
    """Find failed jobs whose task succeeded, where the functions could know that."""
    return [
        f"{_describe(job)} although {task.id} succeeded"
        for job in cloud.jobs()
        if job.state == "failed" and not _was_no_image(job)
        for task in _tasks(job, cloud)
        if task.state == "done" and _could_be_known(task, job, cloud)
    ]


def _was_no_image(job: Job) -> bool:
    """Whether the job failed since the vendor's file was no image; only a restore goes on."""
    return job.error is not None and job.error.message.endswith(NO_IMAGE)


def _failed_for_the_account(cloud: Cloud) -> list[str]:
    """Find jobs that failed since the account was refused, or that cannot be replayed.

    A job that alone gets an unclear code may fail; the code does not say that its task is at fault.
    """
    problems = []
    for job in cloud.jobs():
        kind = class_of(job.error.code) if job.error and job.error.code else None
        if job.state == "failed" and kind is AccountError:
            problems.append(f"{_describe(job)} although only the account was refused")
        if kind is UnclearError and f"dead/jobs/{job.id}.json" not in cloud.ledger.objects:
            problems.append(f"{_describe(job)} cannot be replayed")
    return problems


def _could_be_known(task: Task, job: Job, cloud: Cloud) -> bool:
    """Whether a finished task was visible: by its image (MPS), a list, or a timely callback.

    The vendor forgets a task after days. Even then a job that a callback has named the task of is
    not given up as one of which nothing is known.
    """
    callback_at = cloud.callbacks.get(task.id, cloud.clock.moment)
    is_named = job.updated_at - callback_at > timedelta(seconds=LEASE_S)
    if job.updated_at - task.created_at > timedelta(days=2):
        return is_named and job.error is not None and job.error.type == "submission_unknown"
    if not task.session_id:
        return cloud.vendor.written_at[task.id] < job.updated_at
    return cloud.vendor.lists_tasks or is_named


def _not_in_index(cloud: Cloud) -> list[str]:
    """Find jobs that the index does not show exactly once."""
    entries = [key.split("-")[:2] for key in cloud.ledger.objects if key.startswith("index/")]
    return [
        f"{_describe(job)} is {times} times in the index"
        for job in cloud.jobs()
        if (times := entries.count([_index_time(job), job.id])) != 1
    ]


def _wrong_images(cloud: Cloud) -> list[str]:
    """Find jobs that succeeded and whose images are not listed once; others must not be listed."""
    sets = [*image_sets(sorted(key for key in cloud.ledger.objects if key.startswith(IMAGES)))]
    return [
        f"{_describe(job)}: its images are listed {times} times"
        for job in cloud.jobs()
        if (times := sum(entry.job_id == job.id and entry.is_of(job) for entry in sets))
        != (job.state == "succeeded")
    ]


def _wrong_webhooks(cloud: Cloud) -> list[str]:
    """Find jobs whose webhook did not arrive, or arrived with another id or state."""
    problems = []
    for job in cloud.jobs():
        arrived = {
            (message, state) for job_id, message, state in cloud.webhooks if job_id == job.id
        }
        expected = {(message_id(job), job.state)} if job.webhook_url else set()
        if job.restores:  # its first end may have been reported, too
            arrived.discard((f"msg_{job.id}", "failed"))
        is_given_up = f"dead/webhooks/{job.id}.json" in cloud.ledger.objects
        if arrived != expected and not (is_given_up and arrived <= expected):
            problems.append(f"{_describe(job)}: webhooks {arrived or 'none'}")
    return problems


def _wrong_book(cloud: Cloud) -> list[str]:
    """Find ceilings whose book does not count what the jobs have used, after all have ended."""
    jobs = cloud.jobs()
    if any(job.spent_attempts for job in jobs):
        return []
    book = newest_book(cloud)
    expected = sum(_expected_use(job) for job in jobs)
    return [
        f"{ceiling.name} counts {used} images used and not {expected}"
        for ceiling in cloud.ceilings
        if (used := _used_of(ceiling.name, book)) != expected
    ]


def newest_book(cloud: Cloud) -> Book:
    """Read the book with the highest revision; an empty one if there is none."""
    keys = [key for key in cloud.ledger.objects if key.startswith("budget/")]
    last = max((key for key in keys if key.endswith(".json")), default="")
    return Book.model_validate_json(cloud.ledger.objects[last][0]) if last else Book(month="")


def _used_of(ceiling: str, book: Book) -> int:
    return sum(amount for account, amount in book.used.items() if account.startswith(f"{ceiling}@"))


def _expected_use(job: Job) -> int:
    """Return how many images a job has used, or one if that is not known: all ask for one."""
    is_unknown = job.error is not None and job.error.type in MAYBE_BILLED
    return 1 if is_unknown else len(job.images)


def _ended_at(record: dict[str, Any] | None) -> datetime:
    assert record is not None
    return datetime.fromisoformat(record["updated_at"])


def _tasks(job: Job, cloud: Cloud) -> list[Task]:
    return [task for task in cloud.tasks() if task.job_id == job.id]


def _index_time(job: Job) -> str:
    return f"index/{10**13 - milliseconds(job.created_at):013d}"


def _describe(job: Job) -> str:
    return f"jobs/{job.id}.json ({job.state}, revision {job.revision})"
