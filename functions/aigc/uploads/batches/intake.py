"""Accepts the jobs of the lines of a batch, in as many invocations as needed.

| the invocation dies after | state | continued by |
|---|---|---|
| the entry in `batch-index/` | an entry without a batch | as in the next row, with a new entry |
| the note `open-batches/<id>` | a note without a batch | the repeated event or the reconciliation |
| the record of the batch | a batch without a line that was read | the sweep |
| some jobs of a part | jobs that no part names | the sweep, which reads their lines again |
| the part | a part with lines after the cursor | the same; these lines are replaced |

If two invocations read at the same time, which is rare, a part can have fewer lines than the cursor
of the other one says. The refresh notices that, and the file is read again from its beginning.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError

from aigc.errors import AigcError, CloudError, InvalidRequestError
from aigc.jobs.accept import Order, accept
from aigc.jobs.dispatch import pump
from aigc.jobs.job import OutputLocation, Source, id_from
from aigc.tasks.fields import explain, invalid_request
from aigc.tasks.kinds import KINDS
from aigc.uploads.batches import BatchFileError, lines
from aigc.uploads.batches.lines import RawLine, parse_header, parse_line, raw_lines
from aigc.uploads.batches.records import PART_LINES, Batch, Batches, LineOutcome, Part
from aigc.uploads.rule import BATCH_PRIORITY
from aigc.wire import with_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import Task
    from aigc.uploads.batches.lines import Line
    from aigc.uploads.inbox_object import InboxObject
    from aigc.uploads.rule import Rule

logger = logging.getLogger("aigc.batches")

PIECE = 2**20
"""Bytes of a file that are read by one request."""

AT_ONCE = 16
"""Lines that are accepted at the same time."""

_SHOWN_PROMPT = 300


def create_batch(
    upload: InboxObject, rule: Rule, batch_id: str, runtime: Runtime, request_id: str
) -> tuple[Batch, bool]:
    """Write the batch of a file, and return whether it is new; `continue_reading` reads its lines.

    Raises:
        BatchFileError: The file is empty or too large, or has no valid header.
        InvalidRequestError: A template of the rule cannot be filled.
        CloudError: The file could not be read, or the batch could not be written.
    """
    batches = Batches(runtime.ledger)
    existing = batches.read(batch_id)
    if existing is not None:
        return existing, False
    facts, now = upload.facts, runtime.now()
    batch = Batch(
        id=batch_id,
        rule=rule.name,
        key=upload.key,
        etag=upload.peek.etag,
        size=upload.peek.size,
        created_at=now,
        request_id=request_id,
        folder=rule.batch_folder(facts, batch_id=batch_id, today=now),
        kind=rule.kind,
        defaults=rule.defaults(facts, batch_id=batch_id, today=now),
        priority=BATCH_PRIORITY if rule.priority is None else rule.priority,
    )
    _check_size(batch)
    batch = _with_columns(batch, runtime)
    _check_count(batch, runtime)
    batches.announce(batch)
    batches.write(batch)
    return batch, True


def _check_size(batch: Batch) -> None:
    if batch.size == 0:
        raise BatchFileError("it is empty")
    if batch.size > lines.MAX_BYTES:
        detail = f"it has {batch.size} bytes; a batch has at most {lines.MAX_BYTES}"
        raise BatchFileError(detail)


def _check_count(batch: Batch, runtime: Runtime) -> None:
    """Count the lines of a large file before jobs are accepted."""
    if batch.size <= lines.MAX_LINES:
        return
    count = sum(piece.count(b"\n") for piece in _pieces(batch, 0, runtime))
    if count > lines.MAX_LINES:
        raise BatchFileError(f"it has {count} lines; a batch has at most {lines.MAX_LINES}")


def _with_columns(batch: Batch, runtime: Runtime) -> Batch:
    """Return the batch with the columns of its CSV file; unchanged for JSON Lines."""
    if not batch.key.lower().endswith(".csv"):
        return batch
    header = next(raw_lines(_pieces(batch, 0, runtime), is_csv=True), None)
    if header is None or header.text is None:
        raise BatchFileError("its first line is not a header")
    form = parse_header(header.text)
    return with_fields(
        batch,
        columns=form.columns,
        delimiter=form.delimiter,
        first_offset=header.end,
        first_number=header.next_number,
        offset=header.end,
        number=header.next_number,
    )


def continue_reading(batch: Batch, runtime: Runtime) -> Batch:
    """Accept the jobs of the next lines, until no line or no time is left.

    Returns the batch as it was last written. An error of the cloud ends the reading for now.
    """
    now = runtime.now()
    if batch.is_read or (batch.reader_until is not None and now < batch.reader_until):
        return batch
    batches = Batches(runtime.ledger)
    batch = with_fields(batch, reader_until=now + timedelta(seconds=runtime.time_left()))
    batches.write(batch)
    reader = _Reader(batch, runtime)
    try:
        reader.run()
    except CloudError as error:
        logger.warning("batch_reading_stopped", extra={"batch": batch.id, "code": error.code})
    finally:
        for lane in reader.lanes:
            pump(lane, runtime)
    batch = with_fields(reader.batch, reader_until=None)
    batches.write(batch)
    fields = {"batch": batch.id, "key": batch.key, "lines": batch.taken, "is_read": batch.is_read}
    logger.info("batch_read", extra=fields)
    return batch


class _Reader:
    """Reads lines from the cursor of a batch.

    The cursor is moved after the part with the lines before it is written, so that no line is
    missing in the report.
    """

    def __init__(self, batch: Batch, runtime: Runtime) -> None:
        self.batch = batch
        """The batch with its cursor after the last line that was written."""
        self.lanes: set[str] = set()
        self._progress = batch
        self._runtime = runtime
        self._batches = Batches(runtime.ledger)
        self._outcomes = self._outcomes_before_cursor()

    def run(self) -> None:
        """Read until the end of the file, or as long as there is time."""
        try:
            for group in _groups(self._lines(), self._group_size):
                if not self._runtime.may_start():
                    return
                self._accept(group)
            self._progress = with_fields(self._progress, is_read=True)
        except FileChangedError as error:
            self._progress = with_fields(self._progress, is_read=True, problem=str(error))
        finally:
            self._write_part()

    def _lines(self) -> Iterator[RawLine]:
        batch = self.batch
        pieces = _pieces(batch, batch.offset, self._runtime)
        is_csv = batch.columns is not None
        all_lines = raw_lines(pieces, offset=batch.offset, number=batch.number, is_csv=is_csv)
        return (line for line in all_lines if not line.is_blank)

    def _group_size(self) -> int:
        """Return the number of lines of the next group, which must fit into the present part."""
        return min(AT_ONCE, PART_LINES - len(self._outcomes))

    def _accept(self, group: list[RawLine]) -> None:
        """Accept the jobs of a group, up to the first line that must be tried again."""
        accepts = [functools.partial(self._outcome, line) for line in group]
        results: list[LineOutcome | CloudError] = self._runtime.parallel(*accepts)
        for line, result in zip(group, results, strict=True):
            if isinstance(result, CloudError):
                raise result
            self._outcomes.append(result)
            self.lanes |= {result.kind} if result.kind else set()
            self._progress = with_fields(
                self._progress,
                offset=line.end,
                number=line.next_number,
                taken=self._progress.taken + 1,
            )
        if len(self._outcomes) == PART_LINES:
            self._write_part()
            self._batches.write(self.batch)

    def _outcome(self, line: RawLine) -> LineOutcome | CloudError:
        try:
            return accept_line(line, self.batch, self._runtime)
        except CloudError as error:
            return error
        except Exception:
            # A defect of this program must not prevent the jobs of the other lines.
            logger.exception("line_failed", extra={"batch": self.batch.id, "line": line.number})
            return _refused(line, self.batch, "an error of this program", "internal_error")

    def _outcomes_before_cursor(self) -> list[LineOutcome]:
        if self.batch.taken % PART_LINES == 0:
            return []
        part = self._batches.part(self.batch, self.batch.taken // PART_LINES)
        return [outcome for outcome in part.lines if outcome.line < self.batch.number]

    def _write_part(self) -> None:
        if self._progress.taken > self.batch.taken:
            number = (self._progress.taken - 1) // PART_LINES
            self._batches.write_part(self.batch, number, Part(lines=tuple(self._outcomes)))
        self.batch = self._progress
        if len(self._outcomes) == PART_LINES:
            self._outcomes = []


def _groups(lines: Iterator[RawLine], group_size: Callable[[], int]) -> Iterator[list[RawLine]]:
    while group := list(itertools.islice(lines, group_size())):
        yield group


def accept_line(raw: RawLine, batch: Batch, runtime: Runtime) -> LineOutcome:
    """Accept the job of a line and return its outcome, which may be an error.

    Raises:
        CloudError: The job could not be written, or an input could not be read; a repeat continues.
    """
    try:
        line = parse_line(raw, batch.form, batch.kind)
        order = _order(raw, line, batch, runtime)
    except InvalidRequestError as error:
        return _refused(raw, batch, str(error), "invalid_request")
    accept(order, runtime, starts=False)
    return LineOutcome(
        line=raw.number,
        custom_id=line.custom_id,
        job=order.id,
        kind=order.kind,
        prompt=order.task.prompt_text()[:_SHOWN_PROMPT],
    )


def _refused(raw: RawLine, batch: Batch, error: str, error_type: str) -> LineOutcome:
    return LineOutcome(
        line=raw.number,
        custom_id=lines.custom_id_of(raw, batch.form),
        state="refused",
        error=error,
        error_type=error_type,
    )


def _order(raw: RawLine, line: Line, batch: Batch, runtime: Runtime) -> Order:
    task = _task(line, batch, runtime)
    digest = hashlib.sha256(raw.text or b"").hexdigest()
    return Order(
        id=id_from("batch", batch.id, str(raw.number), digest),
        kind=line.kind,
        task=task,
        source=Source(
            type="upload",
            name=batch.rule,
            bucket=runtime.settings.inbox_bucket,
            key=batch.key,
            request_id=batch.request_id,
            batch=batch.id,
            line=raw.number,
            custom_id=line.custom_id,
        ),
        output_location=OutputLocation(prefix=batch.folder, name=_name(raw, line)),
        priority=batch.priority if task.tasks_priority is None else task.tasks_priority,
    )


def _task(line: Line, batch: Batch, runtime: Runtime) -> Task:
    from aigc.api.inputs import resolve_inputs  # noqa: PLC0415  few uploads are batches

    settings = runtime.settings
    for field in ("result", "webhook_url"):
        if field in line.body:
            allowed = "no such field: the report of the batch says where results are"
            raise invalid_request(field, "is not possible in a batch", allowed=allowed)
    defaults = batch.defaults if line.kind == batch.kind else {}
    try:
        task = KINDS[line.kind].model.model_validate({**defaults, **line.body})
    except ValidationError as error:
        raise explain(error) from None
    task.check_account(settings.sub_app_id, settings.results_bucket)
    return resolve_inputs(task, runtime, more_buckets={settings.inbox_bucket})


def _name(raw: RawLine, line: Line) -> str:
    """Return the name of the results of a line; its number makes it unique in the batch."""
    safe = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in line.custom_id)
    return f"{raw.number:06d}-{safe[:60]}" if safe else f"{raw.number:06d}"


class FileChangedError(AigcError):
    """The file of a batch was replaced or removed while it was read."""


def _pieces(batch: Batch, offset: int, runtime: Runtime) -> Iterator[bytes]:
    """Yield the content of a file from an offset.

    Raises:
        FileChangedError: The file was replaced or removed.
    """
    while offset < batch.size:
        peek = runtime.buckets.inbox.peek(batch.key, PIECE, offset)
        if peek is None:
            raise FileChangedError("the file was removed while it was read")
        if peek.etag != batch.etag:
            raise FileChangedError("the file was replaced while it was read")
        yield peek.head
        offset += len(peek.head)
