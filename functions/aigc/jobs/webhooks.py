"""Webhooks: whoever asked to be told of a job's end is told, at least once, under one message id.

| key in the ledger | what it is |
|---|---|
| `webhooks/<due>-<job>-<try>-<host>` | a try that is owed; sorted by when it is due |
| `claims/webhook-<job>/<end>-<step>/<g>/…` | a contest: one invocation only makes this try |
| `deliveries/<job>.json` | what came of the tries; what says which try is the next |
| `dead/webhooks/<job>.json` | a delivery that was given up |

The order of the writes is what makes it safe:

1. the marker of the first try is written before the record that says that the job ended;
2. a try is claimed by its number, which the delivery does not reach again: what was read before
   the claim is true until it is written, unless an earlier holder died and it is read again;
3. the next try's marker is written before the delivery that says that this one failed;
4. a marker is removed last, and one that belongs to no try to come leads to nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from aigc.errors import CloudError
from aigc.jobs.job import milliseconds
from aigc.jobs.ledger import OF_A_WEBHOOK, PAGE
from aigc.jobs.ports import Reply
from aigc.signing import signed_headers
from aigc.wire import Record, with_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

WAITS_S = (5, 30, 120, 300, 600, 900, 1200, 1800, 2100)
"""Seconds between the tries, two hours in all; the sweep comes once a minute."""

TIMEOUT_S = 10.0
"""How long a receiver may take."""

LEAST_S = 2.0
"""With less time for the receiver, a try is left to the next invocation."""

MARGIN_S = 3.0
"""What writing down the outcome needs of an invocation's time."""

_MARKERS = "webhooks/"
_DEAD = "dead/webhooks/"


class Try(Record):
    """One POST, and what came of it."""

    at: datetime
    status: int | None = None
    error: str = ""
    """Why there was no answer."""

    @property
    def is_delivery(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus(300)


class Delivery(Record):
    """What became of a job's webhook."""

    message_id: str
    url: str
    """Without its query, which may be a secret."""
    state: Literal["pending", "delivered", "dead"] = "pending"
    tries: tuple[Try, ...] = ()
    spent_tries: int = 0
    """Those before somebody had it replayed."""

    @property
    def next_try(self) -> int | None:
        """Number of the try to come; None where there is none."""
        return len(self.tries) if self.state == "pending" else None

    @property
    def wait(self) -> timedelta | None:
        """How long the next try is to wait for after the last one; None where it was the last."""
        failed = len(self.tries) - self.spent_tries
        if failed > len(WAITS_S) or self.tries[-1].status == HTTPStatus.GONE:
            return None
        # Spread: what failed together must not return together.
        return timedelta(seconds=WAITS_S[failed - 1] * random.uniform(0.8, 1.2))  # noqa: S311  no secret

    def add_try(self, made: Try) -> Delivery:
        """Add a try that was made."""
        return with_fields(self, tries=(*self.tries, made))

    def mark_delivered(self) -> Delivery:
        """Say that the receiver has the message."""
        return with_fields(self, state="delivered")

    def mark_dead(self) -> Delivery:
        """Say that no try is left."""
        return with_fields(self, state="dead")

    def revive(self) -> Delivery:
        """Start a new series of tries."""
        return with_fields(self, state="pending", spent_tries=len(self.tries))


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """A try that is owed, as its marker tells it."""

    key: str
    due: datetime
    job_id: str
    number: int
    host: str
    """A digest: tries for the same receiver can be told by their markers."""
    modified: datetime


def enqueue_delivery(job: Job, runtime: Runtime) -> Job:
    """Write the marker for a job that is about to end, and name it in the job.

    Each call writes a marker of its own: the one of somebody who died before he wrote the record
    may be removed any time.
    """
    if not job.webhook_url:
        return job
    return job.name_webhook(_mark(job, 0, runtime.now(), runtime))


def deliver(job: Job, runtime: Runtime) -> None:
    """Make the first try at once if time allows; whatever goes wrong in it is left to the sweep."""
    if not job.has_ended or not job.webhook_marker or not _has_time(runtime):
        return
    _look_after(_owed(job.webhook_marker, runtime.now()), runtime)


def deliver_due(runtime: Runtime) -> int:
    """Make the tries that are due, those that waited longest first; say how many were made.

    A host that does not answer is left alone after that: each of its webhooks would take all of
    a receiver's time from those of others.
    """
    silent: set[str] = set()
    made = 0
    for owed in _due(runtime):
        if not _has_time(runtime):
            break
        if owed.host in silent:
            continue
        reply = _look_after(owed, runtime)
        made += reply is not None
        if reply is not None and reply.status is None:
            silent.add(owed.host)
    return made


def delivery(job: Job, runtime: Runtime) -> Delivery:
    """Read what came of the tries so far; none were made where nothing tells of this end."""
    body = runtime.bucket.get(_delivery_key(job.id))
    url = urlsplit(job.webhook_url)._replace(query="", fragment="").geturl()
    new = Delivery(message_id=message_id(job), url=url)
    read = new if body is None else Delivery.model_validate_json(body)
    return read if read.message_id == new.message_id else new


def dead_webhooks(runtime: Runtime, after: str = "") -> list[str]:
    """List the jobs whose webhook was given up, a page of them at most."""
    listed = runtime.bucket.list(_DEAD, after and _dead_key(after))
    return [one.key.removeprefix(_DEAD).removesuffix(".json") for one in listed]


def redeliver(job_id: str, runtime: Runtime) -> Literal["queued", "not_dead", "busy"]:
    """Give a delivery that was given up its tries once more, from now on.

    Done twice, or by two at once, it makes one more series: the second finds it pending.
    """
    job = runtime.ledger.read(job_id)
    known = None if job is None else delivery(job, runtime)
    if job is None or known is None or known.state != "dead":
        runtime.bucket.delete(_dead_key(job_id))
        return "not_dead"
    if runtime.ledger.acquire(_claim(job, f"again-{len(known.tries)}")) is None:
        return "busy"
    is_dead = _revive(job, runtime)
    runtime.bucket.delete(_dead_key(job_id))
    return "queued" if is_dead else "not_dead"


def message_id(job: Job) -> str:
    """Name what all tries to tell of one end have in common: receivers know a repeat by it.

    A job that was replayed ends a second time, which is another message.
    """
    return f"msg_{job.id}" + (f"-{job.spent_attempts}" if job.spent_attempts else "")


def _due(runtime: Runtime) -> Iterator[PendingDelivery]:
    after = ""
    while True:
        page = runtime.bucket.list(_MARKERS, after, PAGE)
        for listed in page:
            owed = _owed(listed.key, listed.modified)
            if owed.due > runtime.now():
                return
            yield owed
        if len(page) < PAGE:
            return
        after = page[-1].key


def _revive(job: Job, runtime: Runtime) -> bool:
    """Owe another try of a dead delivery; False where it is not dead."""
    known = delivery(job, runtime)
    if known.state != "dead":
        return False
    _mark(job, len(known.tries), runtime.now(), runtime)
    _write(job, known.revive(), runtime)
    return True


def _look_after(owed: PendingDelivery, runtime: Runtime) -> Reply | None:
    """Make a try, alone; None where none was made. What goes wrong is left to the sweep.

    After a crash or a failure the claim stays: another invocation takes over after a lease.
    """
    try:
        return _made(owed, runtime)
    except CloudError as error:
        logger.warning("webhook_left", extra={"job": owed.job_id, "code": error.code})
    except Exception:
        logger.exception("webhook_left", extra={"job": owed.job_id})
    return None


def _made(owed: PendingDelivery, runtime: Runtime) -> Reply | None:
    """Make the try that a marker stands for, or remove the marker if it stands for none."""
    job = runtime.ledger.read(owed.job_id)
    if job is None or not job.has_ended:
        # An invocation that ends a job writes its record within a lease of the marker.
        if runtime.ledger.lease_expired(owed.modified):
            runtime.bucket.delete(owed.key)
        return None
    known = delivery(job, runtime)
    if known.next_try == owed.number:
        generation = runtime.ledger.acquire(_claim(job, f"try-{owed.number}"))
        if generation is None:
            return None
        known = delivery(job, runtime) if generation else known
    if known.next_try != owed.number:
        is_early = known.next_try is not None and known.next_try < owed.number
        # The try before this one may be about to be written down.
        if not is_early or runtime.ledger.lease_expired(owed.modified):
            runtime.bucket.delete(owed.key)
        return None
    reply = _post(job, known, runtime)
    _conclude(owed, job, known, reply, runtime)
    return reply


def _post(job: Job, known: Delivery, runtime: Runtime) -> Reply:
    signers = [one.get_secret_value() for one in runtime.settings.webhook_secrets]
    if not signers:
        return Reply(error="there is no secret to sign it with: webhookSecrets is empty")
    report = runtime.report_of(job, runtime)
    body = json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    headers = {
        "content-type": "application/json",
        "user-agent": "aigc-functions",
        **signed_headers(body, message_id=known.message_id, at=runtime.now(), secrets=signers),
    }
    timeout_s = min(TIMEOUT_S, _time_for_receiver(runtime))
    return runtime.sender.send(job.webhook_url, headers, body, timeout_s)


def _conclude(
    owed: PendingDelivery, job: Job, known: Delivery, reply: Reply, runtime: Runtime
) -> None:
    """Write down what came of a try."""
    made = Try(at=runtime.now(), status=reply.status, error=reply.error)
    told = known.add_try(made)
    event = "webhook_delivered"
    if made.is_delivery:
        told = told.mark_delivered()
    elif told.wait is None:
        event = "webhook_dead"
        told = told.mark_dead()
        runtime.bucket.put(_dead_key(job.id), _dump(told))
    else:
        event = "webhook_failed"
        _mark(job, len(told.tries), runtime.now() + told.wait, runtime)
    _write(job, told, runtime)
    runtime.bucket.delete(owed.key)
    logger.log(
        logging.INFO if made.is_delivery else logging.WARNING,
        event,
        extra={
            "job": job.id,
            "attempt": owed.number + 1,
            "status": reply.status,
            "host": urlsplit(job.webhook_url).hostname,
            "error": reply.error,
        },
    )


def _write(job: Job, told: Delivery, runtime: Runtime) -> None:
    runtime.bucket.put(_delivery_key(job.id), _dump(told))


def _mark(job: Job, number: int, due: datetime, runtime: Runtime) -> str:
    key = _marker_key(job, number, due)
    runtime.ledger.write_note(key)
    return key


def _has_time(runtime: Runtime) -> bool:
    return _time_for_receiver(runtime) >= LEAST_S


def _time_for_receiver(runtime: Runtime) -> float:
    return (runtime.deadline - runtime.now()).total_seconds() - MARGIN_S


def _marker_key(job: Job, number: int, due: datetime) -> str:
    host = hashlib.sha256(urlsplit(job.webhook_url).netloc.encode()).hexdigest()[:8]
    return f"{_MARKERS}{milliseconds(due):013d}-{job.id}-{number:03d}-{host}"


def _owed(key: str, modified: datetime) -> PendingDelivery:
    time, job_id, number, host = key.removeprefix(_MARKERS).split("-")
    due = datetime.fromtimestamp(int(time) / 1000, timezone.utc)
    return PendingDelivery(key, due, job_id, int(number), host, modified)


def _claim(job: Job, step: str) -> str:
    return f"{OF_A_WEBHOOK}{job.id}/{job.spent_attempts}-{step}"


def _delivery_key(job_id: str) -> str:
    return f"deliveries/{job_id}.json"


def _dead_key(job_id: str) -> str:
    return f"{_DEAD}{job_id}.json"


def _dump(told: Delivery) -> bytes:
    return told.model_dump_json(exclude_none=True).encode()
