"""The sweep: the table of its parts."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from aigc.jobs import notices, recover
from aigc.jobs.sweep_state import read_state, write_state
from aigc.jobs.turns import Part, take_turns
from aigc.jobs.webhooks import TIMEOUT_S
from aigc.uploads import reconcile
from aigc.uploads.batches import work as batches
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.runtime import Runtime
    from aigc.jobs.turns import SweepReport

logger = logging.getLogger(__name__)

PARTS = (
    Part(
        name="ceilings",
        does="settles the shares of ended jobs; releases jobs for which a ceiling has a share left",
        bound="the jobs for which ceilings have shares left",
        work=recover.balance_ceilings,
    ),
    Part(
        name="slots",
        does="continues the job of each taken slot; releases slots of dead invocations; repeats the"
        " refused query of a paused lane",
        bound="the slots of a lane",
        work=recover.recover_slots,
        each_lane=True,
    ),
    Part(
        name="starts",
        does="starts waiting jobs in free slots",
        bound="the free slots of a lane",
        work=recover.start_waiting,
        each_lane=True,
    ),
    Part(
        name="follow-ups",
        does="continues jobs without a slot that are due: an overdue task, or images to store",
        bound=f"{recover.PAGES} pages of 1,000 jobs",
        work=recover.follow_up,
    ),
    Part(
        name="aside",
        does="continues jobs that were set aside and can be read now",
        bound=f"{recover.PAGES} pages of 1,000 jobs",
        work=recover.readmit,
    ),
    Part(
        name="queue",
        does="counts the jobs that wait; cancels those whose latest start has passed",
        bound=f"{recover.QUEUE_PAGES} pages of 1,000 markers of a lane",
        work=recover.check_queue,
        each_lane=True,
    ),
    Part(
        name="webhooks",
        does="delivers webhooks that are due",
        bound=f"{recover.PAGES} pages of 1,000 deliveries",
        work=recover.deliver_webhooks,
        least_s=TIMEOUT_S,
    ),
    Part(
        name="notices",
        does="reports ended jobs to chat robots, in one message each",
        bound=f"{notices.PAGES} pages of 1,000 ended jobs, for each robot",
        work=notices.send_notices,
        least_s=notices.TIMEOUT_S,
    ),
    Part(
        name="inbox",
        does="processes uploads that no event reported",
        bound=f"{reconcile.PAGES} pages of 1,000 objects",
        work=reconcile.reconcile_inbox,
    ),
    Part(
        name="batches",
        does="reads the lines of batches; writes their reports",
        bound="1,000 batches",
        work=batches.continue_batches,
        least_s=batches.TURN_S,
    ),
    Part(
        name="claims",
        does="counts the jobs that have ended; removes their claims and staged images",
        bound=f"{recover.PAGES} pages of 1,000 keys",
        work=recover.forget_claims,
    ),
)
"""All parts, in their order. Each has its turn, however much work another part has.

The work of a part gets its `Turn`. It reads keys by `walk` or items by `in_turn`, and works on each
of them by `each`. Other work calls `has_time` first.
"""


def sweep(runtime: Runtime, parts: Sequence[Part] = PARTS) -> SweepReport:
    """Run the parts of the sweep; they share the time of the invocation.

    The state is written at the beginning and at the end, so that a killed sweep differs from a
    finished one. Two sweeps at the same time overwrite each other's state: some work is then done
    twice, or one sweep later. If the log line `sweep_finished` is absent, an alarm is raised.
    """
    bucket, started_at = runtime.ledger.bucket, runtime.now()
    state = read_state(bucket)
    write_state(with_fields(state, started_at=started_at), bucket)
    report, state = take_turns(parts, runtime, state)
    write_state(with_fields(state, started_at=started_at, finished_at=runtime.now()), bucket)
    logger.info("sweep_finished", extra=dataclasses.asdict(report))
    return report
