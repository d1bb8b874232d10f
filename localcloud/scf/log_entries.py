"""The log of all functions as SCF sends it to CLS: entries with fields.

A line of output that is JSON becomes fields, one level deep. Each invocation ends with an entry of
the platform, also if the function was killed: https://cloud.tencent.com/document/product/583/60336
"""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.scf.instance import Outcome

MAX_ENTRIES = 20_000
SUCCESS = 200

Entry = dict[str, Any]


class LogEntries:
    """The latest entries."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._lock = threading.Lock()

    def add_output(self, function: str, line: str) -> None:
        """Add a line of a function's output."""
        self._add({**_json_fields(line), "SCF_Type": "Custom", "SCF_Message": line}, function)

    def add_report(self, function: str, outcome: Outcome, retry: int) -> None:
        """Add the platform's entry at the end of an invocation; `retry` 0 is the first attempt."""
        failure = outcome.failure
        report = {
            "SCF_Type": "Platform",
            "SCF_RequestId": outcome.request_id,
            "SCF_StatusCode": failure.status if failure else SUCCESS,
            "SCF_RetryNum": retry,
            "SCF_Duration": round(outcome.seconds * 1000),
            "SCF_MemUsage": outcome.memory,
            "SCF_Message": failure.message if failure else "Report",
        }
        self._add(report, function)

    def all(self) -> list[Entry]:
        """Return the entries, the oldest first; each has a `number`, which rises by one."""
        with self._lock:
            return list(self._entries)

    def _add(self, entry: Entry, function: str) -> None:
        with self._lock:
            number = self._entries[-1]["number"] + 1 if self._entries else 0
            self._entries.append({**entry, "SCF_FunctionName": function, "number": number})


def _json_fields(line: str) -> Entry:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
