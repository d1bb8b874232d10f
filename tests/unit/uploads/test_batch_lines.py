"""Lines of a batch: split in any pieces, read in each form, and refused with the field."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.errors import InvalidRequestError
from aigc.uploads.batches import BatchFileError
from aigc.uploads.batches.lines import (
    MAX_LINE,
    Form,
    RawLine,
    custom_id_of,
    parse_header,
    parse_line,
    raw_lines,
)

JSONL = Form()
BODY = {"prompt": "x"}


def raw(text: str | bytes) -> RawLine:
    data = text.encode() if isinstance(text, str) else text
    return RawLine(1, len(data), 2, data)


def refused(text: str | bytes, form: Form = JSONL, kind: str = "vod.image") -> str:
    with pytest.raises(InvalidRequestError) as caught:
        parse_line(raw(text), form, kind)
    return str(caught.value)


@given(
    rows=st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), max_size=8),
    size=st.integers(1, 40),
)
def test_csv_that_arrives_in_pieces_is_the_csv_that_was_written(
    rows: list[list[str]], size: int
) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    data = text.getvalue().encode("utf-8", errors="surrogatepass")
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]

    lines = list(raw_lines(pieces, is_csv=True))

    assert b"".join(line.text or b"" for line in lines) == data
    assert len(lines) == len(rows)
    for line, following in itertools.pairwise(lines):
        assert line.next_number == following.number
    for line in lines:  # from its end on, the rest is split as before
        rest = list(
            raw_lines([data[line.end :]], offset=line.end, number=line.next_number, is_csv=True)
        )
        assert rest == lines[lines.index(line) + 1 :]


@pytest.mark.parametrize("is_csv", [False, True])
def test_line_that_is_too_long_is_skipped_and_counted(*, is_csv: bool) -> None:
    data = b"a\n" + b"x" * (MAX_LINE + 10) + b"\nb"

    lines = list(raw_lines([data[:100], data[100:-5], data[-5:]], is_csv=is_csv))

    assert [line.text for line in lines] == [b"a\n", None, b"b"]
    assert [line.number for line in lines] == [1, 2, 3]
    assert lines[-1].end == len(data)


@pytest.mark.parametrize("count", [3, MAX_LINE // 1000 + 2])
def test_quote_that_is_not_closed_hides_no_line_behind_it(count: int) -> None:
    following = b"c" * 999 + b"\n"
    data = b'a,"b\n' + following * count

    lines = list(raw_lines([data[:20], data[20:]], is_csv=True))

    assert [line.text for line in lines[:2]] == [b'a,"b\n', following]
    assert len(lines) == count + 1


def test_last_line_that_is_too_long_is_counted() -> None:
    [line] = raw_lines([b"x" * (MAX_LINE + 1)], is_csv=False)

    assert (line.number, line.text) == (1, None)


@pytest.mark.parametrize(
    ("line", "kind", "body", "custom_id"),
    [
        ({"kind": "mps.image", "body": BODY}, "mps.image", BODY, ""),
        ({"kind": "mps.image", "body": {"Prompt": "x"}}, "mps.image", BODY, ""),
        ({"prompt": "x"}, "vod.image", BODY, ""),
        ({"custom_id": "a", "kind": "mps.image", "prompt": "x"}, "mps.image", BODY, "a"),
        ({"custom_id": 7, "body": BODY}, "vod.image", BODY, "7"),
        (
            {"custom_id": "a", "method": "POST", "url": "/tencent-mps/v1/aigc-image", "body": BODY},
            *("mps.image", BODY, "a"),
        ),
    ],
)
def test_line_has_many_forms(
    line: dict[str, Any], kind: str, body: dict[str, Any], custom_id: str
) -> None:
    parsed = parse_line(raw(json.dumps(line)), JSONL, "vod.image")

    assert (parsed.kind, parsed.body, parsed.custom_id) == (kind, body, custom_id)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "is not JSON"),
        ('{"a": 1, "a": 2}', "occurs 2 times"),
        ("[]", "a list of 0 is not allowed"),
        ('{"body": 5}', "body: 5 is not allowed"),
        ('{"body": {}, "prompt": "x"}', "prompt: is not allowed beside body"),
        ('{"custom_id": ["a"]}', "custom_id: a list of 1 is not allowed"),
        ('{"custom_id": "a\\u0000"}', "custom_id: "),
        ('{"kind": 5, "body": {}}', "kind: 5 is not allowed"),
        ('{"url": "/v1/chat/completions", "body": {}}', "url: '/v1/chat/completions'"),
        ('{"url": "/tencent-mps/v1/aigc-image", "method": "GET", "body": {}}', "method: 'GET'"),
        ('{"url": "/v1/images/generations", "body": {"model": "none-1"}}', "none-1"),
        ('{"url": "/v1/images/generations", "body": {"model": "GG-3.0"}}', "prompt: is required"),
        (b'{"prompt": "\xff"}', "is not JSON"),
    ],
)
def test_wrong_line_is_refused_with_its_field(line: str | bytes, part: str) -> None:
    assert part in refused(line)


def test_kind_is_required_where_the_rule_has_none() -> None:
    assert refused('{"prompt": "x"}', kind="").startswith("kind: is required")


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_columns_are_paths_of_fields(delimiter: str) -> None:
    header = ["custom_id", "kind", "prompt", "file_infos.0.url", "file_infos.1.url"]
    form = parse_header(b"\xef\xbb\xbf" + delimiter.join(header).encode() + b"\r\n")
    cells = ["7", "vod.image", '"a ""cat"""', "https://a/1.png", "https://a/2.png"]

    line = parse_line(raw(delimiter.join(cells)), form)

    assert line.custom_id == "7"
    assert line.body == {
        "prompt": 'a "cat"',
        "file_infos": [{"url": "https://a/1.png"}, {"url": "https://a/2.png"}],
    }


@pytest.mark.parametrize(
    ("header", "row", "part"),
    [
        ("prompt", "a,b", "2 cells"),
        ("prompt", '"a', "a quote is not closed"),
        ("a.1", "x", "a.1: is not an index of the list"),
        ("a,a.b", "x,y", "a.b: is inside another column"),
        ("prompt", '"a"b', "is not CSV"),
        ("prompt", b"\xff", "is not text in UTF-8"),
    ],
)
def test_wrong_row_is_refused(header: str, row: str | bytes, part: str) -> None:
    assert part in refused(row, parse_header(header.encode()))


@pytest.mark.parametrize("header", ["", "a b", "a,a", '"a'])
def test_wrong_header_is_refused(header: str) -> None:
    with pytest.raises(BatchFileError, match="header"):
        parse_header(header.encode())


def test_custom_id_of_a_wrong_line_is_found_where_it_can_be_read() -> None:
    assert custom_id_of(raw('{"custom_id": "a", "kind": "none"}'), JSONL) == "a"
    assert custom_id_of(raw("{"), JSONL) == ""
    assert custom_id_of(RawLine(1, 0, 2, None), JSONL) == ""


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["custom_id", "kind", "method", "url", "body", "model", "prompt", "n", "size", "image"]
    ),
    ANYTHING | st.sampled_from(["vod.image", "POST", "/v1/images/edits", "GG-3.0", "x"]),
)


@given(line=FIELDS, body=FIELDS)
def test_any_line_is_read_or_refused(line: dict[str, Any], body: dict[str, Any]) -> None:
    for entry in (line, {**line, "body": body}, {"url": "/v1/images/edits", "body": body}):
        with contextlib.suppress(InvalidRequestError):
            parse_line(raw(json.dumps(entry)), JSONL, "vod.image")


@given(header=st.binary(max_size=20), row=st.binary(max_size=30))
def test_any_csv_is_read_or_refused(header: bytes, row: bytes) -> None:
    with contextlib.suppress(InvalidRequestError):
        parse_line(raw(row), parse_header(header), "vod.image")
