"""Reads the lines of a batch file, in pieces: JSON Lines, or CSV with a header."""

from __future__ import annotations

import csv
import io
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aigc.errors import InvalidRequestError
from aigc.tasks.fields import invalid_request, shown, snake
from aigc.tasks.kinds import KINDS
from aigc.uploads.batches import BatchFileError
from aigc.wire import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_BYTES = 64 * 2**20
MAX_LINES = 20_000
"""Most lines of a file, empty ones included."""

MAX_LINE = 2**20
"""Most bytes of one line; larger images are named by a URL."""

LONGEST_ID = 200
"""Most characters of a `custom_id`."""

_COLUMN = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_FIELDS = {"custom_id", "kind", "method", "url", "body"}
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line of a file, before it is understood. In CSV it may span several lines of text."""

    number: int
    """Number of its first line of text, from 1."""
    end: int
    """Where the next line begins, in bytes."""
    next_number: int
    """The number of the next line."""
    text: bytes | None
    """None if it has more than `MAX_LINE` bytes."""

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing, as the last line of many files."""
        return self.text is not None and not self.text.strip(b"\xef\xbb\xbf \t\r\n")


@dataclass(frozen=True, slots=True)
class Line:
    """One line, understood."""

    custom_id: str
    kind: str
    body: dict[str, Any]


def raw_lines(
    pieces: Iterable[bytes], *, offset: int = 0, number: int = 1, is_csv: bool
) -> Iterator[RawLine]:
    """Split a file that arrives in pieces, from the line that begins at an offset.

    A line break within the quotes of a CSV cell is part of the cell.
    """
    pending, skipped_breaks, is_skipping = b"", 0, False
    for piece in itertools.chain(pieces, [None]):
        pending, begin = pending + (piece or b""), 0
        while end := _end_of_line(pending, begin, is_csv and not is_skipping, piece is None):
            text = pending[begin:end]
            next_number = number + skipped_breaks + text.count(b"\n")
            offset += len(text)
            is_too_long = is_skipping or len(text) > MAX_LINE
            yield RawLine(number, offset, next_number, None if is_too_long else text)
            number, begin, skipped_breaks, is_skipping = next_number, end, 0, False
        pending = pending[begin:]
        if len(pending) > MAX_LINE:
            offset, skipped_breaks = offset + len(pending), skipped_breaks + pending.count(b"\n")
            pending, is_skipping = b"", True
    if is_skipping:
        yield RawLine(number, offset, number + skipped_breaks, None)


def _end_of_line(text: bytes, begin: int, is_quoted: bool, is_end: bool) -> int:  # noqa: FBT001  private
    """Return where the line that begins here ends; 0 if its end has not arrived.

    A quote that is not closed within the longest line does not hide the lines behind it.
    """
    position, quotes, first_break = begin, 0, 0
    while (line_break := text.find(b"\n", position)) >= 0:
        quotes += text.count(b'"', position, line_break)
        if not is_quoted or quotes % 2 == 0:
            return line_break + 1
        position = line_break + 1
        first_break = first_break or position
        if position - begin > MAX_LINE:
            return first_break
    if not is_end or begin == len(text):
        return 0
    is_closed = (quotes + text.count(b'"', position)) % 2 == 0
    return len(text) if is_closed or not is_quoted else first_break or len(text)


def parse_header(text: bytes) -> Form:
    """Read the header of a CSV file; a comma, a semicolon or a tab separates its cells.

    Raises:
        BatchFileError: It is no header.
    """
    delimiter = _delimiter(text)
    try:
        columns = _cells(text, delimiter)
    except InvalidRequestError as error:
        raise BatchFileError(f"the header: {error}") from None
    names = tuple(column.strip() for column in columns)
    wrong = [name for name in names if not _COLUMN.fullmatch(name)]
    repeated = [name for name in names if names.count(name) > 1]
    if not names or wrong or repeated:
        problem = f"the column {shown((*wrong, *repeated, '')[0])} is not allowed"
        allowed = "unique names of fields, like custom_id,kind,prompt,output_config.aspect_ratio"
        raise BatchFileError(f"the header: {problem}; allowed: {allowed}", allowed=allowed)
    return Form(names, delimiter)


@dataclass(frozen=True, slots=True)
class Form:
    """How the lines of a file are written."""

    columns: tuple[str, ...] | None = None
    """The columns of a CSV file; None for JSON Lines."""
    delimiter: str = ","


def parse_line(raw: RawLine, form: Form, default_kind: str = "") -> Line:
    """Understand one line.

    Raises:
        InvalidRequestError: A field is wrong; the message names it.
    """
    if raw.text is None:
        allowed = f"at most {MAX_LINE} bytes; an image can be named by its URL"
        raise invalid_request("the line", "is too long", allowed=allowed)
    fields = _fields(raw.text, form)
    custom_id = _custom_id(fields.pop("custom_id", None))
    kind, body = _resolved(fields, default_kind)
    return Line(custom_id, kind, body)


def custom_id_of(raw: RawLine, form: Form) -> str:
    """Return the `custom_id` of a line, even if the rest is wrong; empty if it cannot be read."""
    try:
        return _custom_id(_fields(raw.text or b"", form).get("custom_id"))
    except InvalidRequestError:
        return ""


def _delimiter(header: bytes) -> str:
    text = header.decode("utf-8", errors="replace")
    return max(_DELIMITERS, key=text.count)


def _fields(text: bytes, form: Form) -> dict[str, Any]:
    if form.columns is None:
        return _json(text)
    return _row(text, form.columns, form.delimiter)


def _json(text: bytes) -> dict[str, Any]:
    try:
        fields = strict_json(text)
    except ValueError as error:
        raise invalid_request(
            "the line", f"is not JSON: {error}", allowed="one JSON object"
        ) from None
    if not isinstance(fields, dict):
        raise invalid_request(
            "the line", f"{shown(fields)} is not allowed", allowed="one JSON object"
        )
    return fields


def _row(text: bytes, columns: Sequence[str], delimiter: str) -> dict[str, Any]:
    cells = _cells(text, delimiter)
    if len(cells) > len(columns):
        problem = f"it has {len(cells)} cells"
        raise invalid_request("the line", problem, allowed=f"{len(columns)}, as the header has")
    fields: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=False):
        if cell.strip():
            _put(fields, column.split("."), cell, column)
    line: dict[str, Any] = {name: fields.pop(name, None) for name in ("custom_id", "kind")}
    return {**line, "body": fields}


def _cells(text: bytes, delimiter: str) -> list[str]:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid_request("the line", "is not text in UTF-8", allowed="UTF-8") from None
    if decoded.count('"') % 2:
        raise invalid_request("the line", "a quote is not closed", allowed='pairs of "')
    csv.field_size_limit(MAX_LINE)
    try:
        [*rows] = csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise invalid_request(
            "the line", f"is no CSV: {error}", allowed="cells as RFC 4180 has"
        ) from None
    return rows[0] if rows else []


def _put(fields: Any, path: list[str], value: str, column: str) -> None:  # noqa: ANN401  JSON
    """Set a value at a dotted path; a part that is a number is the index of a list."""
    name, *rest = path
    key: Any = int(name) if isinstance(fields, list) and name.isdecimal() else name
    if isinstance(fields, list):
        if not isinstance(key, int) or key > len(fields):
            allowed = "numbers from 0 without gaps"
            raise invalid_request(column, "is no place in a list", allowed=allowed)
        if key == len(fields):
            fields.append(None)
    if not rest:
        fields[key] = value
        return
    inner = fields[key] if isinstance(fields, list) else fields.get(key)
    if inner is None:
        inner = fields[key] = [] if rest[0].isdecimal() else {}
    if not isinstance(inner, list | dict):
        raise invalid_request(
            column, "is inside of another column", allowed="one of the two columns"
        )
    _put(inner, rest, value, column)


def _custom_id(value: object) -> str:
    if value is None:
        return ""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or len(text) > LONGEST_ID or not text.isprintable():
        allowed = f"printable text of at most {LONGEST_ID} characters"
        raise invalid_request("custom_id", f"{shown(value)} is not allowed", allowed=allowed)
    return text


def _resolved(fields: dict[str, Any], default_kind: str) -> tuple[str, dict[str, Any]]:
    """Return kind and body of a line in any of its forms; without `body`, the line is the body."""
    if "body" not in fields:
        kind = fields.pop("kind", None) or default_kind
        return _known_kind(kind), snake(fields)
    body = fields["body"]
    if others := fields.keys() - _FIELDS:
        raise invalid_request(
            min(others)[:60], "stands beside body", allowed=", ".join(sorted(_FIELDS))
        )
    if not isinstance(body, dict):
        raise invalid_request("body", f"{shown(body)} is not allowed", allowed="an object")
    if "url" in fields:
        return _of_a_call(fields, body)
    return _known_kind(fields.get("kind") or default_kind), snake(body)


def _known_kind(kind: object) -> str:
    if not isinstance(kind, str) or kind not in KINDS:
        problem = f"{shown(kind)} is not allowed" if kind else "is required"
        raise invalid_request("kind", problem, allowed=", ".join(KINDS))
    return kind


def _of_a_call(fields: dict[str, Any], body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Read a line as OpenAI's batch files have it: method, path and body of a call."""
    from aigc.api.call import ENDPOINTS  # noqa: PLC0415  few lines are calls
    from aigc.api.errors import HttpError  # noqa: PLC0415
    from aigc.api.openai.request import read_request  # noqa: PLC0415

    if fields.get("method", "POST") != "POST":
        raise invalid_request("method", f"{shown(fields['method'])} is not allowed", allowed="POST")
    path = str(fields["url"]).strip("/")
    if path in ENDPOINTS:
        return ENDPOINTS[path], snake(body)
    call = path.removeprefix("openai/").removeprefix("v1/images/")
    if call not in {"generations", "edits"}:
        paths = [f"/{path}" for path in ENDPOINTS] + ["/v1/images/generations", "/v1/images/edits"]
        problem = f"{shown(fields['url'])} is not allowed"
        raise invalid_request("url", problem, allowed=", ".join(paths))
    try:
        request = read_request(dict(body), is_edit=call == "edits")
    except HttpError as error:
        raise InvalidRequestError(str(error), field="model") from None
    return request.kind, snake(request.body)
