"""The ledger: jobs, queues, slots and claims as objects of a private bucket.

| key | what it is | module |
|---|---|---|
| `jobs/<id>.json` | the record of a job | `records` |
| `index/<newest first>-<id>-<kind>-<source>` | the job's entry in the list of jobs | `records` |
| `images/<newest first>-<id>~<fields>` | its entry in the list of images | `images` |
| `unstored/<due>/<id>` | a job without a slot, which the sweep follows from then on | `records` |
| `dead/jobs/<id>.json` | a job that failed through no fault of its caller | `records` |
| `dead/records/<id>.json` | why a version could not read the record of a job | `records` |
| `lanes/<lane>/waiting/<order>-<id>-<nonce>` | the job waits in the queue | `lanes` |
| `lanes/<lane>/cuts/<time>-<limit>` | the vendor had no capacity: fewer slots | `lanes` |
| `lanes/<lane>/pause` | the vendor refuses the lane's calls: no jobs are started | `pauses` |
| `lanes/<lane>/slots/<n>/…` | a slot that is held or contended for | `slots` |
| `creations/<id>/<g>/…` | a contest on the creation of the job | `claims` |
| `claims/<id>/<revision>/<g>/…` | a contest on writing the next revision | `claims` |
| `claims/<id>/task/<session>` | the task id of a job whose record could not be written | `claims` |
| `claims/<id>/ended` | the job ended or is about to: its claims are to be removed | `claims` |
| `held/<group>/<order>-<id>-<nonce>` | the job waits for a share of a ceiling | `lanes` |
| `budget/<month>/…` | what jobs have used of the ceilings | `books` |
| `webhooks/…`, `deliveries/…` | deliveries of webhooks | `aigc.jobs.webhooks` |

A listing may be late. It only selects what is tried; decisions are made by reads of single keys.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from aigc.jobs.ledger.claims import Claims
from aigc.jobs.ledger.contest import Contest
from aigc.jobs.ledger.lanes import Lanes
from aigc.jobs.ledger.notes import write_note
from aigc.jobs.ledger.pauses import Pauses
from aigc.jobs.ledger.records import Records
from aigc.jobs.ledger.slots import Slots
from aigc.jobs.ports import one_after_another

if TYPE_CHECKING:
    from aigc.jobs.ledger.books import Books
    from aigc.jobs.ledger.lease import Lease
    from aigc.jobs.ports import ObjectStore, Parallel


class Ledger:
    """The only reader and writer of the ledger bucket; each part of it has its own keys."""

    def __init__(
        self, bucket: ObjectStore, lease: Lease, parallel: Parallel = one_after_another
    ) -> None:
        self.bucket = bucket
        """The bucket itself, for modules that keep objects of their own in it."""
        self.lease = lease
        self._parallel = parallel
        contest = self._contest = Contest(bucket, lease, parallel)
        self.records = Records(bucket, lease, parallel)
        self.lanes = Lanes(bucket, lease.clock)
        self.pauses = Pauses(bucket)
        self.slots = Slots(bucket, contest, parallel)
        self.claims = Claims(bucket, lease, contest, self.records, self.slots)

    @functools.cached_property
    def books(self) -> Books:
        """The books: what the jobs of each month have used of the ceilings."""
        from aigc.jobs.ledger.books import Books  # noqa: PLC0415  few stacks have ceilings

        return Books(self.bucket, self._contest, self._parallel)

    def write_note(self, key: str, body: bytes = b"{}") -> None:
        """Write an object that may be written twice: its key is unique, or its body constant."""
        write_note(self.bucket, key, body)
