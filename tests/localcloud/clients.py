"""The official SDKs, unmodified, pointed at a local cloud."""

from __future__ import annotations

import importlib
import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import requests
from PIL import Image
from qcloud_cos import CosConfig, CosS3Client, CosServiceError
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.cloud import LocalCloud
    from localcloud.core import Key

REGION = "ap-guangzhou"
BUCKET = "images-1250000000"
HOST = f"{BUCKET}.cos.{REGION}.myqcloud.com"
IMAGE = {"ModelName": "GG", "ModelVersion": "3.0", "Prompt": "a red car"}
"""The smallest task of CreateAigcImageTask, without the application."""
VERSIONS = {
    "apigateway": "2018-08-08",
    "cam": "2019-01-16",
    "cls": "2020-10-16",
    "monitor": "2018-07-24",
    "mps": "2019-06-12",
    "scf": "2018-04-16",
    "tag": "2018-08-13",
    "vod": "2018-07-17",
}


def profile(cloud: LocalCloud) -> ClientProfile:
    return ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=authority(cloud)))


def credential(key: Key) -> Credential:
    return Credential(key.secret_id, key.secret_key, key.token)


def authority(cloud: LocalCloud) -> str:
    return cloud.url.removeprefix("http://")


class Api:
    """Untyped calls of API 3.0, so that invalid calls reach the cloud."""

    def __init__(self, cloud: LocalCloud, key: Key | None = None) -> None:
        self._cloud = cloud
        self._key = key or cloud.keys.owner

    def call(self, service: str, action: str, **params: Any) -> dict[str, Any]:
        client = CommonClient(
            service, VERSIONS[service], credential(self._key), "", profile(self._cloud)
        )
        answer: dict[str, Any] = client.call_json(action, params)["Response"]
        return answer

    def vod(self, action: str, **params: Any) -> dict[str, Any]:
        return self.call("vod", action, **params)

    def mps(self, action: str, **params: Any) -> dict[str, Any]:
        return self.call("mps", action, **params)

    def refusal(self, service: str, action: str, **params: Any) -> str:
        """Return the code with which a call is refused; empty if it succeeds."""
        try:
            self.call(service, action, **params)
        except TencentCloudSDKException as error:
            return str(error.code)
        return ""

    def image_task(self, app: int, prompt: str = "a red car", **params: Any) -> str:
        task = {**IMAGE, "SubAppId": app, "Prompt": prompt, **params}
        return str(self.vod("CreateAigcImageTask", **task)["TaskId"])

    def ended_task(self, app: int, task_id: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            detail = self.vod("DescribeTaskDetail", SubAppId=app, TaskId=task_id)
            return detail if detail["Status"] in {"FINISH", "ABORTED"} else None

        return wait_for(ended)

    def ended_mps_task(self, task_id: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            answer = self.mps("DescribeAigcImageTask", TaskId=task_id)
            return answer if answer["Status"] in {"DONE", "FAIL"} else None

        return wait_for(ended)


def as_the_sdk_reads_it(service: str, action: str, answer: dict[str, Any]) -> Any:
    """Parse an answer with the SDK's own model, which warns of every unknown field."""
    version = VERSIONS[service].replace("-", "")
    models = importlib.import_module(f"tencentcloud.{service}.v{version}.models")
    read = getattr(models, f"{action}Response")()
    read._deserialize(answer)  # noqa: SLF001  nothing public reads a dict
    return read


def cos_refusal(call: Callable[..., object], *args: Any, **kwargs: Any) -> tuple[int, str]:
    """Make a call of COS that is refused; return its status and code."""
    with pytest.raises(CosServiceError) as refused:
        call(*args, **kwargs)
    return refused.value.get_status_code(), refused.value.get_error_code()


def content_of(store: CosS3Client, key: str) -> bytes:
    """Read an object."""
    body: bytes = store.get_object(BUCKET, key)["Body"].get_raw_stream().read()
    return body


def cos(cloud: LocalCloud, key: Key | None = None, **config: Any) -> CosS3Client:
    key = key or cloud.keys.owner
    credentials = {
        "SecretId": key.secret_id,
        "SecretKey": key.secret_key,
        "Token": key.token or None,
    }
    settings = {"Proxies": {"http": cloud.url}, "Region": REGION, "Scheme": "http", **config}
    return CosS3Client(CosConfig(**credentials, **settings), retry=0)


def get(cloud: LocalCloud, url: str, **options: Any) -> requests.Response:
    """Fetch a URL of the cloud's real host names."""
    return requests.get(url, proxies={"http": cloud.url}, timeout=10, **options)


def control(cloud: LocalCloud, path: str, content: object = None) -> Any:
    url = f"{cloud.url}/_localcloud/{path}"
    if content is None:
        return requests.get(url, timeout=10).json()
    return requests.put(url, json=content, timeout=10).json()


def example(name: str) -> dict[str, Any]:
    """Return the request of an example in the official documents."""
    text = (Path(__file__).parent / "examples" / f"{name}.json").read_text()
    content: dict[str, Any] = json.loads(text)
    return content


def image_bytes(size: tuple[int, int] = (64, 48), colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        return width, height


def wait_for(question: Callable[[], T | None], seconds: float = 60) -> T:
    """Repeat a query until its result is true, fewer than 20 times a second, as the API demands."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.06)
    raise TimeoutError(f"no answer within {seconds} s")
