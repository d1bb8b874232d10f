"""Webhooks: the end of a job is reported at least once, always under one message id.

| key in the ledger | what it is |
|---|---|
| `webhooks/<due>-<job>-<try>-<host>` | a try that is still to be made; sorted by when it is due |
| `claims/webhook-<job>/<end>-<step>/<g>/…` | a contest: only one invocation makes this try |
| `deliveries/<job>.json` | the tries so far; it decides which try is the next |
| `dead/webhooks/<job>.json` | a delivery that was given up |

The order of the writes makes it safe:

1. the marker of the first try is written before the record that says that the job ended;
2. a try is claimed by its number, and each number is used once: so the delivery does not change
   between the claim and its write. If an earlier holder of the claim died, it is read again;
3. the next try's marker is written before the delivery that says that this one failed;
4. a marker is removed last; a marker of a try that was already made has no effect.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from aigc.errors import BadRecordError, CloudError
from aigc.jobs.job import milliseconds
from aigc.jobs.ledger.claims import WEBHOOK_SUBJECT
from aigc.jobs.ports import PAGE, Reply
from aigc.jobs.set_aside import set_aside
from aigc.signing import signed_headers
from aigc.wire import Record, with_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aigc.jobs.job import Job
    from aigc.jobs.ports import Listed
    from aigc.jobs.runtime import Runtime

logger = logging.getLogger(__name__)

WAITS_S = (5, 30, 120, 300, 600, 900, 1200, 1800, 2100)
"""Seconds between the tries, two hours in all; the sweep makes tries once a minute."""

TIMEOUT_S = 10.0
"""Seconds that a receiver may take to answer."""

LEAST_S = 2.0
"""Least seconds for the receiver; if less is left, the next invocation makes the try."""

MARGIN_S = 3.0
"""Seconds that writing the outcome needs."""

_MARKERS = "webhooks/"
_DEAD = "dead/webhooks/"


class Try(Record):
    """One POST and its outcome."""

    at: datetime
    status: int | None = None
    error: str = ""
    """Why there was no answer."""

    @property
    def is_delivery(self) -> bool:
        """Whether the receiver has accepted the message."""
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus(300)


class Delivery(Record):
    """The delivery of a job's webhook: its tries and its state."""

    message_id: str
    url: str
    """Without its query, which may be a secret."""
    state: Literal["pending", "delivered", "dead"] = "pending"
    tries: tuple[Try, ...] = ()
    spent_tries: int = 0
    """Tries that were made before the last replay."""

    @property
    def next_try(self) -> int | None:
        """Number of the next try; None if there is none."""
        return len(self.tries) if self.state == "pending" else None

    @property
    def wait(self) -> timedelta | None:
        """Wait between the last try and the next one; None if it was the last."""
        failed = len(self.tries) - self.spent_tries
        if failed > len(WAITS_S) or self.tries[-1].status == HTTPStatus.GONE:
            return None
        # With jitter: tries that failed together are then not repeated together.
        return timedelta(seconds=WAITS_S[failed - 1] * random.uniform(0.8, 1.2))  # noqa: S311  no secret

    def add_try(self, finished_try: Try) -> Delivery:
        """Add a try with its outcome."""
        return with_fields(self, tries=(*self.tries, finished_try))

    def mark_delivered(self) -> Delivery:
        """Record that the receiver has accepted the message."""
        return with_fields(self, state="delivered")

    def mark_dead(self) -> Delivery:
        """Record that the delivery is given up."""
        return with_fields(self, state="dead")

    def revive(self) -> Delivery:
        """Start a new series of tries."""
        return with_fields(self, state="pending", spent_tries=len(self.tries))


class PendingDelivery(NamedTuple):
    """A try that is still to be made, as the key of its marker has it."""

    key: str
    due: datetime
    job_id: str
    number: int
    host: str
    """A digest of the host: markers show which tries have the same receiver."""
    modified: datetime


def enqueue_delivery(job: Job, runtime: Runtime) -> Job:
    """Write the marker of the first try for a job that has ended, and name it in the job.

    Each call writes a marker of its own: the marker of an invocation that died before it wrote
    the record may be removed at any time.
    """
    if not job.webhook_url:
        return job
    return job.name_webhook(_write_marker(job, 0, runtime.now(), runtime))


def deliver(job: Job, runtime: Runtime) -> None:
    """Make the first try at once if time allows; after an error the sweep repeats it."""
    if not job.has_ended or not job.webhook_marker or not _has_time(runtime):
        return
    _try_delivery(_pending_delivery(job.webhook_marker, runtime.now()), runtime)


def due_markers(runtime: Runtime, after: str = "") -> list[Listed]:
    """List the markers of due tries after a key; fewer than a page if they are the last."""
    page = runtime.ledger.bucket.list(_MARKERS, after, PAGE)
    now = runtime.now()
    return [listed for listed in page if _pending_delivery(listed.key, listed.modified).due <= now]


def deliver_due(runtime: Runtime, markers: Iterable[Listed]) -> int:
    """Make the tries of these markers in their order; return how many were made.

    If a host does not answer, its other markers are skipped: each of them would take the time of a
    whole timeout from the webhooks of other hosts.
    """
    silent_hosts: set[str] = set()
    tries = 0
    for listed in markers:
        pending = _pending_delivery(listed.key, listed.modified)
        if not _has_time(runtime):
            break
        if pending.host in silent_hosts:
            continue
        reply = _try_delivery(pending, runtime)
        tries += reply is not None
        if reply is not None and reply.status is None:
            silent_hosts.add(pending.host)
    return tries


def delivery(job: Job, runtime: Runtime) -> Delivery:
    """Read the delivery of a job's last end; return a new one if no try was made."""
    body = runtime.ledger.bucket.get(_delivery_key(job.id))
    url = urlsplit(job.webhook_url)._replace(query="", fragment="").geturl()
    new = Delivery(message_id=message_id(job), url=url)
    stored = new if body is None else Delivery.model_validate_json(body)
    return stored if stored.message_id == new.message_id else new


def dead_webhooks(runtime: Runtime, after: str = "") -> list[str]:
    """List the jobs whose webhook was given up, at most a page of them."""
    listed = runtime.ledger.bucket.list(_DEAD, after and _dead_key(after))
    return [entry.key.removeprefix(_DEAD).removesuffix(".json") for entry in listed]


def redeliver(job_id: str, runtime: Runtime) -> Literal["queued", "not_dead", "busy"]:
    """Start a new series of tries for a delivery that was given up.

    Two calls, one after the other or at the same time, start one series: the second finds the
    delivery pending.
    """
    job = runtime.ledger.records.read(job_id)
    current = None if job is None else delivery(job, runtime)
    if job is None or current is None or current.state != "dead":
        runtime.ledger.bucket.delete(_dead_key(job_id))
        return "not_dead"
    if runtime.ledger.claims.acquire(_claim(job, f"again-{len(current.tries)}")) is None:
        return "busy"
    is_dead = _revive(job, runtime)
    runtime.ledger.bucket.delete(_dead_key(job_id))
    return "queued" if is_dead else "not_dead"


def message_id(job: Job) -> str:
    """Return the id that all tries for one end share; receivers recognise a repeat by it.

    A job that was replayed or restored ends a second time, with another message.
    """
    end = _end_of(job)
    return f"msg_{job.id}" + (f"-{end}" if end != "0" else "")


def _revive(job: Job, runtime: Runtime) -> bool:
    """Write a marker for a new series of tries; False if the delivery is not dead."""
    current = delivery(job, runtime)
    if current.state != "dead":
        return False
    _write_marker(job, len(current.tries), runtime.now(), runtime)
    _write(job, current.revive(), runtime)
    return True


def _try_delivery(pending: PendingDelivery, runtime: Runtime) -> Reply | None:
    """Make the try of a marker, and log an error; None if no try was made.

    After a crash or a failure the claim stays: another invocation takes over after a lease.
    """
    try:
        return _make_try(pending, runtime)
    except CloudError as error:
        logger.warning("webhook_left", extra={"job": pending.job_id, "code": error.code})
    except BadRecordError as error:
        set_aside(error, runtime)
    except Exception:
        logger.exception("webhook_left", extra={"job": pending.job_id})
    return None


def _make_try(pending: PendingDelivery, runtime: Runtime) -> Reply | None:
    """Make the try of a marker, or remove the marker if its try was already made."""
    job = runtime.ledger.records.read(pending.job_id)
    if job is None or not job.has_ended:
        # An invocation that ends a job writes its record within a lease of the marker.
        if runtime.ledger.lease.has_expired(pending.modified):
            runtime.ledger.bucket.delete(pending.key)
        return None
    current = delivery(job, runtime)
    if current.next_try == pending.number:
        generation = runtime.ledger.claims.acquire(_claim(job, f"try-{pending.number}"))
        if generation is None:
            return None
        current = delivery(job, runtime) if generation else current
    if current.next_try != pending.number:
        is_early = current.next_try is not None and current.next_try < pending.number
        # The outcome of the try before this one may not be written yet.
        if not is_early or runtime.ledger.lease.has_expired(pending.modified):
            runtime.ledger.bucket.delete(pending.key)
        return None
    reply = _post(job, current, runtime)
    _conclude(pending, job, current, reply, runtime)
    return reply


def _post(job: Job, current: Delivery, runtime: Runtime) -> Reply:
    """Sign and send the message."""
    secrets = [secret.get_secret_value() for secret in runtime.settings.webhook_secrets]
    if not secrets:
        return Reply(error="there is no secret to sign it with: webhookSecrets is empty")
    report = runtime.report_of(job, runtime)
    body = json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    headers = {
        "content-type": "application/json",
        "user-agent": "aigc-functions",
        **signed_headers(body, message_id=current.message_id, at=runtime.now(), secrets=secrets),
    }
    timeout_s = min(TIMEOUT_S, _time_for_receiver(runtime))
    return runtime.sender.send(job.webhook_url, headers, body, timeout_s)


def _conclude(
    pending: PendingDelivery, job: Job, current: Delivery, reply: Reply, runtime: Runtime
) -> None:
    """Write the outcome of a try, and the marker of the next one."""
    finished_try = Try(at=runtime.now(), status=reply.status, error=reply.error)
    changed = current.add_try(finished_try)
    event = "webhook_delivered"
    if finished_try.is_delivery:
        changed = changed.mark_delivered()
    elif changed.wait is None:
        event = "webhook_dead"
        changed = changed.mark_dead()
        runtime.ledger.bucket.put(_dead_key(job.id), _dump(changed))
    else:
        event = "webhook_failed"
        _write_marker(job, len(changed.tries), runtime.now() + changed.wait, runtime)
    _write(job, changed, runtime)
    runtime.ledger.bucket.delete(pending.key)
    logger.log(
        logging.INFO if finished_try.is_delivery else logging.WARNING,
        event,
        extra={
            "job": job.id,
            "attempt": pending.number + 1,
            "status": reply.status,
            "host": urlsplit(job.webhook_url).hostname,
            "error": reply.error,
        },
    )


def _write(job: Job, delivery: Delivery, runtime: Runtime) -> None:
    runtime.ledger.bucket.put(_delivery_key(job.id), _dump(delivery))


def _write_marker(job: Job, number: int, due: datetime, runtime: Runtime) -> str:
    key = _marker_key(job, number, due)
    runtime.ledger.write_note(key)
    return key


def _has_time(runtime: Runtime) -> bool:
    return _time_for_receiver(runtime) >= LEAST_S


def _time_for_receiver(runtime: Runtime) -> float:
    return runtime.time_left() - MARGIN_S


def _marker_key(job: Job, number: int, due: datetime) -> str:
    host = hashlib.sha256(urlsplit(job.webhook_url).netloc.encode()).hexdigest()[:8]
    return f"{_MARKERS}{milliseconds(due):013d}-{job.id}-{number:03d}-{host}"


def _pending_delivery(key: str, modified: datetime) -> PendingDelivery:
    time, job_id, number, host = key.removeprefix(_MARKERS).split("-")
    due = datetime.fromtimestamp(int(time) / 1000, timezone.utc)
    return PendingDelivery(key, due, job_id, int(number), host, modified)


def _claim(job: Job, step: str) -> str:
    """Return the subject of the claim on a step of a delivery."""
    return f"{WEBHOOK_SUBJECT}{job.id}/{_end_of(job)}-{step}"


def _end_of(job: Job) -> str:
    """Name a job's last end by the attempts and restores before it: `0`, `1`, `0r1`, `1r1`."""
    return f"{job.spent_attempts}" + (f"r{job.restores}" if job.restores else "")


def _delivery_key(job_id: str) -> str:
    return f"deliveries/{job_id}.json"


def _dead_key(job_id: str) -> str:
    return f"{_DEAD}{job_id}.json"


def _dump(delivery: Delivery) -> bytes:
    return delivery.model_dump_json(exclude_none=True).encode()
