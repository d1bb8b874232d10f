"""Runs requests at the same time: the first in this thread, each other in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class _Outcome:
    """What a request returned or raised."""

    def __init__(self, request: Callable[[], Any]) -> None:
        self._request = request
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the request."""
        try:
            self.result = self._request()
        except BaseException as error:  # noqa: BLE001  raised where the requests were started
            self.error = error


def in_threads(*requests: Callable[[], Any]) -> list[Any]:
    """Implement `Parallel`; a thread costs 0.1 ms, a round trip to COS 10 ms."""
    outcomes = [_Outcome(request) for request in requests]
    threads = [threading.Thread(target=outcome.run) for outcome in outcomes[1:]]
    for thread in threads:
        thread.start()
    for outcome in outcomes[:1]:
        outcome.run()
    for thread in threads:
        thread.join()
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [outcome.result for outcome in outcomes]
