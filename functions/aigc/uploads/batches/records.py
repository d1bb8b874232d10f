"""Batches in the ledger.

| key | what it is |
|---|---|
| `batches/<id>.json` | a batch: where its file is, and up to which line it was processed |
| `batches/<id>/<part>.json` | the outcome of 250 lines |
| `open-batches/<id>` | the batch is not complete: the sweep continues it |
| `batch-index/<newest first>-<id>` | the batch, where batches are listed |

All of them only save work. A line's job has an id that follows from the batch, the number and the
text of the line. So a batch that is read twice, or by two invocations at once, or whose record is
replaced by an older one, finds its jobs again; its file may then be read again in part.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, ValidationError

from aigc.errors import DamagedError
from aigc.jobs.job import milliseconds
from aigc.uploads.batches.lines import Form
from aigc.uploads.rule import BATCH_SUFFIXES
from aigc.wire import Record, with_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.ledger import Ledger
    from aigc.jobs.ports import Listed

PART_LINES = 250
"""Lines of one part; a file of 10,000 lines has 40."""

OPEN = "open-batches/"
INDEX = "batch-index/"
_LAST_MS = 10**13
"""More milliseconds than any date has: times subtracted from it sort the newest first."""

ENDED = frozenset({"succeeded", "failed", "cancelled", "refused"})
"""States in which nothing more is expected of a line."""


class Image(Record):
    """One finished image of a line."""

    key: str
    width: int
    height: int


class LineOutcome(Record):
    """The outcome of one line."""

    line: int
    """Its number in the file, from 1."""
    custom_id: str = ""
    job: str = ""
    """The id of its job; empty if the line is wrong."""
    kind: str = ""
    state: str = "queued"
    """The job's, or `refused` if the line is wrong: nothing was paid."""
    images: tuple[Image, ...] = ()
    description: str = ""
    """The JSON file beside the images."""
    prompt: str = ""
    error: str = ""
    error_type: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is expected."""
        return self.state in ENDED


class Part(Record):
    """The outcome of some lines of a batch."""

    lines: tuple[LineOutcome, ...] = ()


class Batch(Record):
    """A file of the inbox whose lines become jobs."""

    id: str
    rule: str
    key: str
    """The file's key in the inbox."""
    etag: str
    size: int
    created_at: datetime
    request_id: str = ""
    folder: str
    """Where its results go in the results bucket."""
    kind: str = ""
    """Kind of the lines that name none."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the lines of this kind that do not set them."""
    priority: int
    columns: tuple[str, ...] | None = None
    """Columns of a CSV file; None for JSON Lines."""
    delimiter: str = ","
    """What separates the cells of a CSV file."""
    first_offset: int = 0
    """Bytes of the header of a CSV file."""
    first_number: int = 1
    """Number of the first line that can become a job."""
    offset: int = 0
    """Bytes of the file whose lines were processed."""
    number: int = 1
    """Number of the next line."""
    taken: int = 0
    """Lines that were processed, wrong ones included and empty ones not."""
    is_read: bool = False
    """Whether no line of the file is left."""
    problem: str = ""
    """Why the rest of the file was not read."""
    reader_until: datetime | None = None
    """Until then one invocation reads the file, and others need not."""
    due_at: datetime | None = None
    """When its report is written next."""
    states: dict[str, int] = Field(default_factory=dict)
    """State → number of lines, as the last report has them."""
    is_complete: bool = False

    @property
    def report_key(self) -> str:
        """Where its report is in the results bucket."""
        return f"{self.folder}{name_of(self.key)}.report.jsonl"

    @property
    def sheet_key(self) -> str:
        """Where its contact sheet is in the results bucket."""
        return f"{self.folder}{name_of(self.key)}.html"

    @property
    def form(self) -> Form:
        """How its lines are written."""
        return Form(self.columns, self.delimiter)

    @property
    def parts(self) -> int:
        """How many parts it has."""
        return -(-self.taken // PART_LINES)

    def lines_of_part(self, number: int) -> int:
        """How many lines a part has if it was written by the reader that moved the cursor."""
        return min(PART_LINES, self.taken - number * PART_LINES)

    def rewound(self) -> Batch:
        """Return the batch as it was before the first line was read."""
        return with_fields(
            self, offset=self.first_offset, number=self.first_number, taken=0, is_read=False
        )


class Indexed(NamedTuple):
    """A batch, as its entry in the index names it."""

    key: str
    batch_id: str


class Batches:
    """The batches of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._store = ledger.bucket

    def read(self, batch_id: str) -> Batch | None:
        """Read a batch; None if there is none.

        Raises:
            DamagedError: It cannot be read.
        """
        body = self._store.get(_key(batch_id))
        return None if body is None else _parsed(Batch, body, batch_id)

    def write(self, batch: Batch) -> None:
        """Write a batch; as long as it is not complete, the sweep finds it."""
        if not batch.is_complete:
            self._ledger.write_note(f"{OPEN}{batch.id}")
        self._store.put(_key(batch.id), _dump(batch))
        if batch.is_complete:
            self._store.delete(f"{OPEN}{batch.id}")

    def announce(self, batch: Batch) -> None:
        """Write the index entry of a batch that is about to be written."""
        self._ledger.write_note(_index_key(batch))

    def newest(self, after: str, limit: int) -> list[Indexed]:
        """List batches, the newest first, beginning behind the entry `after`."""
        return [
            Indexed(listed.key, listed.key.rpartition("-")[2])
            for listed in self._store.list(INDEX, after, limit)
        ]

    def read_indexed(self, entry: Indexed) -> Batch | None:
        """Read the batch of an index entry; None if its creator died before it wrote the batch.

        Raises:
            DamagedError: It cannot be read.
        """
        batch = self.read(entry.batch_id)
        return batch if batch is not None and _index_key(batch) == entry.key else None

    def list_open(self, after: str) -> Sequence[Listed]:
        """List the notes of batches that are not complete."""
        return self._store.list(OPEN, after)

    def close(self, batch_id: str) -> None:
        """Remove the note of a batch that is complete, or was never written."""
        self._store.delete(f"{OPEN}{batch_id}")

    def part(self, batch: Batch, number: int) -> Part:
        """Read a part; empty if it was not written yet."""
        body = self._store.get(_part_key(batch.id, number))
        return Part() if body is None else _parsed(Part, body, f"{batch.id}, part {number}")

    def write_part(self, batch: Batch, number: int, part: Part) -> None:
        """Write a part."""
        self._store.put(_part_key(batch.id, number), _dump(part))


def name_of(key: str) -> str:
    """Return the name of a batch by the key of its file: `spring` for `a/spring.jobs.csv`."""
    name = key.rpartition("/")[2]
    for suffix in (*BATCH_SUFFIXES, ".jsonl", ".csv"):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def _index_key(batch: Batch) -> str:
    return f"{INDEX}{_LAST_MS - milliseconds(batch.created_at):013d}-{batch.id}"


def _key(batch_id: str) -> str:
    return f"batches/{batch_id}.json"


def _part_key(batch_id: str, number: int) -> str:
    return f"batches/{batch_id}/{number:04d}.json"


def _dump(record: Record) -> bytes:
    return record.model_dump_json(exclude_defaults=True).encode()


def _parsed(model: type[Any], body: bytes, name: str) -> Any:  # noqa: ANN401  the model's
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise DamagedError(f"the record of batch {name} cannot be read") from None
