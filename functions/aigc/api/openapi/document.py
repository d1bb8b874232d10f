"""The API as an OpenAPI 3.1 document, built from the routes, the models and the tables of errors.

It is built with the zip and is not part of it; `aigc.api.built` serves the result.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import json
import re
import sys
from collections import defaultdict
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from aigc.api.call import ENDPOINTS
from aigc.api.openapi import schemas
from aigc.api.openapi.operations import (
    ERROR_DESCRIPTIONS,
    FAILED,
    GROUPS,
    OPERATIONS,
    PARAMETERS,
    Answer,
)
from aigc.api.routes import ROUTES
from aigc.api.submit import SubmitOptions
from aigc.tasks.catalogue import ByModel, OneOf, catalogue
from aigc.tasks.fields import SWITCH, Parameters
from aigc.tasks.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic_core import core_schema

    from aigc.api.openapi.operations import ErrorCase, Operation
    from aigc.api.routes import Route

Json = dict[str, Any]

_JSON = "application/json"
_ERROR_BODIES = (schemas.Refusal, schemas.VendorRefusal, schemas.Failure)
_BEFORE_ROUTING = frozenset({401, 404, 500})
"""Statuses of answers that may be sent before the route and its format of errors are known."""
_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer <API key>`",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: Key <API key>`, as fal.ai's clients send it.",
    },
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_TIMEOUT_TYPE = {
    "X-Fal-Request-Timeout-Type": {
        "description": "`user` if the time of `X-Fal-Request-Timeout` has passed.",
        "schema": {"type": "string"},
    }
}
_VERSION = {
    "ETag": {"description": "Version of the body.", "schema": {"type": "string"}},
    "Cache-Control": {
        "description": "How long the body may be used without another call.",
        "schema": {"type": "string"},
    },
}
_HEADERS: Mapping[int, Json] = {
    304: _VERSION,
    401: {
        "WWW-Authenticate": {
            "description": "The scheme of the key: `Bearer`.",
            "schema": {"type": "string"},
        }
    },
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
    504: _TIMEOUT_TYPE,
}
"""Headers of an answer, by status."""

EXAMPLES = Path(__file__).with_name("examples.json")
"""An example of each body; tests check them against the schemas."""

_TEXT = """\
Generates images on Tencent Cloud in your own account.

A submit is answered at once with a request id. Poll its status until it is `COMPLETED`, then get \
the result.

Field names may also be in the vendor's PascalCase, and words in any case. null and the empty \
string mean that a field is absent. Limits of single models are not part of this document: a \
submit that exceeds one is refused with 422, and the answer names the field and what is allowed.
"""


@functools.cache
def document() -> Json:
    """Build the document; its server is the one that serves the document."""
    paths: dict[str, Json] = defaultdict(dict)
    for route in _documented():
        for path in templates(route.path.pattern):
            paths[path][route.method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AIGC Functions", "version": "1", "description": _TEXT},
        "servers": [{"url": "."}],
        "tags": [{"name": name, "description": text} for name, text in GROUPS.items()],
        "paths": paths,
        "webhooks": {"ended": {"post": _webhook()}},
        "components": {
            "schemas": _schemas().components,
            "parameters": {name: _parameter(name) for name in PARAMETERS},
            "responses": dict(_shared_responses()),
            "securitySchemes": _SCHEMES,
        },
    }


def _documented() -> list[Route]:
    return [route for route in ROUTES if route.is_documented]


# Paths

_GROUP = re.compile(r"\(\?(?:P<(?P<name>\w+)>|:)(?P<inside>[^()]*)\)(?P<optional>\?)?")


def templates(pattern: str) -> list[str]:
    """Expand a route's pattern: one path for each alternative, `{name}` for a variable part."""
    match = _GROUP.search(pattern)
    if match is None:
        return [re.sub(r"\\(.)", r"\1", pattern)]
    is_variable = re.search(r"[\[\\+*]", match["inside"])
    choices = [f"{{{match['name']}}}"] if is_variable else match["inside"].split("|")
    if match["optional"]:
        choices.append("")
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [path for choice in choices for path in templates(f"{before}{choice}{after}")]


def _operation(route: Route, path: str) -> Json:
    operation = OPERATIONS[route.name]
    kind = ENDPOINTS.get(path.removeprefix("/").removesuffix("/estimate"))
    query = [_query_parameter(name) for name in route.query or ()]
    parameters = [*re.findall(r"{(\w+)}", path), *query, *operation.parameters]
    body = KINDS[kind].model if kind else operation.body
    return {
        "operationId": _operation_id(route, path),
        "tags": [operation.group],
        "summary": f"{operation.summary}: {kind}" if kind else operation.summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in parameters],
        **({"requestBody": _body(body, is_form_too=operation.is_form_too)} if body else {}),
        "responses": {
            str(status): {"$ref": f"#/components/responses/{route.name}_{status}"}
            for status in _statuses(operation)
        }
        | _responses_with_links(route, path),
        "security": [] if route.is_open else [{name: []} for name in _SCHEMES],
    }


def _operation_id(route: Route, path: str) -> str:
    """Name an operation by its route and the kind or the vendor: `submit_vod_image`."""
    if path.endswith("{key}"):
        return f"{route.name}_with_key"
    owners = {**ENDPOINTS, "tencent-vod/v1": "vod", "tencent-mps/v1": "mps"}
    for owner, name in owners.items():
        if f"{path}/".startswith(f"/{owner}/"):
            return f"{route.name}_{name.replace('.', '_')}"
    return route.name


def _responses_with_links(route: Route, path: str) -> Json:
    """Describe answers with a request id, and link them to the operations that take it."""
    operation = OPERATIONS[route.name]
    if not operation.leads_to:
        return {}
    links = {
        name: {"operationId": operation_id, "parameters": {"id": "$response.body#/request_id"}}
        for name, operation_id in _below(path, operation.leads_to)
    }
    return {
        str(status): {**_response(route, status), "links": links}
        for status, answer in operation.answers.items()
        if answer.shapes
    }


def _below(path: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for route in ROUTES:
        for other in templates(route.path.pattern):
            if route.name in names and other.startswith(f"{path}/"):
                yield route.name, _operation_id(route, other)


def _body(shape: type, *, is_form_too: bool = False) -> Json:
    content = _schemas().content([shape])
    form = {"multipart/form-data": {"schema": _schemas().ref(shape)}} if is_form_too else {}
    return {"required": True, "content": content | form}


def _webhook() -> Json:
    """Describe the webhook, which is a call of the service to a client."""
    return {
        "operationId": "ended",
        "tags": ["Webhooks"],
        "summary": "A request has ended",
        "description": "Sent to the URL in a submit, and signed as in Standard Webhooks.",
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"}
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        ],
        "requestBody": _body(schemas.Report),
        "responses": {
            "2XX": {
                "description": "Delivered. After another answer, or no answer, it is sent again."
            },
            "410": {"description": "The receiver refuses it: it is not sent again."},
        },
    }


def _query_parameter(name: str) -> str:
    """Return the name under which a parameter of the query is described.

    A part of a path may have the same name as a parameter.
    """
    return f"query.{name}" if f"query.{name}" in PARAMETERS else name


def _parameter(name: str) -> Json:
    parameter = PARAMETERS[name]
    return {"name": name, "required": parameter["in"] == "path", **parameter}


# Answers


def _shared_responses() -> Iterator[tuple[str, Json]]:
    """Describe the answers that all operations of a route share."""
    for route in _documented():
        operation = OPERATIONS[route.name]
        for status in _statuses(operation):
            answer = operation.answers.get(status)
            if operation.leads_to and answer and answer.shapes:
                continue  # an answer with links is described in place
            yield f"{route.name}_{status}", _response(route, status)


def _statuses(operation: Operation) -> list[int]:
    return sorted({*operation.answers, *(status for status, _ in _error_cases(operation))})


def _error_cases(operation: Operation) -> frozenset[ErrorCase]:
    return operation.errors | FAILED if operation.can_have_failed else operation.errors


def _response(route: Route, status: int) -> Json:
    operation = OPERATIONS[route.name]
    answer = operation.answers.get(status)
    description = [answer.description] if answer else []
    description += [
        f"`{word}`: {ERROR_DESCRIPTIONS[status, word]}"
        for word in _words(_error_cases(operation), status)
    ]
    headers = _HEADERS.get(status, _VERSION if answer and answer.is_versioned else None)
    return {
        "description": " ".join(description),
        **({"headers": headers} if headers else {}),
        **_content(answer or Answer(description=""), list(_error_schemas(route, status))),
    }


def _content(answer: Answer, errors: list[Json]) -> Json:
    if not answer.content_type:
        return {}
    if answer.content_type != _JSON:
        text = {"type": "string", "description": "The text."}
        schema = {"anyOf": [text, _event(*answer.shapes)]} if answer.shapes else text
        return {"content": {answer.content_type: {"schema": schema}}}
    return {"content": _schemas().content(answer.shapes, *errors)}


def _event(shape: type) -> Json:
    """Describe one server-sent event.

    Some tools take the schema of a stream as the schema of an event. Others, such as
    openapi-python-client, take it as the schema of the whole text.
    """
    data = {
        "type": "string",
        "description": "The status, as JSON.",
        "contentMediaType": _JSON,
        "contentSchema": _schemas().ref(shape),
    }
    event_id = {"type": "string", "description": "The `Last-Event-ID` of the next call."}
    return {
        "type": "object",
        "description": "One event.",
        "properties": {"id": event_id, "data": data},
        "required": ["id", "data"],
    }


def _error_schemas(route: Route, status: int) -> Iterator[Json]:
    operation = OPERATIONS[route.name]
    refusals, failures = _words(operation.errors, status), _words(FAILED, status)
    has_own_format = route.error_format != "vendor" or status in _BEFORE_ROUTING
    if refusals and has_own_format:
        yield _error_schema(schemas.Refusal, refusals)
    if refusals and route.error_format == "vendor" and status != HTTPStatus.UNAUTHORIZED:
        yield _schemas().ref(schemas.VendorRefusal)
    if failures and operation.can_have_failed:
        yield _error_schema(schemas.Failure, failures)


def _error_schema(shape: type, words: list[str]) -> Json:
    return {**_schemas().ref(shape), "properties": {"error_type": {"enum": words}}}


def _words(errors: Iterable[ErrorCase], status: int) -> list[str]:
    """Return the `error_type`s that come with a status."""
    return sorted(word for error_status, word in errors if error_status == status)


# Schemas

_YES_OR_NO = "Yes (`true`, `Enabled`) or no (`false`, `Disabled`)."
_LEADING = (
    *("model_name", "model_version", "scene_info", "type", "prompt", "negative_prompt"),
    *("file_infos", "image_infos", "output_config", "extra_parameters"),
)
"""Fields that stand first in a schema, after the required ones."""


class _Generator(GenerateJsonSchema):
    """Describes fields by the docstrings below them, and optional fields as clients use them."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  theirs
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Json:
        """Leave out defaults: null and the empty list only mean that a field is optional."""
        return self.generate_inner(schema["schema"])

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> Json:
        return _with_descriptions(super().typed_dict_schema(schema), schema["cls"])

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        cls = schema["cls"]
        described = _with_descriptions(super().model_schema(schema), cls)
        if not issubclass(cls, Parameters):
            return described
        required = [name for name in described.get("required", []) if name not in cls.inferred]
        described.pop("required", None)
        properties = {
            name: field if name in required else _nullable(field)
            for name, field in described["properties"].items()
        }
        ordered = sorted(properties, key=lambda name: _position(name, required, cls))
        described["properties"] = {name: properties[name] for name in ordered}
        return {**described, **({"required": required} if required else {})}


def _with_descriptions(schema: Json, cls: type) -> Json:
    texts = field_docs(cls)
    properties = {
        name: {**field, **({"description": texts[name]} if name in texts else {})}
        for name, field in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


_SWITCH = {"$ref": "#/components/schemas/Switch"}


def _nullable(schema: Json) -> Json:
    """Return a schema that allows null, which means that the field is absent."""
    inner = dict(schema)
    outer = {"description": inner.pop("description")} if "description" in inner else {}
    choices = inner.get("anyOf", [inner])
    flat = [part for choice in choices for part in choice.get("anyOf", [choice])]
    if flat[:2] == SWITCH["anyOf"]:
        flat[:2] = [_SWITCH]
    null = [] if {"type": "null"} in flat else [{"type": "null"}]
    return {"anyOf": [*flat, *null], **outer}


def _position(name: str, required: list[str], cls: type[Parameters]) -> tuple[bool, int, int]:
    leading = _LEADING.index(name) if name in _LEADING else len(_LEADING)
    depth = next(
        (n for n, base in enumerate(cls.__mro__) if name in inspect.get_annotations(base)),
        0,
    )
    return name not in required, leading, depth


@functools.cache
def field_docs(cls: type) -> Mapping[str, str]:
    """Read the docstrings below the fields of a class and its bases."""
    bases = getattr(cls, "__orig_bases__", None) or cls.__bases__
    texts: dict[str, str] = {}
    for base in reversed([base for base in bases if isinstance(base, type)]):
        texts |= field_docs(base) if base.__module__.startswith("aigc.") else {}
    return texts | _own_field_docs(cls)


def _own_field_docs(cls: type) -> dict[str, str]:
    definition = _definitions(cls.__module__).get(cls.__name__)
    body = definition.body if definition else []
    return {
        field.target.id: re.sub(r"\s+", " ", text.value.value)
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


@functools.cache
def _definitions(module: str) -> Mapping[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


class _Schemas:
    """The schemas of all bodies, of answers and of requests."""

    def __init__(self) -> None:
        answers = (
            answer for operation in OPERATIONS.values() for answer in operation.answers.values()
        )
        answer_types = {shape for answer in answers for shape in answer.shapes} | {schemas.Report}
        bodies = {operation.body for operation in OPERATIONS.values() if operation.body}
        request_types = {kind.model for kind in KINDS.values()} | {SubmitOptions} | bodies
        refs, generated = TypeAdapter.json_schemas(
            [
                *(
                    (shape, "serialization", TypeAdapter(shape))
                    for shape in (*answer_types, *_ERROR_BODIES)
                ),
                *((shape, "validation", TypeAdapter(shape)) for shape in request_types),
            ],
            ref_template="#/components/schemas/{model}",
            schema_generator=_Generator,
        )
        self._refs = {shape: ref for (shape, _), ref in refs.items()}
        self._examples: Json = json.loads(EXAMPLES.read_text(encoding="utf-8"))
        self.components: Json = {
            **generated["$defs"],
            "Switch": {"description": _YES_OR_NO, **SWITCH},
        }
        options = self.components.pop("SubmitOptions")["properties"]
        for kind in KINDS.values():
            self.components[kind.model.__name__]["properties"] |= options
            if issubclass(kind.model, ByModel):
                self._name_models(kind.model)

    def _name_models(self, task: type[ByModel]) -> None:
        """Add the models of the catalogue and their words as examples; others are allowed too."""
        words: dict[str, list[str]] = defaultdict(list)
        for model in catalogue().models[task.kind]:
            words["model_name"].append(model.name)
            words["model_version"].append(model.version)
            for name, limit in model.limits.items():
                words[task.limited[name]] += limit.words if isinstance(limit, OneOf) else ()
        for path, examples in words.items():
            if examples:
                self._field(task, path)["examples"] = list(dict.fromkeys(examples))

    def _field(self, model: type, path: str) -> Json:
        schema: Json = self.components[model.__name__]
        *outer, last = path.split(".")
        for name in outer:
            [ref] = re.findall(
                r'"#/components/schemas/(\w+)"', json.dumps(schema["properties"][name])
            )
            schema = self.components[ref]
        field: Json = schema["properties"][last]
        return field

    def ref(self, shape: type) -> Json:
        """Point to the schema of a type."""
        return self._refs[shape]

    def content(self, shapes: Sequence[type], *others: Json) -> Json:
        """Describe a body that has one of these types, or one of other schemas."""
        choices = [*map(self.ref, shapes), *others]
        schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
        examples = {
            shape.__name__: {"value": self._examples[shape.__name__]}
            for shape in shapes
            if shape.__name__ in self._examples
        }
        return {_JSON: {"schema": schema, **({"examples": examples} if examples else {})}}


_schemas = functools.cache(_Schemas)
