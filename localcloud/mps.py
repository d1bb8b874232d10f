"""MPS, limited to AIGC image tasks, which can write their images to the caller's bucket."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from localcloud.core import ApiError
from localcloud.cos.calls import object_url
from localcloud.cos.errors import CosError
from localcloud.drawing import ImageSpec, NotAnImageError, draw
from localcloud.marks import with_mark
from localcloud.tasks import (
    ABORTED,
    DAY_S,
    FINISH,
    PROCESSING,
    SOURCE_FAILED,
    TASK_FAILED,
    WAITING,
    Failure,
    Task,
    TaskFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.core import Account, Caller, Clock
    from localcloud.cos.service import Cos
    from localcloud.results import Results
    from localcloud.tasks import Tasks

VERSION = "2019-06-12"
QUERY_S = 7 * DAY_S  # how long a task can be queried
RESULT_S = DAY_S / 2  # how long an image in MPS's own bucket exists
SERVICE = "mps.cloud.tencent.com"
ROLE = "MPS_QcsRole"

_STATUSES = {WAITING: "WAIT", PROCESSING: "RUN", FINISH: "DONE", ABORTED: "FAIL"}


class Mps:
    """MPS 2019-06-12. It checks its role when a task is created: that error is documented."""

    name = "mps"
    version = VERSION

    def __init__(  # noqa: PLR0913  its collaborators
        self,
        *,
        account: Account,
        clock: Clock,
        tasks: Tasks,
        cos: Cos,
        results: Results,
        fetch: Callable[[str], bytes],
        role_trusts: Callable[[str, str], bool],
    ) -> None:
        self._account = account
        self._clock = clock
        self._tasks = tasks
        self._cos = cos
        self._results = results
        self._fetch = fetch
        self._role_trusts = role_trusts
        tasks.register(self.name, self)

    def call(self, action: str, params: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Carry out an action.

        Raises:
            ApiError: MPS refuses.
        """
        del caller  # all callers have the same tasks
        if action == "CreateAigcImageTask":
            return self._create_task(params)
        if action == "DescribeAigcImageTask":
            return self._describe_task(params)
        raise ApiError("UnsupportedOperation", f"The local cloud has no mps.{action}.")

    def _create_task(self, params: dict[str, Any]) -> dict[str, Any]:
        images = params.get("ImageInfos") or []
        if not params.get("Prompt") and not images:
            raise ApiError("InvalidParameter", "Prompt is required when ImageInfos is empty.")
        if any(not image.get("ImageUrl") for image in images):
            raise ApiError("InvalidParameter", "ImageInfos: ImageUrl is required.")
        if params.get("StoreCosParam") is not None:
            self._check_store(params["StoreCosParam"])
        task = Task(
            service=self.name,
            action="CreateAigcImageTask",
            task_id=f"4-AigcImage-{uuid.uuid4().hex}",
            params=params,
            prompt=params.get("Prompt") or "",
        )
        self._tasks.accept(task)
        return {"TaskId": task.task_id}

    def _check_store(self, store: dict[str, Any]) -> None:
        for name in ("CosBucketName", "CosBucketRegion"):
            if not store.get(name):
                raise ApiError("InvalidParameter", f"StoreCosParam.{name} is required.")
        if not self._role_trusts(ROLE, SERVICE):
            raise ApiError(
                "FailedOperation.CosStatusInavlid",
                f"MPS may not write to COS: the account has no role {ROLE} that trusts it.",
            )
        try:
            bucket = self._cos.bucket(store["CosBucketName"])
        except CosError as error:
            raise ApiError("ResourceNotFound.CosBucketNotExist", error.message) from error
        if bucket.region != store["CosBucketRegion"]:
            raise ApiError(
                "ResourceNotFound.CosBucketNotExist", f"The bucket is in {bucket.region}."
            )

    def _describe_task(self, params: dict[str, Any]) -> dict[str, Any]:
        task = self._tasks.find(self.name, params["TaskId"])
        if task is None or self._clock.now() - task.created_at > QUERY_S:
            raise ApiError("ResourceNotFound.TaskNotFound", "The task does not exist.")
        if task.error is not None:
            return {"Status": "FAIL", "Message": task.error.message, "ImageUrls": []}
        urls = [result["url"] for result in task.results]
        message = "ok" if task.state == FINISH else ""
        return {"Status": _STATUSES[task.state], "Message": message, "ImageUrls": urls}

    def produce(self, task: Task) -> list[dict[str, Any]]:
        """Draw a task's image and store it in the caller's bucket, or in MPS's bucket."""
        try:
            content = with_mark(draw(self._spec(task)), task.mark)
        except NotAnImageError as error:
            failure = Failure(SOURCE_FAILED, "InvalidParameter", f"source file error: {error}")
            raise TaskFailedError(failure) from error
        name = f"4_{task.task_id.rpartition('-')[2]}.{_suffix(content)}"
        store = task.params.get("StoreCosParam")
        url = (
            self._store_in_mps_bucket(name, content)
            if store is None
            else self._store(store, name, content)
        )
        return [{"url": url}]

    def notify_end(self, task: Task) -> None:
        """Do nothing: MPS sends no events."""

    def _spec(self, task: Task) -> ImageSpec:
        params = task.params
        extra = params.get("ExtraParameters") or {}
        model = f"{params.get('ModelName') or 'MPS'} {params.get('ModelVersion') or ''}"
        return ImageSpec(
            prompt=task.prompt,
            model=model.strip(),
            seed="",
            inputs=[self._fetch(image["ImageUrl"]) for image in params.get("ImageInfos") or []],
            aspect_ratio=extra.get("AspectRatio") or "",
            resolution=extra.get("Resolution") or "",
            format=extra.get("OutputFormat") or "png",
            logo=extra.get("LogoAdd") == 1,
        )

    def _store_in_mps_bucket(self, name: str, content: bytes) -> str:
        region = self._account.region
        host = f"test-aigc-image-{self._account.app_id}.cos.{region}.myqcloud.com"
        expires_at = self._clock.now() + RESULT_S
        return self._results.add(f"{host}/{name}", content, expires_at=expires_at)

    def _store(self, store: dict[str, Any], name: str, content: bytes) -> str:
        folder = (store.get("CosBucketPath") or "").strip("/")
        key = f"{folder}/{name}" if folder else name
        content_type = "image/jpeg" if _suffix(content) == "jpg" else "image/png"
        try:
            bucket = self._cos.bucket(store["CosBucketName"])
            return object_url(bucket, self._cos.write(bucket.name, key, content, content_type))
        except CosError as error:
            failure = Failure(TASK_FAILED, "FailedOperation", f"cannot write to COS: {error}")
            raise TaskFailedError(failure) from error


def _suffix(content: bytes) -> str:
    return "jpg" if content.startswith(b"\xff\xd8") else "png"
