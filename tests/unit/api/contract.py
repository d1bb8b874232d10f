"""Checks answers against the OpenAPI document, more strictly than a client should."""

from __future__ import annotations

import copy
import functools
import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from aigc.api.openapi.document import document, templates
from aigc.api.routes import MCP, OPENAI, ROUTES

if TYPE_CHECKING:
    from tests.unit.api.client import Answer

Json = dict[str, Any]


def check(method: str, path: str, answer: Answer) -> None:
    """Fail unless the document describes this answer to this call."""
    if method == "OPTIONS" and answer.status == 204:
        return
    path = path.rstrip("/") or "/"
    if any(route.path.fullmatch(path) and not route.is_documented for route in ROUTES):
        return
    responses = _documented("GET" if method == "HEAD" else method, path)
    if responses is None:
        assert answer.status in {401, 404, 405}, f"{answer.status} for {method} {path}"
        form = "OpenAIError" if path.startswith(f"{OPENAI}/") else "Refusal"
        form = "RpcFailure" if path == MCP else form
        _hold(answer.body, {"$ref": f"#/components/schemas/{form}"})
        return
    response = responses.get(str(answer.status))
    assert response, f"{method} {path} may not answer {answer.status}: {answer.body}"
    documented = _resolved(response)
    if "content" in documented:
        _hold_content(answer, documented["content"])
    else:
        assert answer.body is None, f"{method} {path} has a body that is not documented"


def _hold_content(answer: Answer, content: Json) -> None:
    content_type = answer.headers["Content-Type"].partition(";")[0]
    assert content_type in content, f"{content_type} is not documented, only {list(content)}"
    if content_type == "application/json":
        _hold(answer.body, content[content_type]["schema"])


def _hold(body: object, schema: Json) -> None:
    errors = [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in _validator(json.dumps(schema)).iter_errors(body)
    ]
    assert not errors, f"{body} does not keep to {schema}: {errors}"


def _documented(method: str, path: str) -> Json | None:
    """Find the responses of the operation that a call reaches."""
    for route in ROUTES:
        if route.method == method and route.path.fullmatch(path):
            [template] = [
                template
                for template in templates(route.path.pattern)
                if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template.replace("{model}", ".+")), path)
            ]
            responses: Json = _document()["paths"][template][method.lower()]["responses"]
            return responses
    return None


def _resolved(response: Json) -> Json:
    name = response.get("$ref", "").rpartition("/")[2]
    resolved: Json = _document()["components"]["responses"][name] if name else response
    return resolved


@functools.cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {**json.loads(schema), "components": _document()["components"]}
    )


@functools.cache
def _document() -> Json:
    copied = copy.deepcopy(document())
    for schema in copied["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return copied
