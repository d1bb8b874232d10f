"""How VOD writes a task down: in its own words, with everything that it leaves empty."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from localcloud import schema
from localcloud.tasks import ABORTED, FINISH, PROCESSING, WAITING, Failure

if TYPE_CHECKING:
    from localcloud.tasks import Task

VERSION = "2018-07-17"
TASK_TYPES = {
    "CreateAigcImageTask": "AigcImageTask",
    "CreateSceneAigcImageTask": "SceneAigcImageTask",
}

_NO_TIME = "0000-00-00T00:00:00Z"


def whole(task: Task) -> dict[str, Any]:
    """Write a task as DescribeTaskDetail does: what other types of task have is null."""
    kind = TASK_TYPES[task.action]
    names = schema.fields("vod", VERSION, "DescribeTaskDetailResponse")
    nothing = dict.fromkeys(name for name in names if name != "RequestId")
    return {**nothing, "TaskType": kind, **_times(task), kind: detail(task)}


def detail(task: Task) -> dict[str, Any]:
    """Write a task as the events do, and DescribeTaskDetail inside."""
    kind = TASK_TYPES[task.action]
    error = task.error
    if task.state == ABORTED:
        error = Failure(0, "OperationCanceled", "the task was aborted")
    everything = {
        "TaskId": task.task_id,
        "Status": FINISH if task.has_ended else PROCESSING,
        "ErrCode": error.code if error else 0,
        "ErrCodeExt": error.ext if error else "",
        "Message": error.message if error else "",
        "Progress": {WAITING: 0, PROCESSING: 50}.get(task.state, 100),
        "Input": _echo(task, kind),
        "Output": {"FileInfos": [_output(task, result) for result in task.results]},
        "SessionId": task.session_id,
        "SessionContext": task.session_context,
    }
    known = schema.fields("vod", VERSION, kind)  # a scene's task has no ErrCodeExt
    return {name: value for name, value in everything.items() if name in known}


def _echo(task: Task, kind: str) -> dict[str, Any]:
    params = {"OutputConfig": {}, **task.params}
    echo = schema.filled("vod", VERSION, f"{kind}Input", params)
    output = echo.get("OutputConfig") or {}
    output["ExpireTime"] = output.get("ExpireTime") or _NO_TIME
    for file in echo.get("FileInfos") or []:
        file.pop("Base64", None)
    return echo


def _output(task: Task, result: dict[str, Any]) -> dict[str, Any]:
    output = task.params.get("OutputConfig") or {}
    expires_at = result["expires_at"]
    return {
        "StorageMode": output.get("StorageMode") or "Temporary",
        "MediaName": output.get("MediaName") or "",
        "ClassId": output.get("ClassId") or 0,
        "ExpireTime": _NO_TIME if expires_at is None else time(expires_at),
        "FileType": "",
        "FileUrl": result["url"],
        "FileId": result["file_id"],
        "MetaData": None,
    }


def _times(task: Task) -> dict[str, str]:
    return {
        "Status": task.state,
        "CreateTime": time(task.created_at),
        "BeginProcessTime": _NO_TIME if task.started_at is None else time(task.started_at),
        "FinishTime": _NO_TIME if task.finished_at is None else time(task.finished_at),
    }


def summary(task: Task) -> dict[str, Any]:
    """Write a task as DescribeTasks does."""
    return {
        "TaskId": task.task_id,
        "FileId": "",
        "TaskType": TASK_TYPES[task.action],
        **_times(task),
        "SessionId": task.session_id,
        "SessionContext": task.session_context,
    }


def time(moment: float) -> str:
    """Write a time as VOD does."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
