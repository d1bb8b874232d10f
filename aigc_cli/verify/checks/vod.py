"""Checks of VOD. All paid tasks are of one model, and few."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aigc.cloud.downloads import HOSTS
from aigc.errors import BadEventError
from aigc.image_files import check_head
from aigc.labels.files import read_labels
from aigc.triggers.vod_callback import VodCallback
from aigc_cli.account import RefusalError
from aigc_cli.verify.check import DiffersError, Group, SkipError, expect, wait_for

if TYPE_CHECKING:
    from aigc_cli.verify.world import World

group = Group("vod", needs_images=True)

DONE_WITHIN_S = 600
REPEATED_WITHIN_S = 600
STATUSES = {"WAITING", "PROCESSING", "FINISH", "ABORTED"}
DUPLICATE = {"InvalidParameterValue.SessionId", "FailedOperation.TaskDuplicate"}
CALLERS = 20
OVER_LIMIT = ("RequestLimitExceeded", "LimitExceeded", "ResourceInsufficient")


def _application(world: World, part: str = "main") -> int:
    """Return an application of this run's own."""

    def create() -> int:
        name = world.name(f"vod-{part}")
        world.scratch.announce("application", name)
        try:
            return int(world.account.api("vod", "CreateSubAppId", Name=name)["SubAppId"])
        except RefusalError as error:
            raise SkipError(f"VOD creates no application: {error.code}") from error

    return world.kept(f"application {part}", create)


def _task(world: World, session: str, **params: Any) -> dict[str, Any]:
    return {
        "SubAppId": _application(world),
        "ModelName": "Hunyuan",
        "ModelVersion": "3.0",
        "Prompt": "a lighthouse in the fog",
        "SessionId": session,
        "SessionContext": "aigc-verify",
        **params,
    }


def _session(world: World, part: str) -> str:
    return world.name(part)


def _create(world: World, session: str, **params: Any) -> str:
    """Create a task; return its id, or the code of the refusal."""
    try:
        created = world.account.api("vod", "CreateAigcImageTask", **_task(world, session, **params))
    except RefusalError as error:
        if error.code.startswith(("UnauthorizedOperation", "FailedOperation.InvalidVodUser")):
            raise SkipError(f"VOD makes no images for this account: {error.code}") from error
        return error.code
    return str(created["TaskId"])


def _describe(world: World, task: str) -> dict[str, Any]:
    return world.account.api("vod", "DescribeTaskDetail", TaskId=task, SubAppId=_application(world))


def _ended(world: World, task: str, statuses: set[str] | None = None) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        detail = _describe(world, task)
        if statuses is not None:
            statuses.add(detail["Status"])
        return detail if detail["Status"] in {"FINISH", "ABORTED"} else None

    return wait_for(ended, DONE_WITHIN_S, "the task ends")


def _first(world: World) -> dict[str, Any]:
    """Send one task from 20 callers at once; keep their answers."""

    def send() -> dict[str, Any]:
        _listen(world)
        session, barrier = _session(world, "first"), threading.Barrier(CALLERS)

        def call(_: int) -> str:
            barrier.wait()
            return _create(world, session)

        with ThreadPoolExecutor(CALLERS) as pool:
            answers = list(pool.map(call, range(CALLERS)))
        return {"session": session, "answers": answers}

    return world.kept("first", send)


def _is_task(answer: str) -> bool:
    return "-" in answer


def _first_task(world: World) -> str:
    for answer in _first(world)["answers"]:
        if _is_task(answer):
            return str(answer)
    raise DiffersError(f"no caller's task was accepted: {sorted(set(_first(world)['answers']))}")


def _first_detail(world: World) -> dict[str, Any]:
    def wait() -> dict[str, Any]:
        statuses: set[str] = set()
        detail = _ended(world, _first_task(world), statuses)
        return {**detail, "statuses": sorted(statuses)}

    return world.shared("first ended", wait)


def _listen(world: World) -> None:
    """Let VOD push the ends of tasks to the probe."""

    def configure() -> bool:
        world.account.api(
            "vod",
            "ModifyEventConfig",
            SubAppId=_application(world),
            Mode="PUSH",
            NotificationUrl=f"{world.url}/seen/callback",
        )
        return True

    world.shared("callback", configure)


@group.check(
    "session-at-once",
    assumption="Of 20 concurrent calls with one SessionId exactly one is accepted; the others are"
    " refused with `InvalidParameterValue.SessionId`, or throttled.",
    document="266/126240",
    used_by="a repeat after a lost reply: it must not be a second paid task",
    otherwise="A repeat could be paid twice if two come within the same moment. The ledger's claim"
    " keeps that rare; report it.",
    images=2,
)
def session_at_once(world: World) -> str:
    """Send one task from 20 callers at once."""
    answers = _first(world)["answers"]
    accepted = [answer for answer in answers if _is_task(answer)]
    others = {answer for answer in answers if not _is_task(answer)}
    expect(len(accepted) == 1, f"{len(accepted)} of {CALLERS} were accepted")
    unknown = {code for code in others - DUPLICATE if not code.startswith(OVER_LIMIT)}
    expect(not unknown, f"refused with {sorted(unknown)}")
    return f"1 of {CALLERS}; the others: {', '.join(sorted(others))}"


def _again(world: World) -> str:
    time.sleep(1)  # the 20 callers have used up the calls of a second
    answer = _create(world, _first(world)["session"])
    expect(not _is_task(answer), "a second task was accepted")
    expect(answer in DUPLICATE, f"refused with {answer}")
    return answer


@group.check(
    "session-again",
    assumption="A SessionId is refused while its task runs.",
    document="266/126240",
    used_by="repeats after a lost reply",
    otherwise="A repeat would be a second paid task: report it.",
)
def session_again(world: World) -> str:
    """Send the task once more."""
    _first_task(world)
    return _again(world)


@group.check(
    "over-limit",
    assumption="A task over the limit of concurrent tasks is refused at once or fails later, with"
    " RequestLimitExceeded, LimitExceeded or ResourceInsufficient, and is not paid.",
    document="266/126240",
    used_by="lanes: such a task is sent again, and the lane has fewer slots for a while",
    otherwise="Add the code to the error classes. A task that waits instead changes nothing.",
    images=1,
)
def over_limit(world: World) -> str:
    """Send a second task while the first one runs."""
    _first_task(world)
    answer = _create(world, _session(world, "second"))
    if not _is_task(answer):
        expect(answer.startswith(OVER_LIMIT), f"refused with {answer}")
        return f"refused with {answer}"
    outcome = _ended(world, answer).get("AigcImageTask") or {}
    code = outcome.get("ErrCodeExt") or ""
    expect(not code or code.startswith(OVER_LIMIT), f"failed with {code}")
    return f"failed with {code}" if code else "accepted, and succeeded: the limit is higher"


@group.check(
    "statuses",
    assumption="The status of a task is WAITING, PROCESSING, FINISH or ABORTED.",
    document="the text of DescribeTaskDetail in the SDK",
    used_by="settling: an unknown status counts as running",
    otherwise="A job with another final status never ends: report it.",
)
def statuses(world: World) -> str:
    """Follow the first task to its end."""
    seen = set(_first_detail(world)["statuses"])
    expect(seen <= STATUSES, f"seen: {sorted(seen)}")
    return ", ".join(sorted(seen))


def _file(world: World) -> dict[str, Any]:
    task = _first_detail(world).get("AigcImageTask") or {}
    files = (task.get("Output") or {}).get("FileInfos") or []
    expect(files, f"no image: {task.get('ErrCodeExt')} {task.get('Message')}")
    file: dict[str, Any] = files[0]
    return file


@group.check(
    "result-host",
    assumption=f"Images lie on hosts that end in {', '.join(HOSTS)}.",
    used_by="downloads: an image on another host is not fetched until the host is allowed",
    otherwise="Allow the host in the configuration; the job then continues.",
)
def result_host(world: World) -> str:
    """Read the URL of the first task's image."""
    host = urlsplit(_file(world)["FileUrl"]).hostname or ""
    domain = ".".join(host.rsplit(".", 2)[-2:])
    expect(host.endswith(HOSTS), f"a host below {domain}")
    return f"below {domain}"


def _image(world: World) -> bytes:
    return world.shared("image", lambda: world.account.fetch(_file(world)["FileUrl"]).content)


@group.check(
    "result-format",
    assumption="The image is a PNG, a JPEG or a WebP.",
    document="266/126240",
    used_by="storing: the file's first bytes are checked, and labels are written into it",
    otherwise="Other files are stored without a label; report the format.",
)
def result_format(world: World) -> str:
    """Read the first bytes of the image."""
    content = _image(world)
    check_head(content)
    return f"{len(content)} bytes"


@group.check(
    "result-expiry",
    assumption="A temporary image expires after about seven days.",
    document="266/126240",
    used_by="how long the program tries to store an image",
    otherwise="Images of a longer outage may be lost: report the time.",
)
def result_expiry(world: World) -> str:
    """Read the time of expiry."""
    text = _file(world).get("ExpireTime") or ""
    expect(text, "there is no ExpireTime")
    expires = datetime.fromisoformat(text.replace("Z", "+00:00"))
    left = expires - datetime.now(timezone.utc)
    shortest = timedelta(days=6) if not world.is_local else timedelta(0)
    expect(left > shortest, f"it expires in {left}")
    return f"in {left.total_seconds() / 86400:.1f} days"


@group.check(
    "labels",
    assumption="Images arrive with or without AIGC labels; both can be labelled.",
    used_by="labels: a label of the vendor's is kept",
    otherwise="Nothing changes.",
)
def labels(world: World) -> str:
    """Read the labels of the image."""
    labels_in_file = read_labels(_image(world))
    names = {
        "an AIGC label": labels_in_file.label is not None,
        "a C2PA manifest": labels_in_file.has_c2pa,
        "an IPTC source type": bool(labels_in_file.source_type),
    }
    return ", ".join(name for name, is_there in names.items() if is_there) or "no labels"


@group.check(
    "session-after-end",
    assumption="A SessionId is refused after its task has ended.",
    document="266/126240: three days in one place, seven in another",
    used_by="repeats after a long outage",
    otherwise="A repeat would be a second paid task: report it.",
)
def session_after_end(world: World) -> str:
    """Send the task once more after its end."""
    _first_detail(world)
    return _again(world)


@group.check(
    "session-across-actions",
    assumption="A SessionId of CreateAigcImageTask is refused by CreateSceneAigcImageTask.",
    used_by="nothing: each job has sessions of its own",
    otherwise="The local cloud is stricter than VOD.",
    images=1,
)
def session_across_actions(world: World) -> str:
    """Use the session for a scene task."""
    _first_detail(world)
    url = _file(world)["FileUrl"]
    code = world.account.refusal(
        "vod",
        "CreateSceneAigcImageTask",
        SubAppId=_application(world),
        SceneInfo={"Type": "product_image", "ProductImageConfig": {"Prompt": "a table"}},
        FileInfos=[{"Type": "Url", "Url": url}],
        SessionId=_first(world)["session"],
    )
    expect(code in DUPLICATE, f"answered {code!r}")
    return code


@group.check(
    "session-length",
    needs_image=False,
    assumption="A SessionId of more than 50 characters is refused with"
    " `InvalidParameterValue.SessionIdTooLong`.",
    document="266/126240",
    used_by="sessions, which are shorter",
    otherwise="Nothing changes.",
)
def session_length(world: World) -> str:
    """Send a long session."""
    answer = _create(world, "x" * 51)
    expect(answer == "InvalidParameterValue.SessionIdTooLong", f"answered {answer}")
    return answer


@group.check(
    "describe-tasks",
    assumption="DescribeTasks lists AIGC tasks.",
    document="the text of DescribeTasks in the SDK",
    used_by="a lost reply: the task is found by its session",
    otherwise="Only the callback, or a repeat under the same session, explains a lost reply.",
)
def describe_tasks(world: World) -> str:
    """List the tasks of the application."""
    task = _first_task(world)
    listed = world.account.api("vod", "DescribeTasks", SubAppId=_application(world), Limit=100)[
        "TaskSet"
    ]
    expect(task in {item["TaskId"] for item in listed}, f"{len(listed)} other tasks are listed")
    return "listed"


@group.check(
    "manage-task",
    assumption="ManageTask aborts a task that is WAITING, and refuses one that is not with"
    " `FailedOperation`.",
    document="the text of ManageTask in the SDK",
    used_by="cancelling: a task that cannot be aborted continues, and its image is stored",
    otherwise="A cancelled job ends as succeeded.",
    images=1,
)
def manage_task(world: World) -> str:
    """Abort a task at once, and an ended one."""
    _first_detail(world)
    answer = _create(world, _session(world, "aborted"))
    expect(_is_task(answer), f"the task was refused with {answer}")
    params = {"SubAppId": _application(world), "OperationType": "Abort"}
    code = world.account.refusal("vod", "ManageTask", TaskId=answer, **params)
    status = _ended(world, answer)["Status"]
    late = world.account.refusal("vod", "ManageTask", TaskId=_first_task(world), **params)
    expect(code in {"", "FailedOperation"}, f"refused with {code}")
    expect(late.startswith("FailedOperation"), f"an ended task was answered {late!r}")
    return f"{code or 'accepted'}, then {status}"


@group.check(
    "callback",
    assumption="VOD pushes the end of a task as JSON with EventType and the task's id.",
    document="266/33948",
    used_by="how soon a job ends; the sweep asks each minute otherwise",
    otherwise="Jobs end up to a minute later.",
)
def callback(world: World) -> str:
    """Wait for the push of the first task's end."""
    _first_detail(world)
    task = _first_task(world)
    [note, *_] = wait_for(lambda: world.seen(task), 120, "the push arrives")
    event = note["event"]
    world.sample("vod_callback", event)
    try:
        read = VodCallback.parse(event["body"].encode())
    except BadEventError as error:
        raise DiffersError(str(error)) from error
    expect(read.task is not None, f"EventType {read.event_type} is not read as a task's end")
    headers = {name.lower(): text for name, text in event["headers"].items()}
    signed = "signed" if read.signature else "not signed"
    return f"{read.event_type}, {headers.get('content-type')}, {signed}"


@group.check(
    "missing-task",
    needs_image=False,
    assumption="The query of a task that does not exist is refused with a code that begins with"
    " `InvalidParameterValue` or `ResourceNotFound`.",
    document="the text of DescribeTaskDetail in the SDK",
    used_by="settling: a job whose task the vendor does not know is reported",
    otherwise="Add the code to `functions/aigc/tasks/vod.py`.",
)
def missing_task(world: World) -> str:
    """Ask for a task that does not exist."""
    app = _application(world)
    task = f"{app}-AigcImageTask-{'0' * 32}t"
    code = world.account.refusal("vod", "DescribeTaskDetail", TaskId=task, SubAppId=app)
    expect(code.startswith(("InvalidParameterValue", "ResourceNotFound")), f"answered {code!r}")
    return code


@group.check(
    "missing-application",
    needs_image=False,
    assumption="The event settings of an application that does not exist cannot be read.",
    used_by="`pulumi preview`, which refuses a wrong `subAppId`",
    otherwise="A wrong `subAppId` shows with the first task.",
)
def missing_application(world: World) -> str:
    """Read the settings of an application that does not exist."""
    code = world.account.refusal("vod", "DescribeEventConfig", SubAppId=1499999999)
    expect(code, "they were read")
    return code


@group.check(
    "session-other-application",
    assumption="A SessionId that is used in one application is accepted in another one.",
    used_by="nothing: sessions carry something of the ledger's own",
    otherwise="Nothing changes.",
    images=1,
)
def session_other_application(world: World) -> str:
    """Use the session in another application."""
    answer = _other_task(world)
    expect(_is_task(answer), f"refused with {answer}")
    return "accepted"


def _other_task(world: World) -> str:
    """Create a task in another application, whose pushes the probe refuses at first."""
    _first_detail(world)
    other = _application(world, "other")

    def create() -> str:
        world.account.api(
            "vod",
            "ModifyEventConfig",
            SubAppId=other,
            Mode="PUSH",
            NotificationUrl=f"{world.url}/seen/fail-raise",
        )
        return _create(world, _first(world)["session"], SubAppId=other)

    return world.kept("other task", create)


@group.check(
    "callback-repeated",
    assumption="A push that is not answered 200 is sent again.",
    document="266/33948",
    used_by="how soon a job ends if the gateway was busy; the sweep asks each minute otherwise",
    otherwise="Such jobs end up to a minute later.",
)
def callback_repeated(world: World) -> str:
    """Refuse the push of a task's end."""
    task = _other_task(world)
    expect(_is_task(task), f"the task was refused with {task}")
    wait_for(lambda: len(world.seen(task)) > 1, REPEATED_WITHIN_S, "the push is repeated")
    return f"sent {len(world.seen(task))} times so far"
