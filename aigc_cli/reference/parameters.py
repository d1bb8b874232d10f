"""The tables of docs/tasks.md with the parameters of each kind of task."""

from __future__ import annotations

import re
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
from aigc_cli.reference.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aigc_cli.reference.translation import Translate

Json = dict[str, Any]

_ONLY_IN_CALLS = {"result", "webhook_url", "custom_id"}


def common_table(translate: Translate) -> str:
    """Return the parameters that each kind has."""
    schemas = document()["components"]["schemas"]
    rows = _rows(schemas[next(iter(KINDS.values())).model.__name__], schemas, "")
    return _table((row for row in rows if _top(row[0]) in Task.model_fields), translate)


def kind_table(kind: str, translate: Translate) -> str:
    """Return the parameters that only tasks of this kind have."""
    schemas = document()["components"]["schemas"]
    rows = _rows(schemas[KINDS[kind].model.__name__], schemas, "")
    elsewhere = _ONLY_IN_CALLS | Task.model_fields.keys()
    return _table((row for row in rows if _top(row[0]) not in elsewhere), translate)


def descriptions(schema: Json, schemas: Json) -> Iterator[str]:
    """Yield the descriptions of all fields of a schema, nested ones too."""
    return (text for _, _, text in _rows(schema, schemas, ""))


def _table(rows: Iterable[tuple[str, list[str], str]], translate: Translate) -> str:
    heads = ("parameter", "type", "what it does")
    cells = (
        (f"`{path}`", ", ".join(map(translate, properties)), translate(text))
        for path, properties, text in rows
    )
    return table(heads, cells, translate)


def _top(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def _rows(schema: Json, schemas: Json, prefix: str) -> Iterator[tuple[str, list[str], str]]:
    """Walk all fields, nested ones too, as paths: `file_infos[].url`."""
    for name, field, is_required in fields(schema):
        marks = ["required"] if is_required else []
        yield f"{prefix}{name}", [*_types(field), *limits(field), *marks], field["description"]
        for mark, inner in _inside(field):
            if inner != "Switch":
                yield from _rows(schemas[inner], schemas, f"{prefix}{name}{mark}.")


def _inside(field: Json) -> Iterator[tuple[str, str]]:
    for alternative in alternatives(field):
        for mark, schema in (("", alternative), ("[]", alternative.get("items", {}))):
            if reference(schema):
                yield mark, reference(schema)


def _types(field: Json) -> list[str]:
    names = [name for schema in alternatives(field) for name in _schema_types(schema)]
    return ["JSON text"] if "JSON text" in names else names


def _schema_types(schema: Json) -> list[str]:
    if reference(schema) == "Switch":
        return ["switch"]
    if reference(schema):
        return ["object"]
    if schema.get("type") == "array":
        return ["list"]
    return [f"`{word}`" for word in words(schema)] or [type_name(schema)]
