"""The report of a batch: one JSON object for each line of the file, in its order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aigc.uploads.batches.records import Batch, LineOutcome


class Report:
    """A report that is built line by line; it keeps text only.

    Args:
        results_prefix: The folder of the results bucket that the stack uses; the report has whole
            keys.
    """

    def __init__(self, results_prefix: str = "") -> None:
        self._lines: list[str] = []
        self._prefix = results_prefix

    def add(self, outcome: LineOutcome) -> None:
        """Add the outcome of a line."""
        self._lines.append(json.dumps(_fields(outcome, self._prefix), ensure_ascii=False))

    def body(self, batch: Batch) -> bytes:
        """Return the report; its last line has the problem if the rest of the file was not read."""
        problem = [json.dumps({"problem": batch.problem})] if batch.problem else []
        return "".join(f"{line}\n" for line in (*self._lines, *problem)).encode()


def _fields(outcome: LineOutcome, prefix: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"line": outcome.line, "state": outcome.state}
    fields |= {"custom_id": outcome.custom_id} if outcome.custom_id else {}
    if outcome.job:
        fields |= {"request_id": outcome.job, "kind": outcome.kind}
    if outcome.images:
        fields["images"] = [
            image.model_dump() | {"key": prefix + image.key} for image in outcome.images
        ]
        fields["description"] = outcome.description and prefix + outcome.description
    if outcome.error:
        fields["error"] = {"type": outcome.error_type, "message": outcome.error}
    return fields
