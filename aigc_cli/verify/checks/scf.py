"""Checks of SCF: functions, their instances, and calls of a Function URL."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from aigc.triggers.http import HttpRequest
from aigc_cli.account import RefusalError
from aigc_cli.verify.check import Group, expect, wait_for
from aigc_cli.verify.world import url_of
from infra.environment import MAX_BYTES

if TYPE_CHECKING:
    from aigc_cli.verify.world import World

group = Group("scf")

SIX_MB = 6 * 1024 * 1024
TIMER_WITHIN_S = 150


@group.check(
    "image-config",
    assumption="GetFunction of a function from a zip answers `ImageConfig: null`.",
    used_by="Pulumi's provider, which would otherwise change the function at each run",
    otherwise="`pulumi preview` shows a change of `imageConfig` each time; it is harmless.",
)
def image_config(world: World) -> str:
    """Read a function."""
    read = world.account.api("scf", "GetFunction", FunctionName=world.probe)
    expect(read.get("ImageConfig") is None, f"ImageConfig {read.get('ImageConfig')}")
    return "null"


@group.check(
    "update-not-active",
    assumption="A change of a function that is still being updated is refused with"
    " `FailedOperation.FunctionStatusError` or waits.",
    used_by="`pulumi up`: the provider waits for Active and repeats",
    otherwise="Run `pulumi up` again.",
)
def update_not_active(world: World) -> str:
    """Change a function twice in a row."""
    settings = {"FunctionName": world.probe}
    world.account.api("scf", "UpdateFunctionConfiguration", **settings, Description="one")
    code = world.account.refusal(
        "scf", "UpdateFunctionConfiguration", **settings, Description="two"
    )
    world.wait_until_active(world.probe)
    expect(
        code in {"", "FailedOperation.FunctionStatusError"} or code.startswith("ResourceInUse"),
        f"refused with {code}",
    )
    return code or "both were accepted"


@group.check(
    "description",
    assumption="A description with an apostrophe is refused with"
    " `InvalidParameterValue.Description`.",
    document="583/18586",
    used_by="the descriptions of the functions, which have plain characters only",
    otherwise="The local cloud is stricter than SCF.",
)
def description(world: World) -> str:
    """Describe a function with an apostrophe."""
    code = world.account.refusal(
        "scf",
        "UpdateFunctionConfiguration",
        FunctionName=world.probe,
        Description="VOD's callbacks",
    )
    world.wait_until_active(world.probe)
    expect(code == "InvalidParameterValue.Description", f"answered {code!r}")
    return code


@group.check(
    "environment-size",
    assumption="The variables of a function may have 4,096 bytes, names and values together; one"
    " more is refused with `InvalidParameterValue.EnvironmentExceededLimit`.",
    document="583/11637",
    used_by="`pulumi up`, which sums the variables before it creates anything",
    otherwise="Change `MAX_BYTES` in `infra/environment.py` to what SCF takes.",
)
def environment_size(world: World) -> str:
    """Give a function as many variables as the limit allows, and one byte more."""
    probe = world.account.api("scf", "GetFunction", FunctionName=world.probe)
    own = probe["Environment"]["Variables"]
    used = sum(len(item["Key"].encode()) + len(item["Value"].encode()) for item in own)
    filler = MAX_BYTES - used - len("FILLER")
    # Not the probe: SCF refuses other changes of a function that is being updated.
    function = world.function("environment", probe["Role"])
    codes = [_set_environment(world, function, own, filler + more) for more in (0, 1)]
    expect(codes == ["", "InvalidParameterValue.EnvironmentExceededLimit"], f"answered {codes}")
    return f"{MAX_BYTES} bytes"


def _set_environment(world: World, function: str, own: list[dict[str, str]], filler: int) -> str:
    """Set variables and one more with this number of bytes; return the code of a refusal."""
    code = world.account.refusal(
        "scf",
        "UpdateFunctionConfiguration",
        FunctionName=function,
        Environment={"Variables": [*own, {"Key": "FILLER", "Value": "x" * filler}]},
    )
    world.wait_until_active(function)
    return code


def _environment(world: World) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        answer = world.account.fetch(f"{world.url}/environment")
        expect(answer.status_code == 200, f"HTTP {answer.status_code}: {answer.text[:200]}")
        described: dict[str, Any] = answer.json()
        return described

    return world.shared("environment", ask)


@group.check(
    "credentials",
    assumption="The role's temporary key is in `TENCENTCLOUD_SECRETID`, `_SECRETKEY` and"
    " `_SESSIONTOKEN`.",
    document="583/32748",
    used_by="every request of the functions",
    otherwise="The functions fail at once with a message that names the variable.",
)
def credentials(world: World) -> str:
    """List the names of the variables of an instance."""
    names = _environment(world)["names"]
    missing = {f"TENCENTCLOUD_{part}" for part in ("SECRETID", "SECRETKEY", "SESSIONTOKEN")}
    expect(not missing - set(names), f"missing: {sorted(missing - set(names))}")
    return "all three"


@group.check(
    "python",
    assumption="Python 3.10 runs the zip, whose bytecode and wheels are for that version.",
    document="583/11061",
    used_by="cold starts; wheels with compiled parts",
    otherwise="Build the zip for that version: `SCF_PYTHON` in `aigc_cli/wheels.py`.",
)
def python(world: World) -> str:
    """Read the version."""
    version = _environment(world)["python"]
    text = ".".join(map(str, version))
    # A machine without Python 3.10 builds for its own version, and the local cloud runs that.
    expect(world.is_local or version[:2] == [3, 10], f"Python {text}")
    return text


@group.check(
    "folders",
    assumption="The folder of the code is read-only, and /tmp can be written to.",
    document="583/9694",
    used_by="bytecode: the zip must bring it",
    otherwise="Nothing changes.",
)
def folders(world: World) -> str:
    """Try to write."""
    described = _environment(world)
    expect(described["tmp_is_writable"], "no folder can be written to")
    # For root the mode bits of a folder do not count, and the local cloud has nothing else.
    read_only = described["code_is_read_only"] or world.is_local
    expect(read_only, "the folder of the code can be written to")
    return "as assumed"


@group.check(
    "context",
    assumption="The context has `request_id`, `function_name`, `time_limit_in_ms` and"
    " `tencentcloud_region`.",
    document="583/9210",
    used_by="deadlines and logs",
    otherwise="The functions fail at once and say so.",
)
def context(world: World) -> str:
    """List the keys of the context."""
    keys = set(_environment(world)["context"])
    missing = {"request_id", "function_name", "time_limit_in_ms", "tencentcloud_region"} - keys
    expect(not missing, f"missing: {sorted(missing)}")
    return "all four"


def _echo(world: World, path: str, method: str = "GET", **options: Any) -> dict[str, Any]:
    answer = world.account.fetch(f"{world.url}{path}", method, **options)
    expect(answer.status_code == 200, f"HTTP {answer.status_code}: {answer.text[:200]}")
    event: dict[str, Any] = answer.json()
    return event


@group.check(
    "url-event",
    assumption="The event of a Function URL has `httpMethod`, `path`, `headers`, `queryString` and"
    " `body`.",
    document="583/96099",
    used_by="the gateway",
    otherwise="The gateway answers 400 to every call: report the fields that were seen.",
)
def url_event(world: World) -> str:
    """Send a call and read its event."""
    event = _echo(world, "/echo?a=1", "POST", data=b'{"x": 1}')
    world.sample("function_url", event)
    missing = {"httpMethod", "path", "headers", "queryString", "body"} - set(event)
    expect(not missing, f"missing: {sorted(missing)}; seen: {sorted(event)}")
    more = set(event) - {"httpMethod", "path", "headers", "queryString", "body"}
    return f"all; more: {', '.join(sorted(more)) or 'none'}"


@group.check(
    "url-query",
    assumption="A repeated, an empty and an encoded query parameter reach the gateway in a form"
    " that it reads.",
    used_by="filters and paging of lists",
    otherwise="The gateway reads the last value of a repeated parameter.",
)
def url_query(world: World) -> str:
    """Send odd query parameters."""
    event = _echo(world, "/echo?b=1&b=2&c=&d=a%20b%26c")
    request = HttpRequest.parse(event)
    seen = {name: list(values) for name, values in request.query.items()}
    expect(seen.get("d") == ["a b&c"], f"read as {seen}, from {event['queryString']}")
    return json.dumps(event["queryString"])


@group.check(
    "url-path",
    assumption="An encoded path reaches the gateway so that it can be decoded once.",
    used_by="`GET /openai/v1/models/{model}`, since names of models have a slash",
    otherwise="That path finds no model by its full name. Nothing else changes.",
)
def url_path(world: World) -> str:
    """Send an encoded path."""
    event = _echo(world, "/echo-a%20b%2Bc/%E7%8C%AB")
    expect(event["path"] in {"/echo-a b+c/猫", "/echo-a%20b%2Bc/%E7%8C%AB"}, str(event["path"]))
    return "decoded" if "猫" in event["path"] else "encoded"


@group.check(
    "url-body",
    assumption="A body in UTF-8 arrives as text, unchanged.",
    document="583/96099",
    used_by="prompts",
    otherwise="Prompts arrive damaged: report it.",
)
def url_body(world: World) -> str:
    """Send Chinese text."""
    body = json.dumps({"prompt": "雾中的灯塔 🗼"}, ensure_ascii=False)
    event = _echo(world, "/echo", "POST", data=body.encode())
    read = HttpRequest.parse(event).body
    expect(read == body.encode(), f"arrived as {read[:100]!r}")
    return "unchanged"


@group.check(
    "url-binary",
    assumption="A body with `isBase64Encoded` is decoded before it is sent to the client.",
    document="583/12513 for API Gateway; none for a Function URL",
    used_by="the compressed `/docs` and `/openapi.json`",
    otherwise="Those two pages cannot be read; the API itself never uses it.",
)
def url_binary(world: World) -> str:
    """Ask for all 256 bytes."""
    answer = world.account.fetch(f"{world.url}/binary")
    expect(answer.content == bytes(range(256)), f"{len(answer.content)} bytes came back")
    return "decoded"


@group.check(
    "url-gzip",
    assumption="A compressed answer with `Content-Encoding: gzip` reaches the client as it is.",
    used_by="`/docs` and `/openapi.json`",
    otherwise="Those two pages cannot be read; the API itself never uses it.",
)
def url_gzip(world: World) -> str:
    """Ask for a compressed answer."""
    answer = world.account.fetch(
        f"{world.url}/gzip", headers={"Accept-Encoding": "gzip"}, stream=True
    )
    raw = answer.raw.read(decode_content=False)
    encoding = answer.headers.get("Content-Encoding")
    expect(encoding == "gzip", f"Content-Encoding {encoding}")
    expect(gzip.decompress(raw) == b"packed " * 100, f"{len(raw)} other bytes")
    return "unchanged"


@group.check(
    "url-headers",
    assumption="Status and headers of the function's answer reach the client.",
    document="583/96099",
    used_by="status codes, `Cache-Control`, `ETag`, `Retry-After`",
    otherwise="Clients see 200 for everything: report it.",
)
def url_headers(world: World) -> str:
    """Ask for a status and headers."""
    answer = world.account.fetch(f"{world.url}/headers")
    seen = (answer.status_code, answer.headers.get("X-One"), answer.headers.get("Cache-Control"))
    expect(seen == (201, "1", "max-age=60"), f"seen {seen}")
    return "201 with both headers"


@group.check(
    "url-head",
    assumption="HEAD reaches the function as HEAD, and the answer has no body.",
    used_by="`HEAD` of results and pages",
    otherwise="Use GET.",
)
def url_head(world: World) -> str:
    """Send HEAD."""
    answer = world.account.fetch(f"{world.url}/echo", "HEAD")
    expect(answer.status_code == 200, f"HTTP {answer.status_code}")
    expect(not answer.content, "it has a body")
    return "200 without a body"


@group.check(
    "url-large-answer",
    assumption="An answer of more than 6 MB is refused by SCF with an error status.",
    document="583/11637",
    used_by="pages of lists, which stay below that",
    otherwise="Nothing changes.",
)
def url_large_answer(world: World) -> str:
    """Ask for more than 6 MB."""
    answer = world.account.fetch(f"{world.url}/large?bytes={SIX_MB + 1}")
    expect(answer.status_code >= 400, f"HTTP {answer.status_code}")
    return f"HTTP {answer.status_code}"


@group.check(
    "url-large-call",
    assumption="A call of more than 6 MB is refused by SCF with an error status.",
    document="583/11637",
    used_by="the limit for inputs in a body; larger ones are uploaded by a link",
    otherwise="The gateway refuses larger bodies itself.",
)
def url_large_call(world: World) -> str:
    """Send more than 6 MB."""
    answer = world.account.fetch(f"{world.url}/echo", "POST", data=b"x" * (SIX_MB + 1024))
    expect(answer.status_code >= 400, f"HTTP {answer.status_code}")
    return f"HTTP {answer.status_code}"


@group.check(
    "url-failure",
    assumption="A Function URL answers an error status when the function raises.",
    used_by="clients: they must not take a failed call for a success",
    otherwise="The gateway catches its own errors and answers itself; only a killed function is"
    " concerned.",
)
def url_failure(world: World) -> str:
    """Let the function raise."""
    answer = world.account.fetch(f"{world.url}/raise")
    expect(answer.status_code >= 400, f"HTTP {answer.status_code}: {answer.text[:100]}")
    return f"HTTP {answer.status_code}"


@group.check(
    "url-stays",
    assumption="A Function URL keeps its address when its trigger is changed.",
    document="583/96099",
    used_by="clients, and VOD's callback",
    otherwise="Read `endpoint` again after each `pulumi up`, and run it twice.",
)
def url_stays(world: World) -> str:
    """Change the trigger of the URL."""
    before, trigger = world.url, world.find_trigger(world.probe, "http")
    desc = json.loads(trigger["TriggerDesc"])
    desc.pop("CorsConfig", None)
    desc["NetConfig"] = {"EnableIntranet": True, "EnableExtranet": True}
    try:
        world.account.api(
            "scf",
            "UpdateTrigger",
            FunctionName=world.probe,
            TriggerName=trigger["TriggerName"],
            Type="http",
            TriggerDesc=json.dumps(desc),
            Enable="OPEN",
        )
    except RefusalError as error:
        expect(False, str(error))
    after = url_of(world.find_trigger(world.probe, "http"))
    expect(after == before, "it has another address")
    return "the same address"


@group.check(
    "timer",
    assumption="A timer fires each minute with `Type: Timer`, its name, its time and its message.",
    document="583/9708",
    used_by="the sweep",
    otherwise="Jobs whose invocation died stand still: report it.",
)
def timer(world: World) -> str:
    """Wait for a timer."""
    name, function = "verify-minute", world.probe
    world.trigger(function, name, "timer", {"cron": "0 * * * * * *"})
    [note, *_] = wait_for(lambda: world.seen(f'"{name}"'), TIMER_WITHIN_S, "the timer fires")
    world.account.api("scf", "DeleteTrigger", FunctionName=function, TriggerName=name, Type="timer")
    event = note["event"]
    world.sample("timer", event)
    missing = {"Type", "TriggerName", "Time", "Message"} - set(event)
    expect(not missing, f"missing: {sorted(missing)}")
    expect(event["Type"] == "Timer", f"Type {event['Type']}")
    return "all four fields"
