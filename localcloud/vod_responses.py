"""VOD's representations of a task in responses and events, with all fields."""

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


def detail_response(task: Task) -> dict[str, Any]:
    """Build the response of DescribeTaskDetail; the fields of other task types are null."""
    task_type = TASK_TYPES[task.action]
    names = schema.fields("vod", VERSION, "DescribeTaskDetailResponse")
    empty = dict.fromkeys(name for name in names if name != "RequestId")
    return {**empty, "TaskType": task_type, **_times(task), task_type: task_fields(task)}


def task_fields(task: Task) -> dict[str, Any]:
    """Build the fields of a task in events and in DescribeTaskDetail."""
    task_type = TASK_TYPES[task.action]
    error = task.error
    if task.state == ABORTED:
        error = Failure(0, "OperationCanceled", "the task was aborted")
    all_fields = {
        "TaskId": task.task_id,
        "Status": FINISH if task.has_ended else PROCESSING,
        "ErrCode": error.code if error else 0,
        "ErrCodeExt": error.ext if error else "",
        "Message": error.message if error else "",
        "Progress": {WAITING: 0, PROCESSING: 50}.get(task.state, 100),
        "Input": _input_fields(task, task_type),
        "Output": {"FileInfos": [_output_file(task, result) for result in task.results]},
        "SessionId": task.session_id,
        "SessionContext": task.session_context,
    }
    model_fields = schema.fields("vod", VERSION, task_type)  # scene tasks have no ErrCodeExt
    return {name: value for name, value in all_fields.items() if name in model_fields}


def _input_fields(task: Task, task_type: str) -> dict[str, Any]:
    params = {"OutputConfig": {}, **task.params}
    input_fields = schema.with_all_fields("vod", VERSION, f"{task_type}Input", params)
    output = input_fields.get("OutputConfig") or {}
    output["ExpireTime"] = output.get("ExpireTime") or _NO_TIME
    for file in input_fields.get("FileInfos") or []:
        file.pop("Base64", None)
    return input_fields


def _output_file(task: Task, result: dict[str, Any]) -> dict[str, Any]:
    output = task.params.get("OutputConfig") or {}
    expires_at = result["expires_at"]
    return {
        "StorageMode": output.get("StorageMode") or "Temporary",
        "MediaName": output.get("MediaName") or "",
        "ClassId": output.get("ClassId") or 0,
        "ExpireTime": _NO_TIME if expires_at is None else format_time(expires_at),
        "FileType": "",
        "FileUrl": result["url"],
        "FileId": result["file_id"],
        "MetaData": None,
    }


def _times(task: Task) -> dict[str, str]:
    return {
        "Status": task.state,
        "CreateTime": format_time(task.created_at),
        "BeginProcessTime": _NO_TIME if task.started_at is None else format_time(task.started_at),
        "FinishTime": _NO_TIME if task.finished_at is None else format_time(task.finished_at),
    }


def summary(task: Task) -> dict[str, Any]:
    """Build the entry of a task in DescribeTasks."""
    return {
        "TaskId": task.task_id,
        "FileId": "",
        "TaskType": TASK_TYPES[task.action],
        **_times(task),
        "SessionId": task.session_id,
        "SessionContext": task.session_context,
    }


def format_time(moment: float) -> str:
    """Format a time for VOD's responses."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
