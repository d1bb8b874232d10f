"""MCP at /mcp: messages of all revisions, and what each tool does and costs."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aigc.api.keys import KeyRecord, Limits, digest_of, new_key, record_key
from aigc.api.mcp.results import LARGEST_PREVIEW
from aigc.api.mcp.rpc import INITIALIZED_VERSIONS, LATEST
from aigc.api.mcp.tools import LONGEST_CALL_S, LONGEST_WAIT_S, TOOLS
from aigc.api.submit import MAX_BODY
from aigc.jobs.settle import settle
from aigc.prices import Prices
from tests.fakes import image_bytes
from tests.unit.api.client import both_triggers

if TYPE_CHECKING:
    from tests.unit.api.client import Answer, Client

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
BOAT = {"model": "gg-3.0", "prompt": "a boat"}
PRICES = {
    "currency": "CNY",
    "price": [
        {"model": "GG", "version": "3.0", "resolution": "4K", "per_image": "0.5"},
        {"model": "GG", "version": "3.0", "per_image": "0.2"},
        {"model": "ai_try_on", "per_image": "0.9"},
    ],
}


@dataclass
class Agent:
    """An agent that speaks the revision 2025-11-25."""

    client: Client
    version: str = "2025-11-25"

    def send(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> Answer:
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}
        headers = {"MCP_Protocol_Version": self.version, **headers}
        return self.client.post("/mcp", message, **headers)

    def result(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.send(method, params)
        assert answer.status == 200, answer.body
        assert answer.body["id"] == 7
        return dict(answer.body["result"])

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        return self.result("tools/call", {"name": name, "arguments": arguments})

    def submit(self, name: str = "generate_image", **arguments: Any) -> str:
        called = self.call(name, **arguments)
        assert not called["isError"], called
        return str(called["structuredContent"]["request_id"])

    def finish(self, request_id: str) -> None:
        """Let the vendor finish the task of a request."""
        world = self.client.world
        job = world.runtime().ledger.records.read(request_id)
        assert job is not None
        world.vendor.finish(world.vendor.task(job.attempt.task_id))
        settle(job, world.runtime())


@pytest.fixture
def agent(client: Client) -> Agent:
    return Agent(client)


def text(called: dict[str, Any]) -> str:
    return str(called["content"][0]["text"])


def limited(client: Client, **limits: Any) -> Agent:
    """Make a key with limits, and an agent that has it."""
    key = new_key()
    record = KeyRecord(name="agent", created_at=client.world.clock.now(), limits=Limits(**limits))
    client.world.store.put(record_key(digest_of(key)), record.model_dump_json().encode())
    client.headers = {"Authorization": f"Bearer {key}"}
    return Agent(client)


# The protocol


@pytest.mark.parametrize(
    ("requested", "answered"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        (None, "2025-11-25"),
    ],
)
def test_initialize_agrees_on_a_revision(
    client: Client, requested: str | None, answered: str
) -> None:
    message = {
        "jsonrpc": "2.0",
        "id": "a",
        "method": "initialize",
        "params": {"protocolVersion": requested, "capabilities": {}, "clientInfo": {"name": "x"}},
    }
    answer = client.post("/mcp", message)

    result = answer.body["result"]
    assert (answer.status, result["protocolVersion"]) == (200, answered)
    assert result["capabilities"] == {"tools": {}}
    assert result["serverInfo"]["name"] == "aigc-functions"
    assert "Mcp-Session-Id" not in answer.headers


def test_notification_is_accepted_without_a_body(client: Client) -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/initialized"}

    answer = client.post("/mcp", message)

    assert (answer.status, answer.body) == (202, None)


def test_ping_is_answered(agent: Agent) -> None:
    assert agent.result("ping") == {}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_is_nothing_to_get_or_delete(client: Client, method: str) -> None:
    answer = client.send(method, "/mcp")

    assert (answer.status, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert answer.body["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", -32700),
        ('{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}', -32700),
        ([{"jsonrpc": "2.0", "id": 1, "method": "ping"}], -32600),
        ({"id": 1, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, -32600),
    ],
    ids=repr,
)
def test_an_invalid_message_is_refused(client: Client, body: Any, code: int) -> None:
    answer = client.post("/mcp", body)

    assert (answer.status, answer.body["id"]) == (400, None)
    assert answer.body["error"]["code"] == code


def test_too_large_body_is_refused(client: Client) -> None:
    answer = client.post("/mcp", " " * (MAX_BODY + 1))

    assert answer.status == 413


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("server/discover", {}, -32601),
        ("tools/call", {"name": "draw"}, -32602),
        ("tools/call", {"name": ["wait"]}, -32602),
    ],
)
def test_errors_of_earlier_revisions_have_status_200(
    agent: Agent, method: str, params: dict[str, Any], code: int
) -> None:
    answer = agent.send(method, params)

    assert (answer.status, answer.body["id"]) == (200, 7)
    assert answer.body["error"]["code"] == code


def test_params_must_be_an_object(client: Client) -> None:
    answer = client.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []})

    assert answer.body["error"]["code"] == -32602


def test_unknown_revision_is_refused_with_those_that_are_known(agent: Agent) -> None:
    agent.version = "2099-01-01"
    answer = agent.send("tools/list")

    error = answer.body["error"]
    assert (answer.status, error["code"]) == (400, -32022)
    assert error["data"]["requested"] == "2099-01-01"
    assert {"2025-11-25", "2026-07-28"} <= set(error["data"]["supported"])


# The revision 2026-07-28


ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def stateless(client: Client, method: str, **params: Any) -> Answer:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": ENVELOPE, **params}}
    headers = {"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": method}
    if "name" in params:
        headers["Mcp_Name"] = params["name"]
    return client.post("/mcp", message, **headers)


def test_discover_names_the_revisions(client: Client) -> None:
    result = stateless(client, "server/discover").body["result"]

    assert "2026-07-28" in result["supportedVersions"]
    assert result["resultType"] == "complete"
    assert result["cacheScope"] == "private"


def test_results_are_stamped(client: Client) -> None:
    listed = stateless(client, "tools/list").body["result"]
    called = stateless(client, "tools/call", name="list_jobs", arguments={}).body["result"]

    assert listed["ttlMs"] > 0
    for result in (listed, called):
        assert result["resultType"] == "complete"
        assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "aigc-functions"


@pytest.mark.parametrize("method", ["ping", "resources/list"])
def test_methods_that_the_revision_does_not_have_are_not_found(client: Client, method: str) -> None:
    answer = stateless(client, method)

    assert (answer.status, answer.body["error"]["code"]) == (404, -32601)


@pytest.mark.parametrize(
    "header", [{"Mcp_Method": "tools/list"}, {"Mcp_Name": "cancel"}], ids=["method", "name"]
)
def test_headers_that_differ_from_the_message_are_refused(
    client: Client, header: dict[str, str]
) -> None:
    params = {"_meta": ENVELOPE, "name": "wait", "arguments": {}}
    headers = {
        "MCP_Protocol_Version": "2026-07-28",
        "Mcp_Method": "tools/call",
        "Mcp_Name": "wait",
    } | header
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = client.post("/mcp", message, **headers)

    assert (answer.status, answer.body["error"]["code"]) == (400, -32020)


def test_message_without_an_envelope_is_refused(agent: Agent) -> None:
    agent.version = "2026-07-28"
    answer = agent.send("tools/list", Mcp_Method="tools/list")

    assert (answer.status, answer.body["error"]["code"]) == (400, -32602)
    assert "io.modelcontextprotocol/clientCapabilities" in answer.body["error"]["message"]


# Keys, origins and headers


def test_key_is_needed(agent: Agent) -> None:
    agent.client.headers = {"Authorization": "Bearer wrong"}
    answer = agent.send("tools/list")

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization" in answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("", 200),
        ("http://localhost:6274", 200),
        ("https://localhost.evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_are_refused(agent: Agent, origin: str, status: int) -> None:
    assert agent.send("ping", Origin=origin).status == status


@both_triggers
def test_own_origin_is_let_in(agent: Agent) -> None:
    scheme, _, rest = agent.client.base_url.partition("://")
    own = f"{scheme}://{rest.partition('/')[0]}"

    assert agent.send("ping", Origin=own).status == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json, text/event-stream", 200),
        ("", 200),
        ("text/event-stream", 406),
    ],
)
def test_caller_must_read_json(agent: Agent, accept: str, status: int) -> None:
    assert agent.send("ping", Accept=accept).status == status


def test_too_many_calls_are_refused_with_the_limit(client: Client) -> None:
    agent = limited(client, requests_per_minute=1)
    agent.send("ping")
    answer = agent.send("ping")

    assert answer.status == 429
    assert "1 requests a minute" in answer.body["error"]["message"]
    assert answer.body["error"]["data"]["error_type"] == "rate_limited"


# The list


def test_each_tool_has_its_annotations(agent: Agent) -> None:
    tools = {tool["name"]: tool for tool in agent.result("tools/list")["tools"]}

    assert list(tools) == list(TOOLS)
    spending = {name for name, tool in tools.items() if not tool["annotations"]["idempotentHint"]}
    assert spending == {"generate_image", "edit_image", "scene_image"}
    reading = {name for name, tool in tools.items() if tool["annotations"]["readOnlyHint"]}
    assert reading == {"list_models", "estimate", "wait", "get_result", "list_jobs"}
    assert all("This spends money" in tools[name]["description"] for name in spending)


def test_schemas_are_plain_objects(agent: Agent) -> None:
    for tool in agent.result("tools/list")["tools"]:
        schema = tool["inputSchema"]
        assert (schema["type"], schema["additionalProperties"]) == ("object", False)
        assert "anyOf" not in json.dumps(schema)
        assert all("description" in field for field in schema["properties"].values()), tool["name"]


def test_descriptions_have_limits_and_prices(agent: Agent) -> None:
    agent.client.world.prices = Prices.parse(PRICES)
    tools = {tool["name"]: tool["description"] for tool in agent.result("tools/list")["tools"]}

    [gg] = [line for line in tools["generate_image"].splitlines() if "/gg-3.0:" in line][:1]
    assert "images at most 14" in gg
    assert "0.5 CNY an image at 4K, 0.2 CNY an image" in gg
    [try_on] = [line for line in tools["scene_image"].splitlines() if "ai_try_on" in line]
    assert "0.9 CNY an image" in try_on
    assert "price unknown" in tools["edit_image"]


def test_key_of_one_kind_sees_its_models_only(client: Client) -> None:
    agent = limited(client, kinds=("mps.image",))
    tools = {tool["name"]: tool["description"] for tool in agent.result("tools/list")["tools"]}

    assert "scene_image" not in tools
    assert "vod.image" not in tools["generate_image"].partition("Models")[2]
    called = agent.call("generate_image", **BOAT)
    assert "is not for vod.image tasks" in text(called)
    assert called["isError"]


# Spending


def test_image_is_made_in_two_calls(agent: Agent) -> None:
    request_id = agent.submit(**BOAT, aspect_ratio="16:9", resolution="2K")
    agent.finish(request_id)
    called = agent.call("wait", request_id=request_id)

    [made] = agent.client.world.vendor.tasks
    assert made.params["OutputConfig"] == {"AspectRatio": "16:9", "Resolution": "2K"}
    kinds = [content["type"] for content in called["content"]]
    assert kinds == ["text", "resource_link", "image"]
    [image] = called["structuredContent"]["images"]
    assert image["url"] in text(called)
    assert called["content"][1]["uri"] == image["url"]
    assert base64.b64decode(called["content"][2]["data"]).startswith(b"\x89PNG")


def test_large_image_has_no_preview(agent: Agent) -> None:
    request_id = agent.submit(**BOAT)
    agent.client.world.downloads.data = image_bytes() + bytes(LARGEST_PREVIEW)
    agent.finish(request_id)
    called = agent.call("get_result", request_id=request_id)

    assert [content["type"] for content in called["content"]] == ["text", "resource_link"]


def test_earlier_revision_has_neither_links_nor_data(agent: Agent) -> None:
    request_id = agent.submit(**BOAT)
    agent.finish(request_id)
    agent.version = "2025-03-26"
    called = agent.call("get_result", request_id=request_id)

    assert [content["type"] for content in called["content"]] == ["text", "image"]
    assert "structuredContent" not in called


def test_same_arguments_find_the_request_until_its_end_was_answered(agent: Agent) -> None:
    first = agent.submit(**BOAT)
    second = agent.submit(**BOAT)
    agent.finish(first)
    ended = agent.submit(**BOAT)
    agent.call("wait", request_id=first)
    new = agent.submit(**BOAT)

    assert first == second == ended != new
    assert len(agent.client.world.vendor.tasks) == 2


def test_wait_and_get_result_may_be_repeated(agent: Agent) -> None:
    request_id = agent.submit(**BOAT)
    agent.finish(request_id)
    answers = [
        agent.call(name, request_id=request_id)["structuredContent"]["images"][0]["file_name"]
        for name in ("wait", "wait", "get_result")
    ]

    assert len(set(answers)) == 1
    assert len(agent.client.world.vendor.tasks) == 1


def test_images_in_base64_find_the_request_too(agent: Agent) -> None:
    arguments = {**BOAT, "images": [base64.b64encode(image_bytes()).decode()]}
    first = agent.submit("edit_image", **arguments)
    second = agent.submit("edit_image", **arguments)
    agent.finish(first)
    agent.call("get_result", request_id=first)
    new = agent.submit("edit_image", **arguments)

    assert first == second != new


def test_keys_do_not_find_each_others_requests(agent: Agent) -> None:
    first = agent.submit(**BOAT)
    agent.client.headers = {"Authorization": "Bearer other-key"}

    assert agent.submit(**BOAT) != first


def test_request_key_finds_the_request_for_ever(agent: Agent) -> None:
    first = agent.submit(**BOAT, request_key="one")
    agent.finish(first)
    called = agent.call("generate_image", **BOAT, request_key="one")
    other = agent.submit(**BOAT, request_key="two")

    assert called["structuredContent"]["images"]
    assert first == called["structuredContent"]["request_id"] != other


def test_request_key_with_another_task_is_refused(agent: Agent) -> None:
    agent.submit(**BOAT, request_key="one")
    called = agent.call("generate_image", model="gg-3.0", prompt="a car", request_key="one")

    assert called["isError"]
    assert "same request_key and another task" in text(called)
    assert len(agent.client.world.vendor.tasks) == 1


def test_failure_is_answered_at_once_and_the_same_call_is_a_new_request(agent: Agent) -> None:
    world = agent.client.world
    request_id = agent.submit(**BOAT)
    job = world.runtime().ledger.records.read(request_id)
    assert job is not None
    world.vendor.fail(world.vendor.task(job.attempt.task_id), "ModelGenerateFailed")
    settle(job, world.runtime())
    called = agent.call("generate_image", **BOAT)

    assert called["isError"]
    assert "failed" in text(called)
    assert agent.submit(**BOAT) != request_id


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": "x"}, "model: is required"),
        ({"model": "gg-0.1", "prompt": "x"}, "there is no model"),
        ({**BOAT, "aspect_ratio": "7:3"}, "allowed: 1:1"),
        ({**BOAT, "size": "x"}, "there is no such field"),
        ({**BOAT, "count": 0}, "count: 0 is not allowed"),
        ({**BOAT, "request_key": "k" * 256}, "request_key"),
        (
            {**BOAT, "parameters": {"session_id": "x"}},
            "parameters.session_id: is not a parameter of the task",
        ),
        ({**BOAT, "parameters": {"prompt": "x"}}, "parameters.prompt: is also set"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_refused_before_anything_is_paid(
    agent: Agent, arguments: dict[str, Any], message: str
) -> None:
    called = agent.call("generate_image", **arguments)

    assert called["isError"]
    assert message in text(called)
    assert "Nothing was spent" in text(called)
    assert not agent.client.world.vendor.tasks


def test_further_parameters_pass(agent: Agent) -> None:
    agent.submit(**BOAT, parameters={"seed": 7, "OutputConfig": {"LogoAdd": True}}, count=1)

    [made] = agent.client.world.vendor.tasks
    assert made.params["Seed"] == 7
    assert made.params["OutputConfig"] == {"LogoAdd": "Enabled", "OutputImageCount": 1}


def test_models_of_mps_take_the_same_arguments(agent: Agent) -> None:
    arguments = {"model": "mps.image/gg-3.0", "prompt": "x", "aspect_ratio": "1:1"}
    agent.submit("edit_image", **arguments, images=["https://example.com/a.png"])

    [made] = agent.client.world.vendor.tasks
    assert made.params["ImageInfos"] == [{"ImageUrl": "https://example.com/a.png"}]
    assert made.params["ExtraParameters"]["AspectRatio"] == "1:1"


# Scenes

PERSON = {"images": ["https://example.com/person.png"]}


def test_scene_is_configured_by_flat_arguments(agent: Agent) -> None:
    agent.submit(
        "scene_image",
        scene="ai_try_on",
        **PERSON,
        clothes=["https://example.com/shirt.png"],
        model="WAND-tryon-1.0-flash",
        resolution="2K",
    )

    [made] = agent.client.world.vendor.tasks
    config = made.params["SceneInfo"]["AiTryOnConfig"]
    assert config["Model"] == "WAND-tryon-1.0-flash"
    assert config["ClothesFileInfos"][0]["Url"] == "https://example.com/shirt.png"
    assert made.params["OutputConfig"] == {"Resolution": "2K"}


def test_scene_needs_no_configuration(agent: Agent) -> None:
    agent.submit("scene_image", scene="outpainting", **PERSON, aspect_ratio="16:9")

    [made] = agent.client.world.vendor.tasks
    assert made.params["SceneInfo"]["Type"] == "outpainting"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scene": "party"}, "scene: 'party' is not allowed; allowed: ai_try_on"),
        ({"scene": "outpainting", "prompt": "x"}, "prompt: is not for outpainting"),
        ({"scene": "ai_try_on"}, "is required"),
    ],
)
def test_wrong_scene_is_refused(agent: Agent, arguments: dict[str, Any], message: str) -> None:
    called = agent.call("scene_image", **PERSON, **arguments)

    assert called["isError"]
    assert message in text(called)


# Budgets


def test_a_call_over_the_budget_is_refused_with_its_cost(client: Client) -> None:
    client.world.prices = Prices.parse(PRICES)
    agent = limited(client, budget_per_month=Decimal("0.3"))
    agent.submit(**BOAT)
    called = agent.call("generate_image", model="gg-3.0", prompt="a car")

    assert called["isError"]
    assert "this would cost about 0.2 CNY" in text(called)
    assert "Nothing was spent. The same call is refused until the next month." in text(called)
    assert called["structuredContent"]["error_type"] == "budget_exceeded"
    assert len(client.world.vendor.tasks) == 1


def test_repeat_of_what_was_accepted_needs_no_budget(client: Client) -> None:
    client.world.prices = Prices.parse(PRICES)
    agent = limited(client, budget_per_month=Decimal("0.2"))

    assert agent.submit(**BOAT) == agent.submit(**BOAT)


def test_estimate_spends_nothing(client: Client) -> None:
    client.world.prices = Prices.parse(PRICES)
    agent = limited(client, budget_per_month=Decimal(5))
    arguments = {**BOAT, "resolution": "4K"}
    called = agent.call("estimate", tool="generate_image", arguments=arguments)

    assert "about 0.5 CNY" in text(called)
    assert "5 CNY in a month" in text(called)
    assert called["structuredContent"]["cost"] == "0.5"
    assert not client.world.vendor.tasks


def test_estimate_without_a_price_is_unknown(agent: Agent) -> None:
    called = agent.call(
        "estimate", tool="scene_image", arguments={"scene": "outpainting", **PERSON}
    )

    assert "unknown" in text(called)
    assert called["structuredContent"]["cost"] is None


def test_estimate_checks_the_arguments(agent: Agent) -> None:
    called = agent.call("estimate", tool="generate_image", arguments={"model": "gg-3.0"})

    assert called["isError"]
    assert "prompt: is required" in text(called)


# Requests


def test_wait_ends_with_the_time_of_a_call(agent: Agent) -> None:
    request_id = agent.submit(**BOAT)
    clock = agent.client.world.clock
    started = clock.now()
    called = agent.call("wait", request_id=request_id)

    assert (clock.now() - started).total_seconds() <= LONGEST_CALL_S
    assert called["structuredContent"] == {"request_id": request_id, "state": "running"}
    assert "Call `wait`" in text(called)


@pytest.mark.parametrize("name", ["wait", "get_result", "cancel"])
def test_unknown_request_is_refused(agent: Agent, name: str) -> None:
    called = agent.call(name, request_id="0" * 32)

    assert called["isError"]
    assert "request" in text(called)


@pytest.mark.parametrize("name", ["wait", "get_result", "cancel"])
def test_key_that_sees_its_own_only_does_not_see_others(client: Client, name: str) -> None:
    request_id = Agent(client).submit(**BOAT)
    called = limited(client, own_only=True).call(name, request_id=request_id)

    assert "there is no request" in text(called)


def test_jobs_are_listed_in_pages(agent: Agent) -> None:
    ids = [agent.submit(model="gg-3.0", prompt=f"boat {number}") for number in range(3)]
    first = agent.call("list_jobs", limit=2)["structuredContent"]
    rest = agent.call("list_jobs", limit=2, cursor=first["cursor"])["structuredContent"]

    assert {job["request_id"] for job in [*first["jobs"], *rest["jobs"]]} == set(ids)
    assert "state: 'x' is not allowed" in text(agent.call("list_jobs", state="x"))


def test_waiting_request_is_cancelled(agent: Agent) -> None:
    agent.submit(**BOAT)
    car = {"model": "gg-3.0", "prompt": "the lane has one slot"}
    waiting = agent.submit(**car)
    called = agent.call("cancel", request_id=waiting)
    after = agent.call("get_result", request_id=waiting)

    assert "is cancelled; nothing is billed" in text(called)
    assert "was cancelled" in text(after)
    assert agent.submit(**car) != waiting


def test_models_and_scenes_are_listed(agent: Agent) -> None:
    agent.client.world.prices = Prices.parse(PRICES)
    listed = agent.call("list_models")["structuredContent"]

    [model] = [model for model in listed["models"] if model["id"] == "vod.image/gg-3.0"]
    assert model["limits"]["images"] == "at most 14"
    assert model["price"] == "0.5 CNY an image at 4K, 0.2 CNY an image"
    assert "outpainting" in {scene["name"] for scene in listed["scenes"]}


# The page


def test_page_names_each_tool_and_what_spends() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", PAGE, re.MULTILINE)

    assert rows == [(name, "yes" if tool.spends else "no") for name, tool in TOOLS.items()]


def test_page_has_the_limits_and_the_revisions() -> None:
    facts = [
        *(f"within {LONGEST_CALL_S} seconds", f"up to {LONGEST_WAIT_S} seconds"),
        f"at most {LARGEST_PREVIEW // 2**10} KiB",
        *(INITIALIZED_VERSIONS[0], INITIALIZED_VERSIONS[-1], LATEST),
    ]

    assert [fact for fact in facts if fact not in PAGE] == []
