"""The tables of the docs that are generated: parameters, and the checks of `verify-cloud`.

`python -m ops.reference` updates them; a test fails while a page differs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.api.openapi.document import document
from aigc.api.openapi.schema_text import (
    alternatives,
    fields,
    limits,
    reference,
    type_name,
    words,
)
from aigc.tasks.kind import Task
from aigc.tasks.kinds import KINDS
from ops import log_events
from ops.verify.pages import assumptions, consequences, with_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]

DOCS = Path(__file__).resolve().parent.parent / "docs"
_HEAD = "| parameter | type | what it does |\n|---|---|---|\n"
_TABLE = rf"\n## {{}}\n(?:(?!\n## ).)*?({re.escape(_HEAD)}(?:\|[^\n]*\n)*)"
_ONLY_IN_CALLS = {"result", "webhook_url", "custom_id"}


def main() -> int:
    """Write the tables into their pages."""
    for page, rewrite in PAGES.items():
        path = DOCS / page
        path.write_text(rewrite(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def rewritten(page: str) -> str:
    """Return the page with its tables of parameters generated from the models."""
    tables = {"Every kind": _common_table(), **{kind: _table(kind) for kind in KINDS}}
    for heading, table in tables.items():
        match = re.search(_TABLE.format(re.escape(heading)), page, re.DOTALL)
        if match is None:
            sys.exit(f"docs/tasks.md has no table of parameters below {heading}")
        page = page[: match.start(1)] + table + page[match.end(1) :]
    return page


def _common_table() -> str:
    schemas = document()["components"]["schemas"]
    schema = schemas[next(iter(KINDS.values())).model.__name__]
    rows = (row for row in _rows(schema, schemas, "") if _top(row[0]) in Task.model_fields)
    return _HEAD + "".join(map(_line, rows))


def _table(kind: str) -> str:
    schemas = document()["components"]["schemas"]
    rows = _rows(schemas[KINDS[kind].model.__name__], schemas, "")
    elsewhere = _ONLY_IN_CALLS | Task.model_fields.keys()
    return _HEAD + "".join(_line(row) for row in rows if _top(row[0]) not in elsewhere)


def _top(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def _line(row: tuple[str, str, str]) -> str:
    path, description, text = row
    return f"| `{path}` | {description} | {text} |\n"


def _rows(schema: Json, schemas: Json, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Walk all fields, nested ones too, as paths: `file_infos[].url`."""
    for name, field, is_required in fields(schema):
        marks = ["required"] if is_required else []
        description = ", ".join([_type(field), *limits(field), *marks])
        yield f"{prefix}{name}", description, field["description"]
        for mark, inner in _inside(field):
            if inner != "Switch":
                yield from _rows(schemas[inner], schemas, f"{prefix}{name}{mark}.")


def _inside(field: Json) -> Iterator[tuple[str, str]]:
    for alternative in alternatives(field):
        for mark, schema in (("", alternative), ("[]", alternative.get("items", {}))):
            if reference(schema):
                yield mark, reference(schema)


def _type(field: Json) -> str:
    names = [_schema_type(schema) for schema in alternatives(field)]
    return "JSON text" if "JSON text" in names else " or ".join(names)


def _schema_type(schema: Json) -> str:
    if reference(schema) == "Switch":
        return "switch"
    if reference(schema):
        return "object"
    if schema.get("type") == "array":
        return "list"
    return ", ".join(f"`{word}`" for word in words(schema)) or type_name(schema)


PAGES: dict[str, Callable[[str], str]] = {
    "tasks.md": rewritten,
    "localcloud.md": lambda page: with_table(page, assumptions()),
    "logs.md": lambda page: with_table(page, log_events.table(), "events"),
    "verify-cloud.md": lambda page: with_table(page, consequences()),
}
"""Page → the function that returns it with its tables generated."""


if __name__ == "__main__":
    sys.exit(main())
