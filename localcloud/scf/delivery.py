"""The queue of asynchronous events: delivery, retries and drops."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.faults import argument

if TYPE_CHECKING:
    from localcloud.core import Clock
    from localcloud.faults import Faults
    from localcloud.scf.function import Function
    from localcloud.scf.instance import Failure

RETRY_INTERVAL_S = 60  # https://cloud.tencent.com/document/product/583/41138

# Failures of the platform: an event is retried until it is too old, however often.
PLATFORM_FAILURES = frozenset({429, 432, 449, 500})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """An event and the number of its failures."""

    event: Any
    failures: int = 0


class EventQueue:
    """The queue of a function's asynchronous events."""

    def __init__(self, function: Function, clock: Clock, faults: Faults, workers: int) -> None:
        self._function = function
        self._clock = clock
        self._faults = faults
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix=f"scf-{function.name}")
        self._stopped = False

    def enqueue(self, event: Any) -> None:  # noqa: ANN401  any JSON
        """Add an event to the queue; the function's counters count its outcome."""
        fault = self._faults.take(f"scf.{self._function.name}", "drop", "repeat", "delay") or ""
        if fault == "drop":
            self._drop("a fault of the local cloud")
        elif fault.startswith("delay"):
            self._submit_after(float(argument(fault)), _Delivery(event))
        else:
            for _ in range(2 if fault == "repeat" else 1):
                self._submit(_Delivery(event))

    def stop(self) -> None:
        """Stop delivering events."""
        self._stopped = True
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _submit(self, delivery: _Delivery) -> None:
        if not self._stopped:
            self._workers.submit(self._deliver, delivery).add_done_callback(_log_error)

    def _submit_after(self, seconds: float, delivery: _Delivery) -> None:
        self._clock.after(seconds, lambda: self._submit(delivery))

    def _deliver(self, delivery: _Delivery) -> None:
        outcome = self._function.invoke(delivery.event, delivery.failures)
        if outcome.failure is None or self._stopped:
            return
        failures = delivery.failures + 1
        if self._may_retry(failures, outcome.failure):
            self._function.count(retries=1)
            self._submit_after(RETRY_INTERVAL_S, _Delivery(delivery.event, failures))
        else:
            self._drop(f"failed {failures} times")

    def _may_retry(self, failures: int, last_failure: Failure) -> bool:
        policy = self._function.retry_policy
        is_function_failure = last_failure.status not in PLATFORM_FAILURES
        if is_function_failure and failures > policy.retries:
            return False
        return failures * RETRY_INTERVAL_S <= policy.ttl_s

    def _drop(self, reason: str) -> None:
        self._function.count(dropped=1)
        logger.warning("event of function %s dropped: %s", self._function.name, reason)


def _log_error(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        logger.error("delivering an event failed", exc_info=error)
