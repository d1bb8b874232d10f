"""The OpenAPI document describes the API correctly and completely, and the page shows it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from aigc.api.errors import CANCELLED, EXCEPTION_STATUS, JOB_ERROR_STATUS
from aigc.api.openapi import document as openapi
from aigc.api.openapi import operations
from aigc.api.openapi.build import write_documents
from aigc.api.openapi.page import page
from aigc.api.openapi.schemas import Report
from aigc.api.operate import REPLAY_REFUSALS, RESTORE_REFUSALS
from aigc.api.routes import ROUTES
from aigc.tasks.kinds import KINDS
from aigc.wire import with_fields
from tests.captured import captured

if TYPE_CHECKING:
    from tests.unit.api.client import Client

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
DOCUMENT = openapi.document()
DOCUMENTED = [route for route in ROUTES if route.is_documented]
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
UNREACHABLE = {(405, "method_not_allowed")}
"""Error types of calls that the document leaves out."""

Json = dict[str, Any]
ANYTHING = Json
"""Of which there is no example."""


def validator(schema: Json) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def examples() -> list[tuple[str, Json, Any]]:
    """Find all examples, each with the schema of the body that it is one of."""
    holders = [
        *DOCUMENT["components"]["responses"].items(),
        *(
            (path, response)
            for _, path, operation in OPERATIONS
            for response in operation["responses"].values()
        ),
        *(
            (path, response["requestBody"])
            for _, path, response in OPERATIONS
            if "requestBody" in response
        ),
        ("webhook", DOCUMENT["webhooks"]["ended"]["post"]["requestBody"]),
    ]
    return [
        (f"{where} {name}", content["schema"], example["value"])
        for where, holder in holders
        for content in holder.get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    ]


# The document


def test_document_is_valid_openapi() -> None:
    # Each process of a run collects this file; one of them needs this slow import.
    from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR  # noqa: PLC0415

    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)] == []


def test_schemas_are_valid_json_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_route_is_documented_and_no_other() -> None:
    assert {route.name for route in DOCUMENTED} == operations.OPERATIONS.keys()


def test_documented_paths_lead_to_their_route() -> None:
    for route in DOCUMENTED:
        for template in openapi.templates(route.path.pattern):
            path = re.sub(r"{\w+}", "x", template)
            others = [other for other in ROUTES if other.method == route.method]
            assert [other for other in others if other.path.fullmatch(path)] == [route]


def test_references_have_a_target() -> None:
    references = set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(DOCUMENT)))

    assert references
    assert [
        reference
        for reference in references
        if reference[1] not in DOCUMENT["components"][reference[0]]
    ] == []


def test_every_documented_component_is_used() -> None:
    text = json.dumps(DOCUMENT)

    unused = [
        f"{kind}/{name}"
        for kind in ("schemas", "responses", "parameters")
        for name in DOCUMENT["components"][kind]
        if f'"#/components/{kind}/{name}"' not in text
    ]

    assert unused == []


def test_only_open_paths_are_documented_without_a_key() -> None:
    open_paths = {path for _, path, operation in OPERATIONS if not operation["security"]}

    assert open_paths == {"/health", "/openapi.json", "/docs", "/vod/events", "/vod/events/{key}"}


# Errors


def test_every_error_type_of_the_program_is_documented_and_no_other() -> None:
    sources = "".join(path.read_text() for path in (FUNCTIONS / "aigc" / "api").glob("*.py"))
    raised = re.findall(r'HttpError\(\s*(\d+),\s*"(\w+)"', sources)
    mappings = (*EXCEPTION_STATUS.values(), *JOB_ERROR_STATUS.values(), CANCELLED)

    errors = {(mapping.status, mapping.error_type) for mapping in mappings}
    errors |= {(int(status), word) for status, word in raised}
    errors |= {(409, word) for word in (*REPLAY_REFUSALS, *RESTORE_REFUSALS)}

    assert operations.ERROR_DESCRIPTIONS.keys() == errors


def test_every_error_belongs_to_an_operation() -> None:
    documented = operations.OPERATIONS.values()

    used = {error for operation in documented for error in operation.errors}

    assert used | operations.FAILED | UNREACHABLE == operations.ERROR_DESCRIPTIONS.keys()


def test_refusal_of_a_call_without_a_key_is_documented_where_a_key_is_needed() -> None:
    silent = [
        path
        for _, path, operation in OPERATIONS
        if bool(operation["security"]) and "401" not in operation["responses"]
    ]

    assert silent == []


# Examples


def test_examples_conform_to_their_schema() -> None:
    for name, schema, example in examples():
        errors = validator(schema).iter_errors(example)
        assert [f"{name}: {error.message}" for error in errors] == []


def test_every_body_has_an_example_and_there_is_no_other() -> None:
    given = json.loads(openapi.EXAMPLES.read_text(encoding="utf-8"))
    documented = operations.OPERATIONS.values()
    shapes = {
        shape for one in documented for answer in one.answers.values() for shape in answer.shapes
    }
    bodies = {one.body for one in documented} | {kind.model for kind in KINDS.values()} | {Report}

    assert given.keys() == {one.__name__ for one in (shapes | bodies) - {None, ANYTHING}}


def test_example_of_a_task_is_the_captured_one() -> None:
    example = json.loads(openapi.EXAMPLES.read_text(encoding="utf-8"))["VodImageTask"]

    assert example == json.loads(captured("function_url/submit_vod_image")["body"])


@pytest.mark.parametrize("path", ["aigc-image", "aigc-scene-image"])
def test_examples_of_tasks_are_accepted(client: Client, path: str) -> None:
    content = DOCUMENT["paths"][f"/tencent-vod/v1/{path}"]["post"]["requestBody"]["content"]
    [example] = content["application/json"]["examples"].values()

    assert client.post(f"/tencent-vod/v1/{path}", example["value"]).status == 200


# How it is served


def test_document_needs_no_key_and_has_a_relative_server(client: Client) -> None:
    answer = client.get("/openapi.json", headers={"Authorization": ""})

    assert answer.status == 200
    assert answer.body["servers"] == [{"url": "."}]
    assert answer.body["paths"] == DOCUMENT["paths"]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_documents_are_sent_as_they_were_built(client: Client, documents: Path, path: str) -> None:
    name = "docs.html" if path == "/docs" else "openapi.json"

    plain = client.get(path)
    compressed = client.get(path, headers={"Accept-Encoding": "gzip, deflate"})

    assert compressed.raw == (documents / f"{name}.gz").read_bytes()
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.body == plain.body
    assert len(plain.raw) > 5 * len(compressed.raw)
    assert compressed.headers["ETag"] == plain.headers["ETag"]
    assert compressed.headers["Cache-Control"] == "public, max-age=300"
    assert compressed.headers["Vary"] == "Accept-Encoding"


def test_building_twice_gives_the_same_bytes(documents: Path, tmp_path: Path) -> None:
    write_documents(tmp_path / "again")

    assert [path.read_bytes() for path in sorted((tmp_path / "again").iterdir())] == [
        path.read_bytes() for path in sorted(documents.iterdir())
    ]


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
        attributes = dict(attrs)
        self.tags.add(tag)
        self.links |= {
            attributes[name] or "" for name in ("href", "src", "action") if name in attributes
        }
        self.ids |= {attributes["id"] or ""} if "id" in attributes else set()


def test_page_names_every_path_and_every_schema(client: Client) -> None:
    text = client.get("/docs", headers={"Authorization": ""}).body

    assert [path for path in DOCUMENT["paths"] if f">{path}<" not in text] == []
    assert DOCUMENT["components"]["schemas"].keys() <= Reader(text).ids


def test_page_begins_with_the_key_and_a_first_call(client: Client) -> None:
    text = client.get("/docs").body

    order = [
        text.index(f'<h2 id="{title}">')
        for title in ("Authentication", "First-call", "Submit", "Requests", "Webhooks")
    ]
    first_call = text[order[1] : order[2]]
    assert order == sorted(order)
    assert "Authorization: Bearer" in text[order[0] : order[1]]
    assert re.findall("<h3>(.*?)</h3>", first_call) == ["curl", "Python", "JavaScript"]


def test_contents_link_to_every_heading(client: Client) -> None:
    reader = Reader(client.get("/docs").body)

    assert {f"#{name}" for name in reader.ids} <= reader.links


def test_operations_of_a_group_stand_together_and_each_has_an_example(client: Client) -> None:
    text = client.get("/docs").body
    groups = re.split('<h2 id="', text)[3:-2]

    for group, tag in zip(groups, DOCUMENT["tags"], strict=True):
        titles = {
            one["summary"].partition(":")[0]
            for _, _, one in OPERATIONS
            if one["tags"] == [tag["name"]]
        }
        blocks = re.split('<h3 id="', group)[1:]
        if tag["name"] != "Webhooks":
            assert len(blocks) == len(titles)
            assert [block[:40] for block in blocks if "<pre><code>curl " not in block] == []


def test_page_names_required_fields_first(client: Client) -> None:
    for fields in re.findall(r"<dl>(.*?)</dl>", client.get("/docs").body):
        marks = ["<em>required" in field for field in re.findall(r"<dt>(.*?)</dt>", fields)]
        assert marks == sorted(marks, reverse=True)


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
    document = {**DOCUMENT, "info": {**DOCUMENT["info"], "title": "<script>"}}

    assert "&lt;script&gt;" in page(document)
    assert "<script>" not in page(document)


# What generators of clients need


def schemas_below(value: Any, path: str = "") -> list[tuple[str, Json]]:
    """Find all schemas of properties, however deep."""
    if isinstance(value, list):
        return [found for one in value for found in schemas_below(one, path)]
    if not isinstance(value, dict):
        return []
    own = [
        (f"{path}.{name}", field)
        for name, field in value.get("properties", {}).items()
        if "enum" not in field or len(field) > 1
    ]
    return own + [
        found for name, one in value.items() for found in schemas_below(one, f"{path}/{name}")
    ]


COMPONENTS = DOCUMENT["components"]["schemas"]


def test_every_field_has_a_description() -> None:
    silent = [path for path, field in schemas_below(COMPONENTS) if not field.get("description")]

    assert silent == []
    assert [name for name, one in COMPONENTS.items() if not one.get("description")] == []


def test_names_of_schemas_are_unique_words() -> None:
    titles = [schema.get("title", name) for name, schema in COMPONENTS.items()]

    assert titles == list(COMPONENTS)
    assert [name for name in COMPONENTS if not re.fullmatch("[A-Z][A-Za-z0-9]+", name)] == []


def test_words_of_an_enum_have_one_type() -> None:
    mixed = [
        path
        for path, schema in schemas_below(DOCUMENT["components"])
        for one in schema.get("anyOf", [schema])
        if len({type(word) for word in one.get("enum", [])}) > 1
    ]

    assert mixed == []


def test_defaults_keep_to_their_schema() -> None:
    defaults = [field for _, field in schemas_below(DOCUMENT) if "default" in field]
    parameters = [
        parameter["schema"] for parameter in DOCUMENT["components"]["parameters"].values()
    ]

    for schema in [*defaults, *(parameter for parameter in parameters if "default" in parameter)]:
        assert validator(schema).is_valid(schema["default"])


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("VodImageTask", {"model_name": "GG", "model_version": "3.0"}),
        ("VodImageTask", {"model_name": "GG", "model_version": "3.0", "ext_info": {"a": {"b": 1}}}),
        ("VodImageTask", {"model_name": "GG", "model_version": "3.0", "ext_info": "{}"}),
        ("VodImageInput", {"url": "https://example.com/a.png"}),
        ("MpsImageTask", {"prompt": "a cat", "enhance_prompt": True}),
        ("MpsImageTask", {"prompt": "a cat", "enhance_prompt": "Enabled", "result": None}),
    ],
)
def test_schema_allows_what_the_api_accepts(name: str, body: Json) -> None:
    assert validator({"$ref": f"#/components/schemas/{name}"}).is_valid(body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("VodSceneImageTask", {"scene_info": {"type": "outpainting"}, "file_infos": []}),
        ("MpsImageTask", {"prompt": "a cat", "result": {"prefix": "/a"}}),
        ("MpsImageTask", {"prompt": "a cat", "result": {"name": "a/b"}}),
        ("MpsImageTask", {"prompt": "a cat", "result": {"name": "a" * 201}}),
        ("MpsImageTask", {"prompt": "a cat", "tasks_priority": 11}),
        ("UploadRequest", {"file_name": "a/b", "content_type": "image/png", "size": 1}),
    ],
)
def test_schema_has_the_limits(name: str, body: Json) -> None:
    assert not validator({"$ref": f"#/components/schemas/{name}"}).is_valid(body)


def test_operations_have_short_unique_names() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(set(names)) == len(names)
    assert {"submit_vod_image", "submit_mps_image", "status_vod_image", "query_vod"} <= set(names)


def test_known_models_are_examples_and_not_a_limit() -> None:
    name = COMPONENTS["VodImageTask"]["properties"]["model_name"]

    assert {"GG", "Kling"} <= set(name["examples"])
    assert "enum" not in name


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_closed_documents_are_answered_like_a_path_that_does_not_exist(
    client: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The document does not describe how it is answered where it is closed.
    monkeypatch.setattr("tests.unit.api.client.check", lambda *_: None)
    client.world.settings = with_fields(client.world.settings, public_docs=False)
    anonymous = dataclasses.replace(client, headers={})

    assert client.get(path).status == 404
    assert anonymous.get(path).status == 401
    assert anonymous.get("/health").status == 200
