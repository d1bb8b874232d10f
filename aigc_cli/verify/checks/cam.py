"""Checks of CAM: what each function's role may do, and may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aigc_cli.account import VERSIONS
from aigc_cli.verify.check import Group, expect
from infra.permissions import POLICIES, Reach

if TYPE_CHECKING:
    from aigc_cli.verify.world import World

group = Group("cam")

INBOX_DENIED = {
    "gateway": ("PutObject", "DeleteObject"),
    "upload": ("PutObject", "DeleteObject"),
    "sweep": ("PutObject", "DeleteObject"),
}
"""What the policy of a function denies on objects of the inbox that no rule takes."""
DENIED = ("UnauthorizedOperation", "AuthFailure.UnauthorizedOperation", "AccessDenied")
NOBODYS_APPLICATION = 1499999999
"""Calls with it cost nothing: VOD refuses them after it has checked the permission."""


def _reach(world: World) -> Reach:
    return Reach(
        region=world.account.region,
        app_id=world.account.app_id,
        sub_app_id=NOBODYS_APPLICATION,
        inbox=world.new_bucket("inbox"),
        results=world.new_bucket("results"),
        ledger=world.bucket,
        upload_prefixes=("cam/rule/",),
    )


def _calls(statement: dict[str, Any], reach: Reach) -> list[dict[str, Any]]:
    """Return a call that costs nothing for each action of a statement."""
    calls = []
    for name in statement["action"]:
        service, _, action = name.partition(":")
        if action == "RequestFromSdk":
            continue
        if service == "name/cos":
            [resource] = statement["resource"]
            bucket, _, prefix = resource.rpartition(":")[2].partition("/")
            key = prefix.rstrip("*") + "cam/key"
            calls.append({"action": action, "bucket": bucket, "key": key})
        else:
            calls.append(_api_call(service, action, reach.sub_app_id))
    return calls


def _api_call(service: str, action: str, sub_app_id: int) -> dict[str, Any]:
    params: dict[str, Any] = {"SubAppId": sub_app_id} if service == "vod" else {}
    if action in {"DescribeTaskDetail", "ManageTask", "DescribeAigcImageTask"}:
        params["TaskId"] = f"{sub_app_id}-AigcImageTask-{'0' * 32}t"
    if action == "ManageTask":
        params["OperationType"] = "Abort"
    if action == "CreateSceneAigcImageTask":
        params["SceneInfo"] = {"Type": "product_image"}
    if action == "CreateAigcImageTask" and service == "vod":
        params |= {"ModelName": "GG", "ModelVersion": "3.0"}
    return {"service": service, "version": VERSIONS[service], "action": action, "params": params}


def _codes(world: World, name: str, calls: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Let a function with the policy of this name do calls; return the title and code of each."""
    document = json.loads(POLICIES[name](_reach(world)))
    function = world.function(f"cam-{name}", world.role(f"cam-{name}", document))
    codes = world.invoke(function, {"calls": calls})
    return list(zip([_title(call) for call in calls], codes, strict=True))


def _title(call: dict[str, Any]) -> str:
    return f"{call.get('service', 'cos')}:{call['action']}"


def _allowed_check(name: str) -> None:
    @group.check(
        f"allowed-{name}",
        assumption=f"The policy of the function {name} allows each action that it names, on the"
        " resource that it names.",
        document="598/57178, 598/70068, 598/104118",
        used_by=f"everything that {name} does",
        otherwise="Denied actions pause the lanes with an alarm. Use `*` as the resource of the"
        " denied action in `infra/permissions.py`.",
    )
    def allowed(world: World) -> str:
        """Call each action of the policy from a function with its role."""
        reach = _reach(world)
        for bucket in (reach.inbox, reach.results, reach.ledger):
            for key in ("cam/key", ".aigc/mps/cam/key"):
                world.account.cos("PUT", bucket, key, body=b"{}")
        statements = json.loads(POLICIES[name](reach))["statement"]
        calls = [call for statement in statements for call in _calls(statement, reach)]
        # Deletions come last: other calls read what they remove.
        calls.sort(key=lambda call: str(call["action"]).startswith("Delete"))
        codes = _codes(world, name, calls)
        denied = sorted({title for title, code in codes if code.startswith(DENIED)})
        expect(not denied, f"denied: {', '.join(denied)}")
        return f"{len({title for title, _ in codes})} actions"


def _denied_check(name: str) -> None:
    @group.check(
        f"denied-{name}",
        assumption=f"The policy of the function {name} denies other applications, buckets and"
        " actions.",
        document="598/57178, 598/70068",
        used_by="the damage that a stolen key can do",
        otherwise="The policy allows more than it says: report it.",
    )
    def denied(world: World) -> str:
        """Call what the policy does not name."""
        other = world.new_bucket("other")
        world.account.cos("PUT", other, "cam/key", body=b"{}")
        calls = [
            {"action": "GetObject", "bucket": other, "key": "cam/key"},
            {"action": "PutObject", "bucket": other, "key": "cam/key"},
            *(
                {"action": action, "bucket": world.new_bucket("inbox"), "key": "cam/key"}
                for action in INBOX_DENIED[name]
            ),
            {"action": "GetBucket", "bucket": other, "key": "cam/"},
            _api_call("vod", "DescribeTaskDetail", NOBODYS_APPLICATION - 1),
        ]
        codes = _codes(world, name, calls)
        allowed = sorted({title for title, code in codes if not code.startswith(DENIED)})
        expect(not allowed, f"allowed: {', '.join(allowed)}")
        return f"{len(calls)} calls denied"


@group.check(
    "missing-object",
    assumption="A GET of a missing object is answered 404 also if the role may not list the"
    " bucket.",
    used_by="uploads that were deleted before they were read",
    otherwise="Such an upload counts as a denied read: the lane pauses, and an alarm says so.",
)
def missing_object(world: World) -> str:
    """Read a missing object with the role of the upload function."""
    call = {"action": "GetObject", "bucket": world.new_bucket("inbox"), "key": "cam/missing"}
    [(_, code)] = _codes(world, "upload", [call])
    expect(code == "absent", f"answered {code!r}")
    return "404"


for _name in POLICIES:
    _allowed_check(_name)
    _denied_check(_name)
