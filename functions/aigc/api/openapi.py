"""The API as an OpenAPI 3.1 document, made of what serves it: routes, models, tables of errors.

Only who asks for the document imports this: no other call pays for it.
"""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from aigc.api import answers
from aigc.api.call import ENDPOINTS
from aigc.api.described import FAILED, MEANINGS, OPERATIONS, PARAMETERS, Answer
from aigc.api.routes import ROUTES
from aigc.api.submit import Ours
from aigc.tasks.kinds import KINDS
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aigc.api.call import Call
    from aigc.api.described import Fault, Operation
    from aigc.api.routes import Route

Json = dict[str, Any]

_JSON = "application/json"
_FAULTS = (answers.Refusal, answers.VendorRefusal, answers.Failure)
_SAID_EARLY = frozenset({401, 404, 500})
"""What may be said, in both manners, before it is known what the path's clients read."""
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Key <key>`, as fal.ai's clients send it.",
    },
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_TIMEOUT_TYPE = {
    "X-Fal-Request-Timeout-Type": {
        "description": "`user` where the caller's own time was over.",
        "schema": {"type": "string"},
    }
}
_HEADERS: Mapping[int, Json] = {429: _RETRY_AFTER, 503: _RETRY_AFTER, 504: _TIMEOUT_TYPE}
"""What may come beside the body, by status."""

EXAMPLES = Path(__file__).with_name("examples.json")
"""A body for each kind of task, and an answer of each shape: tests hold them to the schemas."""

_TEXT = """\
Pictures generated on Tencent Cloud, in your own account.

A submit answers at once with a request id; ask for the status until it is `COMPLETED`, then get \
the result. Names of fields may also be spelled in the vendor's PascalCase, words in any case; \
null and the empty string mean that a field is absent. What the models allow beyond this document \
is told by the 422 of a submit.
"""


def respond(call: Call) -> HttpResponse:
    """Hand out the document, for where the caller reached us."""
    return HttpResponse(status=200, body=document(call.base_url))


def document(base_url: str) -> Json:
    """Describe the API as it is served below this URL."""
    return {**_document(), "servers": [{"url": base_url or "/"}]}


@functools.cache
def _document() -> Json:
    paths: dict[str, Json] = defaultdict(dict)
    for route in ROUTES:
        for path in templates(route.path.pattern):
            paths[path][route.method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AIGC Functions", "version": "1", "description": _TEXT},
        "paths": paths,
        "webhooks": {"ended": {"post": _webhook()}},
        "components": {
            "schemas": _schemas().components,
            "parameters": {name: _parameter(name) for name in PARAMETERS},
            "responses": dict(_responses()),
            "securitySchemes": _SCHEMES,
        },
    }


# Paths

_GROUP = re.compile(r"\(\?(?:P<(?P<name>\w+)>|:)(?P<inside>[^()]*)\)(?P<optional>\?)?")


def templates(pattern: str) -> list[str]:
    """Spell out a route's pattern: a path for each alternative, `{name}` for what is free."""
    match = _GROUP.search(pattern)
    if match is None:
        return [re.sub(r"\\(.)", r"\1", pattern)]
    is_free = re.search(r"[\[\\+*]", match["inside"])
    choices = [f"{{{match['name']}}}"] if is_free else match["inside"].split("|")
    if match["optional"]:
        choices.append("")
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [path for choice in choices for path in templates(f"{before}{choice}{after}")]


def _operation(route: Route, path: str) -> Json:
    told = OPERATIONS[route.name]
    kind = ENDPOINTS.get(path.removeprefix("/"))
    parameters = [*re.findall(r"{(\w+)}", path), *told.parameters]
    body = KINDS[kind].model if kind else told.body
    return {
        "operationId": _operation_id(route, path),
        "tags": [told.group],
        "summary": f"{told.summary}: {kind}" if kind else told.summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in parameters],
        **({"requestBody": _body(body)} if body else {}),
        "responses": {
            str(status): {"$ref": f"#/components/responses/{route.name}_{status}"}
            for status in _statuses(told)
        }
        | _linked(route, path),
        "security": [] if route.is_open else [{name: []} for name in _SCHEMES],
    }


def _operation_id(route: Route, path: str) -> str:
    return "_".join([route.name, *re.findall(r"\w+", path)])


def _linked(route: Route, path: str) -> Json:
    """Tell of the answers that name a request what can be asked of it then."""
    told = OPERATIONS[route.name]
    if not told.leads_to:
        return {}
    links = {
        name: {"operationId": operation_id, "parameters": {"id": "$response.body#/request_id"}}
        for name, operation_id in _below(path, told.leads_to)
    }
    return {str(status): {**_response(route, status), "links": links} for status in told.answers}


def _below(path: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for route in ROUTES:
        for other in templates(route.path.pattern):
            if route.name in names and other.startswith(f"{path}/"):
                yield route.name, _operation_id(route, other)


def _body(shape: type) -> Json:
    return {"required": True, "content": _schemas().content([shape])}


def _webhook() -> Json:
    """Describe the call that we make."""
    return {
        "operationId": "ended",
        "tags": ["Webhooks"],
        "summary": "A request has ended",
        "description": "Sent to the URL that a submit named, and signed as Standard Webhooks says.",
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"}
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        ],
        "requestBody": _body(answers.Report),
        "responses": {
            "2XX": {"description": "Taken. After any other answer, or none, it is sent again."},
            "410": {"description": "Not wanted any more: it is not sent again."},
        },
    }


def _parameter(name: str) -> Json:
    told = PARAMETERS[name]
    return {"name": name, "required": told["in"] == "path", **told}


# Answers


def _responses() -> Iterator[tuple[str, Json]]:
    """Describe what operations of one route share: those that lead on have answers of their own."""
    for route in ROUTES:
        told = OPERATIONS[route.name]
        for status in _statuses(told):
            if told.leads_to and status in told.answers:
                continue
            yield f"{route.name}_{status}", _response(route, status)


def _statuses(told: Operation) -> list[int]:
    return sorted({*told.answers, *(status for status, _ in _faults(told))})


def _faults(told: Operation) -> frozenset[Fault]:
    return told.faults | FAILED if told.can_have_failed else told.faults


def _response(route: Route, status: int) -> Json:
    told = OPERATIONS[route.name]
    answer = told.answers.get(status)
    means = [answer.means] if answer else []
    means += [f"`{word}`: {MEANINGS[status, word]}" for word in _words(_faults(told), status)]
    headers = _HEADERS.get(status)
    return {
        "description": " ".join(means),
        **({"headers": headers} if headers else {}),
        **_content(answer or Answer(means=""), list(_fault_shapes(route, status))),
    }


def _content(answer: Answer, faults: list[Json]) -> Json:
    if not answer.content_type:
        return {}
    if answer.content_type != _JSON:
        schema = _event(*answer.shapes) if answer.shapes else {"type": "string"}
        return {"content": {answer.content_type: {"schema": schema}}}
    return {"content": _schemas().content(answer.shapes, *faults)}


def _event(shape: type) -> Json:
    """Describe one server-sent event, which is what a schema of a stream speaks of."""
    data = {"type": "string", "contentMediaType": _JSON, "contentSchema": _schemas().ref(shape)}
    return {
        "type": "object",
        "properties": {"id": {"type": "string"}, "data": data},
        "required": ["id", "data"],
    }


def _fault_shapes(route: Route, status: int) -> Iterator[Json]:
    told = OPERATIONS[route.name]
    refused, failed = _words(told.faults, status), _words(FAILED, status)
    is_in_ours = route.manner != "vendors" or status in _SAID_EARLY
    if refused and is_in_ours:
        yield _fault_shape(answers.Refusal, refused)
    if refused and route.manner == "vendors" and status != HTTPStatus.UNAUTHORIZED:
        yield _schemas().ref(answers.VendorRefusal)
    if failed and told.can_have_failed:
        yield _fault_shape(answers.Failure, failed)


def _fault_shape(shape: type, words: list[str]) -> Json:
    return {**_schemas().ref(shape), "properties": {"error_type": {"enum": words}}}


def _words(faults: Iterable[Fault], status: int) -> list[str]:
    return sorted(word for one, word in faults if one == status)


# Schemas


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles of fields, which repeat their names."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  theirs
        return False


class _Schemas:
    """The schemas of all bodies: answers as they are written, tasks as they are read."""

    def __init__(self) -> None:
        given = (answer for told in OPERATIONS.values() for answer in told.answers.values())
        written = {shape for answer in given for shape in answer.shapes} | {answers.Report}
        sent = {told.body for told in OPERATIONS.values() if told.body}
        read = {kind.model for kind in KINDS.values()} | {Ours} | sent
        refs, told = TypeAdapter.json_schemas(
            [
                *((one, "serialization", TypeAdapter(one)) for one in (*written, *_FAULTS)),
                *((one, "validation", TypeAdapter(one)) for one in read),
            ],
            ref_template="#/components/schemas/{model}",
            schema_generator=_Untitled,
        )
        self._refs = {shape: _shortened(ref) for (shape, _), ref in refs.items()}
        self._examples: Json = json.loads(EXAMPLES.read_text(encoding="utf-8"))
        self.components = _shortened(told["$defs"])
        ours = self.components.pop("Ours")["properties"]
        for kind in KINDS.values():
            self.components[kind.model.__name__]["properties"] |= ours

    def ref(self, shape: type) -> Json:
        """Point to the schema of a type."""
        return self._refs[shape]

    def content(self, shapes: Sequence[type], *others: Json) -> Json:
        """Describe a body that has one of these types, or one of other schemas."""
        schemas = [*map(self.ref, shapes), *others]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        examples = {
            shape.__name__: {"value": self._examples[shape.__name__]}
            for shape in shapes
            if shape.__name__ in self._examples
        }
        return {_JSON: {"schema": schema, **({"examples": examples} if examples else {})}}


def _shortened(schemas: Json) -> Json:
    """Shorten the names that pydantic gives to types of the same name in two modules."""
    text = json.dumps(schemas)
    short: Json = json.loads(re.sub(r"aigc__(?:[a-z]+__)*([a-z_]+?)__(?=[A-Z])", r"\1.", text))
    return short


_schemas = functools.cache(_Schemas)
