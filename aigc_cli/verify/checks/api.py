"""Checks of API 3.0 itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from aigc_cli.account import VERSIONS, RefusalError
from aigc_cli.verify.check import Group, expect

if TYPE_CHECKING:
    import requests

    from aigc_cli.account import Account
    from aigc_cli.verify.world import World

group = Group("api")

MUCH_TOO_OLD_S = 900


def _signed(account: Account, action: str, params: dict[str, object], at: int) -> requests.Response:
    """Send a call of VOD that is signed for a time."""
    service, host = "vod", "vod.tencentcloudapi.com"
    body = json.dumps(params)
    date = datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    request = (
        f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n"
        f"{hashlib.sha256(body.encode()).hexdigest()}"
    )
    text = f"TC3-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"TC3{account.secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers = {
        "Authorization": f"TC3-HMAC-SHA256 Credential={account.secret_id}/{scope},"
        f" SignedHeaders=content-type;host, Signature={signature}",
        "Content-Type": "application/json",
        "X-TC-Action": action,
        "X-TC-Version": VERSIONS[service],
        "X-TC-Timestamp": str(at),
        **({"X-TC-Token": account.token} if account.token else {}),
    }
    return account.fetch(f"{account.protocol}://{host}/", "POST", data=body, headers=headers)


def _code(response: requests.Response) -> str:
    return str(response.json()["Response"].get("Error", {}).get("Code", ""))


@group.check(
    "error-form",
    assumption="An error is HTTP 200 with `Content-Type: application/json` and a RequestId.",
    document="406/35950",
    used_by="the SDK, which takes an error with another Content-Type for success; the functions"
    " check the body themselves",
    otherwise="Nothing changes: the functions read the body.",
)
def error_form(world: World) -> str:
    """Ask for a task that does not exist."""
    params = {"TaskId": "0-AigcImageTask-missing", "SubAppId": world.account.ids["AppId"]}
    response = _signed(world.account, "DescribeTaskDetail", params, int(time.time()))
    kind = response.headers.get("Content-Type")
    expect(response.status_code == 200, f"HTTP {response.status_code}")
    expect(kind == "application/json", f"Content-Type {kind}")
    expect(response.json()["Response"].get("RequestId"), "no RequestId")
    return f"200, {kind}, {_code(response)}"


@group.check(
    "clock",
    assumption="A signature that is 15 minutes old is refused with `AuthFailure.SignatureExpire`.",
    document="406/35950",
    used_by="the error classes: a wrong clock is a fault of the account and fails no job",
    otherwise="Add the code to the error classes in `functions/aigc/cloud`.",
)
def clock(world: World) -> str:
    """Send an old signature."""
    response = _signed(world.account, "DescribeSubAppIds", {}, int(time.time()) - MUCH_TOO_OLD_S)
    expect(_code(response) == "AuthFailure.SignatureExpire", f"answered {_code(response)!r}")
    return "AuthFailure.SignatureExpire"


@group.check(
    "unknown-parameter",
    assumption="A parameter that the action does not have is refused with `UnknownParameter`.",
    document="406/35950",
    used_by="nothing: the functions send documented parameters only",
    otherwise="The local cloud is stricter than the cloud.",
)
def unknown_parameter(world: World) -> str:
    """Send a parameter that no action has."""
    code = world.account.refusal("vod", "DescribeSubAppIds", AigcUnknown="x")
    expect(code == "UnknownParameter", f"answered {code!r}")
    return code


@group.check(
    "rate",
    assumption="More than 20 calls of an action in a second are refused with"
    " `RequestLimitExceeded`.",
    document="266/126240",
    used_by="the functions: a refused call did nothing and is sent again later",
    otherwise="Nothing changes if the limit is higher. Another code must be added to the error"
    " classes.",
)
def rate(world: World) -> str:
    """Send 60 calls at once."""

    def call(_: int) -> str:
        try:
            world.account.call_once("vod", "DescribeSubAppIds")
        except RefusalError as error:
            return error.code
        return ""

    with ThreadPoolExecutor(30) as pool:
        codes = set(pool.map(call, range(60)))
    time.sleep(1)
    others = {code for code in codes if not code.startswith("RequestLimitExceeded")} - {""}
    expect(not others, f"refused with {sorted(others)}")
    expect(codes - {""}, "60 calls at once were all carried out")
    return ", ".join(sorted(codes - {""}))


@group.check(
    "missing-action",
    assumption="An action that does not exist is refused with `InvalidAction` or"
    " `UnsupportedOperation`.",
    document="406/35950",
    used_by="nothing",
    otherwise="Nothing changes.",
)
def missing_action(world: World) -> str:
    """Call an action that does not exist."""
    try:
        world.account.api("vod", "CreateAigcNothing")
    except RefusalError as error:
        expect(error.code in {"InvalidAction", "UnsupportedOperation"}, f"answered {error.code}")
        return error.code
    expect(False, "it was carried out")
    return ""
