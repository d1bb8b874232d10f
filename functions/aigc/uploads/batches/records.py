"""Batches in the ledger.

| key | content |
|---|---|
| `batches/<id>.json` | a batch: where its file is, and up to which line it was processed |
| `batches/<id>/<part>.json` | the outcomes of 250 lines |
| `open-batches/<id>` | the batch is not complete: the sweep continues it |
| `batch-index/<newest first>-<id>` | the index entry of the batch, for the list of batches |

All of them only save work. The id of a line's job follows from the batch, the number and the text
of the line. So the existing jobs are found if a batch is read twice or by two invocations at the
same time, or if an older record replaces its record; lines may then be read again.
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
"""Higher than any time in milliseconds; the difference sorts the newest first."""

ENDED = frozenset({"succeeded", "failed", "cancelled", "refused"})
"""States in which a line does not change any more."""


class Image(Record):
    """One finished image of a line."""

    key: str
    width: int
    height: int


class LineOutcome(Record):
    """The outcome of a line."""

    line: int
    """Its number in the file, from 1."""
    custom_id: str = ""
    job: str = ""
    """The id of its job; empty if the line was refused."""
    kind: str = ""
    state: str = "queued"
    """The state of the job; `refused` if the line is wrong, so that nothing was paid."""
    images: tuple[Image, ...] = ()
    description: str = ""
    """The JSON file beside the images."""
    prompt: str = ""
    error: str = ""
    error_type: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the outcome does not change any more."""
        return self.state in ENDED


class Part(Record):
    """The outcomes of up to 250 lines of a batch."""

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
    """Folder of its results in the results bucket."""
    kind: str = ""
    """Kind of the lines that do not name a kind."""
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the lines of this kind that do not set them."""
    priority: int
    columns: tuple[str, ...] | None = None
    """Columns of a CSV file; None for JSON Lines."""
    delimiter: str = ","
    """Separator of the cells of a CSV file."""
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
    """Until this time an invocation reads the file, and others do not."""
    due_at: datetime | None = None
    """When its report is written next."""
    states: dict[str, int] = Field(default_factory=dict)
    """State → number of lines, as the last report has them."""
    is_complete: bool = False

    @property
    def report_key(self) -> str:
        """Key of its report in the results bucket."""
        return f"{self.folder}{name_of(self.key)}.report.jsonl"

    @property
    def sheet_key(self) -> str:
        """Key of its contact sheet in the results bucket."""
        return f"{self.folder}{name_of(self.key)}.html"

    @property
    def form(self) -> Form:
        """The form of its lines."""
        return Form(self.columns, self.delimiter)

    @property
    def parts(self) -> int:
        """Number of its parts."""
        return -(-self.taken // PART_LINES)

    def lines_of_part(self, number: int) -> int:
        """Return the number of lines of a part by the cursor."""
        return min(PART_LINES, self.taken - number * PART_LINES)

    def rewound(self) -> Batch:
        """Return the batch as it was before the first line was read."""
        return with_fields(
            self, offset=self.first_offset, number=self.first_number, taken=0, is_read=False
        )


class Indexed(NamedTuple):
    """An index entry of a batch."""

    key: str
    batch_id: str


class Batches:
    """The batches of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._store = ledger.bucket

    def read(self, batch_id: str) -> Batch | None:
        """Return a batch; None if it does not exist.

        Raises:
            DamagedError: It cannot be read.
        """
        body = self._store.get(_key(batch_id))
        return None if body is None else _parsed(Batch, body, batch_id)

    def write(self, batch: Batch) -> None:
        """Write a batch, and its note in `open-batches/` as long as it is not complete."""
        if not batch.is_complete:
            self._ledger.write_note(f"{OPEN}{batch.id}")
        self._store.put(_key(batch.id), _dump(batch))
        if batch.is_complete:
            self._store.delete(f"{OPEN}{batch.id}")

    def announce(self, batch: Batch) -> None:
        """Write the index entry of a batch that is about to be written."""
        self._ledger.write_note(_index_key(batch))

    def newest(self, after: str, limit: int) -> list[Indexed]:
        """List batches, the newest first, after the index entry `after`."""
        return [
            Indexed(listed.key, listed.key.rpartition("-")[2])
            for listed in self._store.list(INDEX, after, limit)
        ]

    def read_indexed(self, entry: Indexed) -> Batch | None:
        """Return the batch of an index entry; None if the batch was never written.

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
        """Return a part; empty if it was not written yet."""
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


def _parsed(model: type[Any], body: bytes, name: str) -> Any:  # noqa: ANN401  the type of the model
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise DamagedError(f"the record of batch {name} cannot be read") from None
