"""The OpenAPI document as one HTML page, without scripts and without files of other hosts.

It is built with the zip and is not part of it; `aigc.api.built` serves the result.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

from aigc.api.openapi.schema_text import alternatives, fields, limits, reference, type_name, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #06c; --mark: #080 }
@media (prefers-color-scheme: dark) { :root { --link: #7bf; --mark: #6c6 } }
* { box-sizing: border-box }
html { scroll-padding-top: 1rem }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 76rem;
  overflow-wrap: break-word }
a { color: var(--link); text-decoration: none }
a:hover { text-decoration: underline }
code, pre { font: 0.88em/1.5 ui-monospace, monospace }
pre { background: var(--soft); padding: 0.8rem; overflow-x: auto; border-radius: 6px }
h1 { margin: 0 0 0.5rem }
nav { margin-bottom: 1rem }
h2 { border-bottom: 1px solid var(--line); margin: 3rem 0 1rem; padding-bottom: 0.2rem }
h3 { margin: 2.4rem 0 0.4rem; font-size: 1.15rem }
h4 { margin: 1rem 0 0.2rem; font-size: 0.95rem }
h3 a, h2 a { color: inherit }
p { margin: 0.5rem 0 }
nav { font-size: 0.92rem }
nav ul { list-style: none; margin: 0.2rem 0 0.8rem; padding: 0 }
nav summary { font-weight: 600 }
summary { cursor: pointer }
.path { margin: 0.15rem 0; background: var(--soft); padding: 0.15rem 0.5rem; border-radius: 4px;
  overflow-wrap: anywhere }
.path b { color: var(--mark); display: inline-block; min-width: 3rem }
dl { margin: 0.4rem 0; border-bottom: 1px solid var(--line) }
dt { border-top: 1px solid var(--line); padding-top: 0.35rem }
dd { margin: 0; padding-bottom: 0.35rem }
dt > code { font-weight: 600 }
dt i { font-style: normal; font-size: 0.88rem; opacity: 0.75 }
dt em { font-style: normal; font-size: 0.8rem; font-weight: 600; color: var(--mark) }
@media (min-width: 60rem) {
  body { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 0 2.5rem }
  header { grid-column: 1 / -1 }
  nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto;
    padding: 1rem 0 }
  dl > div { display: grid; grid-template-columns: 19rem minmax(0, 1fr); gap: 1rem;
    border-top: 1px solid var(--line) }
  dt { border: 0; padding-bottom: 0.35rem }
  dd { padding-top: 0.35rem }
}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)

_BODY = '{"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"}'

_SHELL = f"""\
export GATEWAY=https://…  # the URL of this page without /docs
export API_KEY=…

curl -X POST "$GATEWAY/tencent-vod/v1/aigc-image" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{_BODY}'

# with the request_id of the answer, until the status is COMPLETED:
curl "$GATEWAY/tencent-vod/v1/aigc-image/requests/$REQUEST_ID/status" \\
  -H "Authorization: Bearer $API_KEY"

# then the images:
curl "$GATEWAY/tencent-vod/v1/aigc-image/requests/$REQUEST_ID" \\
  -H "Authorization: Bearer $API_KEY"
"""

_PYTHON = """\
import os
import time

import requests

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['API_KEY']}"

submitted = session.post(
    f"{os.environ['GATEWAY']}/tencent-vod/v1/aigc-image",
    json={"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse in the fog"},
    timeout=60,
)
submitted.raise_for_status()

while session.get(submitted.json()["status_url"], timeout=60).status_code == 202:
    time.sleep(2)

result = session.get(submitted.json()["response_url"], timeout=60)
result.raise_for_status()
for image in result.json()["images"]:
    print(image["url"])
"""

_JAVASCRIPT = """\
const { GATEWAY, API_KEY } = process.env;  // on a server: a web page must not contain a key
const headers = { Authorization: `Bearer ${API_KEY}`, "Content-Type": "application/json" };

const submitted = await fetch(`${GATEWAY}/tencent-vod/v1/aigc-image`, {
  method: "POST",
  headers,
  body: JSON.stringify({
    model_name: "GG",
    model_version: "3.0",
    prompt: "a lighthouse in the fog",
  }),
});
if (!submitted.ok) throw new Error(await submitted.text());
const { status_url, response_url } = await submitted.json();

while ((await fetch(status_url, { headers })).status === 202) {
  await new Promise((resolve) => setTimeout(resolve, 2000));
}

const { images } = await (await fetch(response_url, { headers })).json();
for (const image of images) console.log(image.url);
"""

FIRST_CALL = {"curl": _SHELL, "Python": _PYTHON, "JavaScript": _JAVASCRIPT}
"""Language → the first call in it; the tests run them."""


def page(document: Json) -> str:
    """Write the page of an OpenAPI document."""
    title = escape(document["info"]["title"])
    groups = list(_groups(document))
    sections = [
        _first_steps(),
        *(_group(name, operations, document) for name, operations in groups),
        _section("Bodies of requests", "".join(_request_schemas(document))),
        _section("Bodies of answers", "".join(_answer_schemas(document))),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><header><h1>{title}</h1>{_introduction(document)}</header>"
        f"{_contents(groups, document)}<main>{''.join(sections)}</main></body></html>"
    )


def _introduction(document: Json) -> str:
    paragraphs = document["info"]["description"].strip().split("\n\n")
    return "".join(
        [
            *(f"<p>{_text(paragraph)}</p>" for paragraph in paragraphs),
            "<p>For programs: the same as an <a href=openapi.json>OpenAPI 3.1 document</a>.</p>",
        ]
    )


def _first_steps() -> str:
    authentication = (
        "<p>Each call carries an API key in a header:</p>"
        f"{_code('Authorization: Bearer <API key>')}"
        "<p>The owner of the service makes keys: <code>aigc keys new &lt;name&gt;</code>. "
        "<code>Authorization: Key &lt;API key&gt;</code> works too. Without a valid key the answer "
        "is 401. Operations that need no key are marked.</p>"
    )
    calls = "".join(f"<h3>{name}</h3>{_code(code)}" for name, code in FIRST_CALL.items())
    return _section("Authentication", authentication) + _section("First call", calls)


def _contents(groups: list[tuple[str, list[_Operation]]], document: Json) -> str:
    parts = [_entry("Authentication"), _entry("First call")]
    for name, operations in groups:
        titles = "".join(f"<li>{_link(operation.title)}" for operation in operations)
        parts.append(f"<b>{_link(name)}</b><ul>{titles}</ul>")
    for title, names in (
        ("Bodies of requests", _requested(document)),
        ("Bodies of answers", _answered(document)),
    ):
        links = "".join(f"<li>{_link(name)}" for name in names)
        parts.append(f"<details><summary>{title}</summary><ul>{links}</ul></details>")
    return f"<nav><details open><summary>Contents</summary>{''.join(parts)}</details></nav>"


# Operations


class _Operation:
    """One operation, with all the paths that it has."""

    def __init__(self, title: str, group: Iterable[tuple[str, str, Json]]) -> None:
        self.title = title
        self.calls = list(group)
        self.first: Json = self.calls[0][2]


def _groups(document: Json) -> Iterator[tuple[str, list[_Operation]]]:
    paths = {**document["paths"], **_webhooks(document)}
    calls = [
        (method.upper(), path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    for tag in document["tags"]:
        own = [call for call in calls if call[2]["tags"] == [tag["name"]]]
        titles = {_title(operation): None for _, _, operation in own}
        yield (
            tag["name"],
            [
                _Operation(title, [call for call in own if _title(call[2]) == title])
                for title in titles
            ],
        )


def _calls(paths: Json) -> Iterator[Json]:
    for methods in paths.values():
        yield from methods.values()


def _webhooks(document: Json) -> Json:
    [webhook] = document["webhooks"].values()
    return {"<your URL>": webhook}


def _title(operation: Json) -> str:
    return str(operation["summary"].partition(":")[0])


def _group(name: str, operations: list[_Operation], document: Json) -> str:
    [text] = [tag["description"] for tag in document["tags"] if tag["name"] == name]
    blocks = "".join(_operation(operation, document) for operation in operations)
    return _section(name, f"<p>{_text(text)}</p>{blocks}")


def _operation(operation: _Operation, document: Json) -> str:
    first = operation.first
    parameters = [_resolved(parameter, document) for parameter in first.get("parameters", [])]
    answers = [
        (status, _resolved(answer, document)) for status, answer in first["responses"].items()
    ]
    parts = [
        f'<h3 id="{_slug(operation.title)}">{_link(operation.title)}</h3>',
        f"<p>{_text(first['description'])}</p>" if first.get("description") else "",
        *(_path(method, path, call) for method, path, call in operation.calls),
        "" if first.get("security", True) else "<p>Needs no key.</p>",
        _list("Parameters", map(_parameter, _required_first(parameters))),
        *_example_calls(operation),
        _list("Answers", (_answer(*answer) for answer in answers if answer[0] < "3")),
        *_example_answers(answers),
        _errors([answer for answer in answers if answer[0] >= "3"]),
    ]
    return "".join(parts)


def _required_first(parameters: list[Json]) -> list[Json]:
    return sorted(parameters, key=lambda parameter: not parameter["required"])


def _path(method: str, path: str, operation: Json) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    shape = f"<br>Body: {_type(body['schema'])}" if body else ""
    return f"<p class=path><b>{method}</b> <code>{escape(path)}</code>{shape}</p>"


def _parameter(parameter: Json) -> tuple[str, str]:
    where = {"path": "in the path", "query": "in the query", "header": "header"}[parameter["in"]]
    described = f"{where}, {_value(parameter['schema'])}"
    name = _field_name(parameter["name"], described, is_required=parameter["required"])
    return name, _text(parameter["description"])


def _answer(status: str, answer: Json) -> tuple[str, str]:
    shapes = [
        _type(content["schema"]) if name == "application/json" else escape(name)
        for name, content in answer.get("content", {}).items()
    ]
    return f"<code>{status}</code> <i>{' or '.join(shapes)}</i>", _text(answer["description"])


def _errors(answers: list[tuple[str, Json]]) -> str:
    if not answers:
        return ""
    listed = _list("", (_answer(*answer) for answer in answers))
    return f"<details><summary>Other answers</summary>{listed}</details>"


def _example_calls(operation: _Operation) -> Iterator[str]:
    """Write one call for each kind of body, or only the first path of calls without a body."""
    for method, path, call in (
        operation.calls if _examples_of(operation.first) else operation.calls[:1]
    ):
        if path.startswith("/"):
            yield _code(" \\\n  ".join(_curl(method, path, call)))


def _curl(method: str, path: str, call: Json) -> Iterator[str]:
    url = path.replace("{id}", "$REQUEST_ID").replace("{key}", "$CALLBACK_KEY")
    yield f'curl "$GATEWAY{url}"' if method == "GET" else f'curl -X {method} "$GATEWAY{url}"'
    if call["security"]:
        yield '-H "Authorization: Bearer $API_KEY"'
    for body in _examples_of(call):
        yield '-H "Content-Type: application/json"'
        yield f"-d '{json.dumps(body, ensure_ascii=False)}'"


def _examples_of(call: Json) -> list[object]:
    content = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [example["value"] for example in content.get("examples", {}).values()]


def _example_answers(answers: list[tuple[str, Json]]) -> Iterator[str]:
    for status, answer in answers:
        for content in answer.get("content", {}).values():
            for name, example in content.get("examples", {}).items():
                text = json.dumps(example["value"], ensure_ascii=False, indent=2)
                title = f"Example: {status} {escape(name)}"
                yield f"<details><summary>{title}</summary>{_code(text)}</details>"


def _resolved(pointer: Json, document: Json) -> Json:
    """Follow a reference inside the document."""
    target = document
    for part in pointer.get("$ref", "").split("/")[1:]:
        target = target[part]
    return target if "$ref" in pointer else pointer


# Schemas


def _requested(document: Json) -> list[str]:
    """List the names of the schemas of requests, and of those that they refer to."""
    names = _references([call.get("requestBody") for call in _calls(document["paths"])])
    for name in names:  # the loop also visits the names that it appends
        inner = _references(document["components"]["schemas"][name])
        names += [inner_name for inner_name in inner if inner_name not in names]
    return names


def _answered(document: Json) -> list[str]:
    return sorted(document["components"]["schemas"].keys() - set(_requested(document)))


def _references(value: object) -> list[str]:
    return list(dict.fromkeys(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(value))))


def _request_schemas(document: Json) -> Iterator[str]:
    for name in _requested(document):
        schema = document["components"]["schemas"][name]
        yield f'<h3 id="{_slug(name)}">{_link(name)}</h3>{_schema(schema)}'


def _answer_schemas(document: Json) -> Iterator[str]:
    """Write them closed; a browser opens the one that a link points to."""
    schemas = document["components"]["schemas"]
    for name in _answered(document):
        content = f'<div id="{_slug(name)}">{_schema(schemas[name])}</div>'
        yield f"<details><summary><b>{escape(name)}</b></summary>{content}</details>"


def _schema(schema: Json) -> str:
    rows = sorted(fields(schema), key=lambda field: not field[2])
    listed = _list("", (_field(*row) for row in rows))
    return f"<p>{_text(schema['description'])}</p>{listed}"


def _field(name: str, schema: Json, is_required: bool) -> tuple[str, str]:  # noqa: FBT001
    return (
        _field_name(name, _value(schema), is_required=is_required),
        _text(schema.get("description", "")) + _examples(schema),
    )


def _field_name(name: str, described: str, *, is_required: bool) -> str:
    mark = " <em>required</em>" if is_required else ""
    return f"<code>{escape(name)}</code>{mark} <i>{described}</i>"


def _type(schema: Json) -> str:
    """Name the type of a value, with a link if it is a component."""
    return " or ".join(dict.fromkeys(map(_one_type, alternatives(schema)))) or "null"


def _one_type(schema: Json) -> str:
    name = reference(schema)
    if name:
        return _link(name)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    allowed = words(schema)
    if allowed:
        return " | ".join(f"<code>{escape(word)}</code>" for word in allowed)
    return escape(type_name(schema))


def _value(schema: Json) -> str:
    """Describe the type and the limits of a value."""
    return ", ".join([_type(schema), *map(escape, limits(schema))])


def _examples(schema: Json) -> str:
    known = schema.get("examples", [])
    text = ", ".join(f"<code>{escape(example)}</code>" for example in known)
    return f"<br>Known values: {text}" if text else ""


# HTML


def _section(title: str, content: str) -> str:
    return f'<section><h2 id="{_slug(title)}">{_link(title)}</h2>{content}</section>'


def _list(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"<div><dt>{first}</dt><dd>{second}</dd></div>" for first, second in rows)
    heading = f"<h4>{title}</h4>" if title else ""
    return f"{heading}<dl>{lines}</dl>" if lines else ""


def _code(text: str) -> str:
    return f"<pre><code>{escape(text.strip(), quote=False)}</code></pre>"


def _entry(title: str) -> str:
    return f"<b>{_link(title)}</b><br>"


def _link(title: str) -> str:
    return f'<a href="#{_slug(title)}">{escape(title)}</a>'


def _slug(title: str) -> str:
    return re.sub(r"[^0-9A-Za-z]+", "-", title).strip("-")


def _text(markdown: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(markdown, quote=False))
