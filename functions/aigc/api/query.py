"""A request in the form of the vendor's query, answered from the ledger.

Clients of the vendor's API poll these paths and read a body in the form of Tencent Cloud; the task
id is the id of the request. The vendor forgets a task (VOD after three days, MPS after seven), the
ledger does not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aigc.api.inputs import without_secrets
from aigc.api.progress import RESULT_URL_S, requested_job
from aigc.triggers.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from aigc.api.call import Call
    from aigc.api.openapi import schemas
    from aigc.api.openapi.schemas import MpsStatus, VodStatus
    from aigc.jobs.job import ErrorType, Job, State, StoredImage

_VOD_STATUS: Mapping[State, VodStatus] = {
    "queued": "WAITING",
    "submitting": "PROCESSING",
    "running": "PROCESSING",
    "storing": "PROCESSING",
    "succeeded": "FINISH",
    "failed": "FINISH",
    "cancelled": "ABORTED",
}
_MPS_STATUS: Mapping[State, MpsStatus] = {
    "queued": "WAIT",
    "submitting": "RUN",
    "running": "RUN",
    "storing": "RUN",
    "succeeded": "DONE",
    "failed": "FAIL",
    "cancelled": "FAIL",
}
_ERR_CODE: dict[ErrorType, int] = {"refused": 40000}
_TASK_FAILED = 70000
_ERR_CODE_EXT: dict[ErrorType, str] = {
    "moderated": "ContentModerationFailed",
    "throttled": "RequestLimitExceeded",
    "not_started": "OperationCanceled",
}
_NEVER = "0000-00-00T00:00:00Z"  # how the vendor writes an absent time


def query(call: Call) -> HttpResponse:
    """Answer as DescribeTaskDetail of VOD, or DescribeAigcImageTask of MPS."""
    job = requested_job(call)
    body = _mps_query(job, call) if job.kind == "mps.image" else _vod_query(job, call)
    return HttpResponse(status=200, body=body)


def _vod_query(job: Job, call: Call) -> schemas.VodQuery:
    task = _vod_task(job, call)
    is_scene = job.kind == "vod.scene_image"
    detail: schemas.VodTaskDetail = {
        "TaskType": "SceneAigcImageTask" if is_scene else "AigcImageTask",
        "Status": _VOD_STATUS[job.state],
        "CreateTime": _time(job.created_at),
        "BeginProcessTime": _time(job.attempt.submitted_at),
        "FinishTime": _time(job.updated_at if job.has_ended else None),
        "AigcImageTask": None if is_scene else task,
        "SceneAigcImageTask": task if is_scene else None,
        "RequestId": call.request.request_id,
    }
    return {"Response": detail}


def _vod_task(job: Job, call: Call) -> schemas.VodTask:
    images = [_file_info(image, call) for image in job.images]
    return {
        "TaskId": job.id,
        "Status": "FINISH" if job.has_ended else "PROCESSING",
        "ErrCode": _ERR_CODE.get(job.error.type, _TASK_FAILED) if job.error else 0,
        "ErrCodeExt": _err_code_ext(job),
        "Message": job.error.message if job.error else "",
        "Progress": 100 if job.has_ended else 0,
        "Input": _pascal(without_secrets(job.task)),
        "Output": {"FileInfos": images} if images else None,
        "SessionId": job.task.get("session_id") or "",
        "SessionContext": job.task.get("session_context") or "",
    }


def _err_code_ext(job: Job) -> str:
    if job.error is None:
        return "OperationCanceled" if job.state == "cancelled" else ""
    return job.error.code or _ERR_CODE_EXT.get(job.error.type, "InternalError")


def _file_info(image: StoredImage, call: Call) -> schemas.FileInfo:
    return {
        "StorageMode": "Temporary",
        "MediaName": image.key.rpartition("/")[2],
        "ClassId": 0,
        "ExpireTime": _time(call.runtime.now() + timedelta(seconds=RESULT_URL_S)),
        "FileType": image.key.rpartition(".")[2],
        "FileUrl": call.runtime.buckets.results.presigned_url(image.key, RESULT_URL_S),
        "FileId": "",
        "MetaData": {"Size": image.size, "Width": image.width, "Height": image.height},
    }


def _mps_query(job: Job, call: Call) -> schemas.MpsQuery:
    results = call.runtime.buckets.results
    task: schemas.MpsTask = {
        "Status": _MPS_STATUS[job.state],
        "Message": job.error.message if job.error else "ok",
        "ImageUrls": [results.presigned_url(image.key, RESULT_URL_S) for image in job.images],
        "RequestId": call.request.request_id,
    }
    return {"Response": task}


def _time(moment: datetime | None) -> str:
    return _NEVER if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _pascal(value: Any) -> Any:  # noqa: ANN401  JSON
    """Spell parameter names in PascalCase, as the vendor does."""
    if isinstance(value, dict):
        return {
            "".join(part.capitalize() for part in name.split("_")): _pascal(inner)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_pascal(inner) for inner in value]
    return value
