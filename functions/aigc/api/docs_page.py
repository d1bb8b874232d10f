"""The OpenAPI document as one page for people: no script, and nothing of another host."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

from aigc.api.openapi import document
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aigc.api.call import Call

Json = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #06c }
@media (prefers-color-scheme: dark) { :root { --link: #7bf } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
a { color: var(--link) }
code, pre { font: 0.88em ui-monospace, monospace }
pre { background: var(--soft); padding: 0.8rem; overflow-x: auto; border-radius: 4px }
h2 { border-bottom: 1px solid var(--line); margin-top: 3rem }
h3 { margin: 2rem 0 0.4rem }
table { border-collapse: collapse; width: 100%; margin: 0.6rem 0 }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.8rem 0.25rem 0 }
td { border-top: 1px solid var(--line) }
td:first-child { white-space: nowrap }
p.path { margin: 0 }
summary { cursor: pointer }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def respond(call: Call) -> HttpResponse:
    """Hand out the page, for where the caller reached us."""
    return HttpResponse(
        status=200,
        body=page(document(call.base_url)),
        headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY},
        content_type="text/html; charset=utf-8",
    )


def page(told: Json) -> str:
    """Write the page of an OpenAPI document."""
    title, base_url = escape(told["info"]["title"]), escape(told["servers"][0]["url"])
    paragraphs = told["info"]["description"].strip().split("\n\n")
    parts = [
        f"<h1>{title}</h1>",
        *(f"<p>{_text(paragraph)}</p>" for paragraph in paragraphs),
        f"<p>Below <code>{base_url}</code>. For programs: <a href=openapi.json>OpenAPI</a>.</p>",
        *_groups(told),
        "<h2 id=schemas>Schemas</h2>",
        *(_schema(name, schema) for name, schema in sorted(told["components"]["schemas"].items())),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>"
    )


# Operations


def _groups(told: Json) -> Iterator[str]:
    """Write each group of operations; one that answers at several paths is written once."""
    found = [
        (operation["tags"][0], operation["summary"], f"{method.upper()} {path}", operation)
        for path, methods in (*told["paths"].items(), *_called_by_us(told))
        for method, operation in methods.items()
    ]
    for group, of_group in groupby(found, key=lambda one: one[0]):
        yield f"<h2>{escape(group)}</h2>"
        for summary, same in groupby(of_group, key=lambda one: one[1]):
            places = list(same)
            yield _operation(summary, [place for _, _, place, _ in places], places[0][3], told)


def _called_by_us(told: Json) -> Iterator[tuple[str, Json]]:
    for methods in told["webhooks"].values():
        yield "your URL", methods


def _operation(summary: str, places: list[str], operation: Json, told: Json) -> str:
    key = "" if operation.get("security", True) else "Needs no key."
    parts = [
        f"<h3>{escape(summary)}</h3>",
        *(f"<p class=path><code>{escape(place)}</code></p>" for place in places),
        f"<p>{key}</p>" if key else "",
        _table(_parameter(_resolved(one, told)) for one in operation.get("parameters", [])),
        _body("Body", operation.get("requestBody", {})),
        _table(
            _answer(status, _resolved(answer, told))
            for status, answer in operation["responses"].items()
        ),
    ]
    return "".join(parts)


def _parameter(parameter: Json) -> tuple[str, str]:
    where = {"path": "in the path", "query": "in the query", "header": "header"}[parameter["in"]]
    description = _text(parameter["description"])
    return (
        f"<code>{escape(parameter['name'])}</code>",
        f"{where}, {_type(parameter['schema'])}. {description}",
    )


def _answer(status: str, answer: Json) -> tuple[str, str]:
    return (f"<b>{status}</b>", _text(answer["description"]) + _body("", answer))


def _body(title: str, holder: Json) -> str:
    parts = []
    for content_type, content in holder.get("content", {}).items():
        shape = _type(content["schema"]) if content_type == "application/json" else content_type
        parts.append(f"<p>{title}: {shape}</p>" if title else f" → {shape}")
        parts += (_example(name, one["value"]) for name, one in content.get("examples", {}).items())
    return "".join(parts)


def _example(name: str, value: object) -> str:
    text = escape(json.dumps(value, ensure_ascii=False, indent=2))
    return f"<details><summary>example of {escape(name)}</summary><pre>{text}</pre></details>"


def _resolved(pointer: Json, told: Json) -> Json:
    """Follow a reference inside the document."""
    if "$ref" not in pointer:
        return pointer
    found = told
    for part in pointer["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


# Schemas


def _schema(name: str, schema: Json) -> str:
    required = schema.get("required", [])
    rows = (
        (
            f"<code>{escape(field)}</code>",
            _type(inner) + (", required" if field in required else ""),
        )
        for field, inner in schema.get("properties", {}).items()
    )
    said = _text(schema.get("description", ""))
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{said}</p>{_table(rows)}'


_LIMITS: Mapping[str, str] = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "like <code>{}</code>",
    "format": "as {}",
    "contentEncoding": "in {}",
}


def _type(schema: Json) -> str:
    """Say in words what a schema allows."""
    limits = (
        text.format(escape(str(schema[name]))) for name, text in _LIMITS.items() if name in schema
    )
    return ", ".join([_shape(schema), *limits])


def _shape(schema: Json) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        return " | ".join(f"<code>{escape(_word(word))}</code>" for word in words)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    types = schema.get("type", "anything")
    return escape(types if isinstance(types, str) else " or ".join(types))


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# HTML


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"<tr><td>{first}<td>{second}" for first, second in rows)
    return f"<table>{lines}</table>" if lines else ""


def _text(words: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(words, quote=False))
