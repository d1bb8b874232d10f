"""A gateway written as the SDKs' documentation shows, as a baseline for ours.

It creates each typed client once, at its first use, and stores a job's record in one object. It
has no lanes and no leases, does not handle lost replies, and does not authenticate callers.
"""

# ruff: noqa: INP001  the root of its own zip

from __future__ import annotations

import functools
import json
import os
import uuid
from typing import Any

from pydantic import BaseModel
from qcloud_cos import CosConfig, CosS3Client
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.mps.v20190612 import models as mps
from tencentcloud.mps.v20190612.mps_client import MpsClient
from tencentcloud.vod.v20180717 import models as vod
from tencentcloud.vod.v20180717.vod_client import VodClient

REGION = os.environ["AIGC_REGION"]
BUCKET = os.environ["AIGC_LEDGER_BUCKET"]
PROTOCOL = os.environ["AIGC_PROTOCOL"]
SUB_APP_ID = int(os.environ["AIGC_SUB_APP_ID"])


class SubmitBody(BaseModel):
    """The body of a submit."""

    model_name: str
    model_version: str
    prompt: str


def main_handler(event: dict[str, Any], _context: dict[str, Any]) -> dict[str, Any]:
    """Answer one HTTP request."""
    path = event["path"]
    if path == "/health":
        return _response(200, {"status": "ok"})
    if path.endswith("/status"):
        return _response(200, _status(path.split("/")[-2]))
    return _response(
        200, _submit(path.split("/")[1], SubmitBody.model_validate_json(event["body"]))
    )


def _submit(service: str, body: SubmitBody) -> dict[str, str]:
    is_vod = service == "tencent-vod"
    task_id = _submit_to_vod(body) if is_vod else _submit_to_mps(body)
    job = {"request_id": uuid.uuid4().hex, "service": service, "task_id": task_id}
    _cos().put_object(Bucket=BUCKET, Key=f"jobs/{job['request_id']}.json", Body=json.dumps(job))
    return job


def _submit_to_vod(body: SubmitBody) -> str:
    request = vod.CreateAigcImageTaskRequest()
    request.SubAppId = SUB_APP_ID
    request.ModelName = body.model_name
    request.ModelVersion = body.model_version
    request.Prompt = body.prompt
    task_id: str = _vod().CreateAigcImageTask(request).TaskId
    return task_id


def _submit_to_mps(body: SubmitBody) -> str:
    request = mps.CreateAigcImageTaskRequest()
    request.ModelName = body.model_name
    request.ModelVersion = body.model_version
    request.Prompt = body.prompt
    task_id: str = _mps().CreateAigcImageTask(request).TaskId
    return task_id


def _status(request_id: str) -> dict[str, str]:
    stored = _cos().get_object(Bucket=BUCKET, Key=f"jobs/{request_id}.json")
    job = json.loads(stored["Body"].get_raw_stream().read())
    is_vod = job["service"] == "tencent-vod"
    status = _status_in_vod(job["task_id"]) if is_vod else _status_in_mps(job["task_id"])
    return {"request_id": request_id, "status": status}


def _status_in_vod(task_id: str) -> str:
    request = vod.DescribeTaskDetailRequest()
    request.SubAppId = SUB_APP_ID
    request.TaskId = task_id
    status: str = _vod().DescribeTaskDetail(request).Status
    return status


def _status_in_mps(task_id: str) -> str:
    request = mps.DescribeAigcImageTaskRequest()
    request.TaskId = task_id
    status: str = _mps().DescribeAigcImageTask(request).Status
    return status


@functools.cache
def _vod() -> VodClient:
    return VodClient(_credential(), REGION, _profile("vod"))


@functools.cache
def _mps() -> MpsClient:
    return MpsClient(_credential(), REGION, _profile("mps"))


@functools.cache
def _cos() -> CosS3Client:
    secret = _credential()
    config = CosConfig(
        Region=REGION,
        SecretId=secret.secret_id,
        SecretKey=secret.secret_key,
        Token=secret.token,
        Scheme=PROTOCOL,
        EnableOldDomain=True,
    )
    return CosS3Client(config)


def _credential() -> credential.Credential:
    return credential.Credential(
        os.environ["TENCENTCLOUD_SECRETID"],
        os.environ["TENCENTCLOUD_SECRETKEY"],
        os.environ["TENCENTCLOUD_SESSIONTOKEN"],
    )


def _profile(service: str) -> ClientProfile:
    http = HttpProfile(protocol=PROTOCOL, endpoint=f"{service}.tencentcloudapi.com")
    return ClientProfile(httpProfile=http)


def _response(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"isBase64Encoded": False, "statusCode": status, "headers": {}, "body": json.dumps(body)}
