"""JSON schemas in words, for the docs page and for the tables of docs/tasks.md.

It is used when the zip is built and is not part of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_NULL = {"type": "null"}
_FORMATS = {"date-time": "time", "date": "day", "uri": "URL"}
_RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " character"),
    ("minItems", "maxItems", " item"),
)


def fields(schema: Json) -> Iterator[tuple[str, Json, bool]]:
    """Yield the fields of an object: name, schema, whether it is required."""
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield name, field, name in required


def alternatives(schema: Json) -> list[Json]:
    """List the alternative schemas of a value, without null, which means absent."""
    return [alternative for alternative in schema.get("anyOf", [schema]) if alternative != _NULL]


def words(schema: Json) -> list[str]:
    """List the only words that a schema allows; empty if it allows other values."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def reference(schema: Json) -> str:
    """Name the component that a schema points to; empty if it points to none."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def limits(schema: Json) -> list[str]:
    """Describe the limits of a value, apart from its type."""
    return [text for alternative in alternatives(schema) for text in _limits(alternative)]


def _limits(schema: Json) -> Iterator[str]:
    for least, most, unit in _RANGES:
        if least in schema and most in schema:
            yield f"{schema[least]} to {_counted(schema[most], unit)}"
        elif least in schema:
            yield f"at least {_counted(schema[least], unit)}"
        elif most in schema:
            yield f"at most {_counted(schema[most], unit)}"
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']}"
    if "default" in schema:
        yield f"by default {schema['default']}"


def _counted(number: float, unit: str) -> str:
    return f"{number}{unit}s" if unit and number != 1 else f"{number}{unit}"


def type_name(schema: Json) -> str:
    """Name the type of a value that is neither a list nor a component."""
    if schema.get("contentMediaType") == "application/json":
        return "JSON text"
    if str(schema.get("pattern", "")).startswith("^(https?"):
        return "URL"
    if "contentEncoding" in schema:
        return "Base64"
    named = {"string": "text", None: "anything"}
    kind = schema.get("type")
    return _FORMATS.get(schema.get("format", ""), named.get(kind, str(kind)))
