"""The OpenAPI document tells the truth about the API, all of it, and the page shows it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from aigc.api import described, openapi
from aigc.api.answers import Report
from aigc.api.docs_page import page
from aigc.api.errors import CANCELLED, ENDED, RAISED
from aigc.api.routes import ROUTES
from aigc.tasks.kinds import KINDS
from tests.captured import captured

if TYPE_CHECKING:
    from tests.unit.api.client import Client

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
TOLD = openapi.document("https://example.com")
OPERATIONS = [
    (method, path, operation)
    for path, methods in TOLD["paths"].items()
    for method, operation in methods.items()
]
UNREACHABLE = {(405, "method_not_allowed")}
"""Faults of calls that the document does not tell of."""

Json = dict[str, Any]
ANYTHING = Json
"""Of which there is no example."""


def validator(schema: Json) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": TOLD["components"]})


def examples() -> list[tuple[str, Json, Any]]:
    """Find all examples, each with the schema of the body that it is one of."""
    holders = [
        *TOLD["components"]["responses"].items(),
        *((path, one) for _, path, told in OPERATIONS for one in told["responses"].values()),
        *((path, one["requestBody"]) for _, path, one in OPERATIONS if "requestBody" in one),
        ("webhook", TOLD["webhooks"]["ended"]["post"]["requestBody"]),
    ]
    return [
        (f"{where} {name}", content["schema"], example["value"])
        for where, holder in holders
        for content in holder.get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    ]


# The document


def test_document_is_valid_openapi() -> None:
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(TOLD)] == []


@pytest.mark.parametrize("name", TOLD["components"]["schemas"])
def test_schemas_are_valid_json_schemas(name: str) -> None:
    jsonschema_rs.meta.validate(TOLD["components"]["schemas"][name])


def test_every_route_is_told_and_no_other() -> None:
    assert {route.name for route in ROUTES} == described.OPERATIONS.keys()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.name))
def test_told_paths_lead_to_their_route(route: Any) -> None:
    paths = openapi.templates(route.path.pattern)

    reached = [
        [
            other.name
            for other in ROUTES
            if other.method == route.method and other.path.fullmatch(path)
        ]
        for path in (re.sub(r"{\w+}", "x", path) for path in paths)
    ]

    assert reached == [[route.name]] * len(paths)


def test_references_lead_somewhere() -> None:
    references = set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(TOLD)))

    assert references
    assert [one for one in references if one[1] not in TOLD["components"][one[0]]] == []


def test_nothing_is_told_that_no_operation_uses() -> None:
    text = json.dumps(TOLD)

    unused = [
        f"{kind}/{name}"
        for kind in ("schemas", "responses", "parameters")
        for name in TOLD["components"][kind]
        if f'"#/components/{kind}/{name}"' not in text
    ]

    assert unused == []


def test_only_what_needs_no_key_says_so() -> None:
    open_paths = {path for _, path, operation in OPERATIONS if not operation["security"]}

    assert open_paths == {"/health", "/openapi.json", "/docs", "/vod/events", "/vod/events/{key}"}


# Errors


def test_every_fault_of_the_program_is_told_and_no_other() -> None:
    sources = "".join(path.read_text() for path in (FUNCTIONS / "aigc" / "api").glob("*.py"))
    raised = re.findall(r'HttpError\(\s*(\d+),\s*"(\w+)"', sources)
    verdicts = (*RAISED.values(), *ENDED.values(), CANCELLED)

    faults = {(verdict.status, verdict.error_type) for verdict in verdicts}
    faults |= {(int(status), word) for status, word in raised}

    assert described.MEANINGS.keys() == faults


def test_every_fault_belongs_to_an_operation() -> None:
    told = described.OPERATIONS.values()

    used = {fault for one in told for fault in one.faults}

    assert used | described.FAILED | UNREACHABLE == described.MEANINGS.keys()


def test_call_without_a_key_is_told_of_where_one_is_needed() -> None:
    silent = [
        path
        for _, path, operation in OPERATIONS
        if bool(operation["security"]) and "401" not in operation["responses"]
    ]

    assert silent == []


# Examples


@pytest.mark.parametrize(
    ("schema", "example"), [one[1:] for one in examples()], ids=[one[0] for one in examples()]
)
def test_examples_keep_to_their_schema(schema: Json, example: Any) -> None:
    assert [error.message for error in validator(schema).iter_errors(example)] == []


def test_every_body_has_an_example_and_there_is_no_other() -> None:
    given = json.loads(openapi.EXAMPLES.read_text(encoding="utf-8"))
    told = described.OPERATIONS.values()
    shapes = {shape for one in told for answer in one.answers.values() for shape in answer.shapes}
    bodies = {one.body for one in told} | {kind.model for kind in KINDS.values()} | {Report}

    assert given.keys() == {one.__name__ for one in (shapes | bodies) - {None, ANYTHING}}


def test_example_of_a_task_is_the_captured_one() -> None:
    example = json.loads(openapi.EXAMPLES.read_text(encoding="utf-8"))["VodImageTask"]

    assert example == json.loads(captured("function_url/submit_vod_image")["body"])


@pytest.mark.parametrize("path", ["aigc-image", "aigc-scene-image"])
def test_examples_of_tasks_are_accepted(client: Client, path: str) -> None:
    content = TOLD["paths"][f"/tencent-vod/v1/{path}"]["post"]["requestBody"]["content"]
    [example] = content["application/json"]["examples"].values()

    assert client.post(f"/tencent-vod/v1/{path}", example["value"]).status == 200


# How it is served


def test_document_needs_no_key_and_names_where_it_was_reached(client: Client) -> None:
    answer = client.get("/openapi.json", headers={"Authorization": ""})

    assert answer.status == 200
    assert answer.body["servers"] == [{"url": client.base_url}]
    assert answer.body["paths"] == TOLD["paths"]


def test_other_calls_do_not_pay_for_the_document() -> None:
    program = (
        "import sys, gateway\n"
        "dear = {'aigc.api.openapi', 'aigc.api.described', 'aigc.api.docs_page'}\n"
        "assert not dear & sys.modules.keys(), dear & sys.modules.keys()"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=FUNCTIONS, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


# The page


class Reader(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.add(tag)
        self.links |= {told[name] or "" for name in ("href", "src", "action") if name in told}
        self.ids |= {told["id"] or ""} if "id" in told else set()


def test_page_tells_every_path_and_every_schema(client: Client) -> None:
    text = client.get("/docs", headers={"Authorization": ""}).body

    assert [path for path in TOLD["paths"] if f" {path}<" not in text] == []
    assert TOLD["components"]["schemas"].keys() <= Reader(text).ids


def test_page_has_no_script_and_nothing_of_another_host(client: Client) -> None:
    reader = Reader(client.get("/docs").body)

    assert not reader.tags & {"script", "img", "link", "iframe", "form", "object"}
    assert reader.links - {"openapi.json"} <= {f"#{name}" for name in reader.ids}


def test_page_may_load_nothing_but_its_own_style(client: Client) -> None:
    answer = client.get("/docs")

    [style] = re.findall(r"<style>(.*?)</style>", answer.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy


def test_page_shows_text_as_text() -> None:
    told = {**TOLD, "servers": [{"url": "https://<script>"}]}

    assert "https://&lt;script&gt;" in page(told)
