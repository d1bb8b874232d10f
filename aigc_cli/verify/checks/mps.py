"""Checks of MPS."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aigc.image_files import check_head
from aigc_cli.account import RefusalError
from aigc_cli.verify.check import Group, SkipError, expect, wait_for
from aigc_cli.verify.world import EVENTS

if TYPE_CHECKING:
    from aigc_cli.verify.world import World

group = Group("mps", needs_images=True)

DONE_WITHIN_S = 600
ROLE = "MPS_QcsRole"
STATUSES = {"WAIT", "RUN", "DONE", "FAIL"}


@group.check(
    "role",
    needs_image=False,
    assumption=f"The role {ROLE} trusts `mps.cloud.tencent.com`.",
    used_by="MPS, which stores images in the results bucket",
    otherwise="Set `mpsRole` to `existing` and create the role in the MPS console.",
)
def role(world: World) -> str:
    """Read the role."""
    try:
        info = world.account.api("cam", "GetRole", RoleName=ROLE)["RoleInfo"]
    except RefusalError as error:
        raise SkipError(f"the account has no {ROLE}: {error.code}") from error
    trusted = json.dumps(json.loads(info["PolicyDocument"])["statement"])
    expect("mps.cloud.tencent.com" in trusted, "it trusts another service")
    return "mps.cloud.tencent.com"


def _finished(world: World) -> dict[str, Any]:
    """Pay for one image, once a run, which MPS stores below `EVENTS`."""
    world.watch_events()

    def create() -> dict[str, Any]:
        store = {
            "CosBucketName": world.bucket,
            "CosBucketRegion": world.account.region,
            "CosBucketPath": f"/{EVENTS}mps/",
        }
        try:
            created = world.account.api(
                "mps",
                "CreateAigcImageTask",
                ModelName="Hunyuan",
                ModelVersion="3.0",
                Prompt="a lighthouse in the fog",
                StoreCosParam=store,
            )
        except RefusalError as error:
            raise SkipError(f"MPS refused the task: {error.code}") from error
        return {"task": created["TaskId"], "statuses": []}

    task = world.kept("mps", create)

    def ended() -> dict[str, Any] | None:
        answer = world.account.api("mps", "DescribeAigcImageTask", TaskId=task["task"])
        if answer["Status"] not in task["statuses"]:
            task["statuses"].append(answer["Status"])
        return answer if answer["Status"] in {"DONE", "FAIL"} else None

    def wait() -> dict[str, Any]:
        answer = wait_for(ended, DONE_WITHIN_S, "the task ends")
        return {**answer, "statuses": task["statuses"]}

    return world.shared("mps ended", wait)


@group.check(
    "statuses",
    assumption="The status of a task is WAIT, RUN, DONE or FAIL.",
    document="862/126966",
    used_by="settling: an unknown status counts as running",
    otherwise="A job with another final status never ends: report it.",
    images=1,
)
def statuses(world: World) -> str:
    """Follow a task to its end."""
    seen = set(_finished(world)["statuses"])
    expect(seen <= STATUSES, f"seen: {sorted(seen)}")
    return ", ".join(sorted(seen))


@group.check(
    "stored",
    assumption="The image lies in the named bucket below the named path, and the file begins as"
    " an image does.",
    document="862/126966",
    used_by="MPS jobs: their images are taken from the staging folder",
    otherwise="MPS jobs fail although they were paid for: set their results aside and report it.",
)
def stored(world: World) -> str:
    """Look for the image."""
    answer = _finished(world)
    expect(answer["Status"] == "DONE", f"{answer['Status']}: {answer.get('Message')}")
    found = wait_for(lambda: world.listed(f"{EVENTS}mps/"), 60, "the image is listed")
    check_head(world.account.cos("GET", world.bucket, found[0]).body)
    return f"{len(found)} object, named like {'_'.join(found[0].split('/')[-1].split('_')[:1])}_…"


@group.check(
    "urls",
    assumption="ImageUrls of a stored image name the bucket's own host.",
    used_by="nothing: the program lists the staging folder",
    otherwise="Nothing changes.",
)
def urls(world: World) -> str:
    """Read the URLs of the answer."""
    answer = _finished(world)
    hosts = {urlsplit(url).hostname or "" for url in answer.get("ImageUrls") or []}
    expect(all(host.startswith(world.bucket) for host in hosts), "another host")
    return "the bucket's host" if hosts else "no URLs"


@group.check(
    "event",
    assumption="An image that MPS stores raises an event of the bucket.",
    used_by="how soon an MPS job ends; the sweep asks each minute otherwise",
    otherwise="MPS jobs end up to a minute later.",
)
def event(world: World) -> str:
    """Wait for the event of the stored image."""
    _finished(world)
    started = time.monotonic()
    [note, *_] = wait_for(lambda: world.seen(f"{EVENTS}mps/"), 120, "the event arrives")
    name = note["event"]["Records"][0]["event"]["eventName"]
    return f"{name}, {time.monotonic() - started:.0f} s after the end"


@group.check(
    "missing-task",
    needs_image=False,
    assumption="The query of a task that does not exist is refused with a code that begins with"
    " `ResourceNotFound` or `InvalidParameter`.",
    used_by="settling: a job whose task the vendor does not know is reported",
    otherwise="Add the code to `functions/aigc/tasks/mps_image.py`.",
)
def missing_task(world: World) -> str:
    """Ask for a task that does not exist."""
    code = world.account.refusal("mps", "DescribeAigcImageTask", TaskId="4-AigcImage-" + "0" * 32)
    expect(code.startswith(("ResourceNotFound", "InvalidParameter")), f"answered {code!r}")
    return code
