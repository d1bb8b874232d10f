"""VOD, limited to images: applications, AIGC image tasks and their events."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud import vod_responses
from localcloud.core import ApiError
from localcloud.drawing import ImageSpec, NotAnImageError, draw, placeholder
from localcloud.marks import with_mark
from localcloud.tasks import DAY_S, SOURCE_FAILED, Failure, Task, TaskFailedError
from localcloud.vod_responses import TASK_TYPES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from localcloud.applications import Applications
    from localcloud.core import Caller, Clock
    from localcloud.notifications import Notifications
    from localcloud.results import Results
    from localcloud.tasks import Tasks

QUERY_S = 3 * DAY_S  # how long a task can be queried
RESULT_S = 7 * DAY_S  # how long a temporary image exists
MAX_SESSION_ID = 50
MAX_SESSION_CONTEXT = 1000
MAX_TASKS_LISTED = 100

# EventType and the event's field. The documents name no other EventType for scene tasks.
_EVENTS = {
    "CreateAigcImageTask": ("AigcImageTaskComplete", "AigcImageCompleteEvent"),
    "CreateSceneAigcImageTask": ("SceneAigcImageCompleteEvent", "SceneAigcImageCompleteEvent"),
}
# Fields with a documented list of values. Model names change too often to be checked.
_VALUES = {
    "EnhancePrompt": ("Enabled", "Disabled"),
    "InputRegion": ("Mainland", "Oversea", "OverseaUSWest"),
    "OutputConfig.StorageMode": ("Temporary", "Permanent"),
    "OutputConfig.PersonGeneration": ("AllowAdult", "Disallowed"),
    "OutputConfig.InputComplianceCheck": ("Enabled", "Disabled"),
    "OutputConfig.OutputComplianceCheck": ("Enabled", "Disabled"),
    "OutputConfig.LogoAdd": ("Enabled", "Disabled"),
    "SceneInfo.Type": (
        "ai_try_on",
        "product_image",
        "outpainting",
        "change_clothes",
        "change_clothes_under",
        "change_clothes_top_wear",
        "change_clothes_bottom_wear",
        "change_clothes_full_wear",
    ),
}
_SCENE_CONFIGS = {"ai_try_on": "AiTryOnConfig", "product_image": "ProductImageConfig"}


class Vod:
    """VOD 2018-07-17. Tests can change `activated` and `missing_files`."""

    name = "vod"
    version = VERSION

    def __init__(  # noqa: PLR0913  its collaborators
        self,
        *,
        clock: Clock,
        applications: Applications,
        tasks: Tasks,
        notifications: Notifications,
        results: Results,
        fetch: Callable[[str], bytes],
    ) -> None:
        self.activated = True
        """Whether VOD is activated for the account; if not, each call is refused."""
        self.missing_files: set[str] = set()
        """FileIds that do not exist; all other FileIds exist."""
        self._clock = clock
        self._sub_app_id = applications.sub_app_id_of
        self._tasks = tasks
        self._notifications = notifications
        self._results = results
        self._fetch = fetch
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateAigcImageTask": self._create_image_task,
            "CreateSceneAigcImageTask": self._create_scene_image_task,
            "DescribeTaskDetail": self._describe_task,
            "DescribeTasks": self._describe_tasks,
            "ManageTask": self._manage_task,
            "ModifyEventConfig": self._modify_event_config,
            "DescribeEventConfig": self._describe_event_config,
            "PullEvents": self._pull_events,
            "ConfirmEvents": self._confirm_events,
            "CreateSubAppId": applications.create,
            "DescribeSubAppIds": applications.describe,
            "ModifySubAppIdInfo": applications.modify,
            "ModifySubAppIdStatus": applications.modify_status,
        }
        tasks.register(self.name, self)

    def call(self, action: str, params: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Carry out an action.

        Raises:
            ApiError: VOD refuses.
        """
        del caller  # all callers have the same tasks
        if not self.activated:
            raise ApiError("FailedOperation.InvalidVodUser", "The VOD service is not activated.")
        if action not in self._actions:
            raise ApiError("UnsupportedOperation", f"The local cloud has no vod.{action}.")
        return self._actions[action](params)

    # Tasks

    def _create_image_task(self, params: dict[str, Any]) -> dict[str, Any]:
        if not params.get("Prompt") and not params.get("FileInfos"):
            raise ApiError("InvalidParameter", "Prompt is required when FileInfos is empty.")
        return self._create_task("CreateAigcImageTask", params, params.get("Prompt") or "")

    def _create_scene_image_task(self, params: dict[str, Any]) -> dict[str, Any]:
        scene = params["SceneInfo"]
        config = _SCENE_CONFIGS.get(scene["Type"])
        if config is not None and scene.get(config) is None:
            raise ApiError("InvalidParameter", f"SceneInfo.{config} is required.")
        if not params.get("FileInfos"):
            raise ApiError("InvalidParameter", "FileInfos is required.")
        configs = _scene_configs(scene)
        prompts = [str(config["Prompt"]) for config in configs if config.get("Prompt")]
        prompt = prompts[0] if prompts else scene["Type"]
        return self._create_task("CreateSceneAigcImageTask", params, prompt)

    def _create_task(self, action: str, params: dict[str, Any], prompt: str) -> dict[str, Any]:
        sub_app_id = self._sub_app_id(params)
        self._check_task(params)
        task = Task(
            service=self.name,
            action=action,
            task_id=f"{sub_app_id}-{TASK_TYPES[action]}-{uuid.uuid4().hex}t",
            params=params,
            prompt=prompt,
            sub_app_id=sub_app_id,
            session_id=params.get("SessionId") or "",
            session_context=params.get("SessionContext") or "",
        )
        self._tasks.accept(task)
        return {"TaskId": task.task_id}

    def _check_task(self, params: dict[str, Any]) -> None:
        if len(params.get("SessionId") or "") > MAX_SESSION_ID:
            raise ApiError("InvalidParameterValue.SessionIdTooLong", "SessionId is too long.")
        if len(params.get("SessionContext") or "") > MAX_SESSION_CONTEXT:
            raise ApiError(
                "InvalidParameterValue.SessionContextTooLong", "SessionContext is too long."
            )
        _check_values(params)
        for file in _files(params):
            self._check_file(file)

    def _check_file(self, file: dict[str, Any]) -> None:
        field = _content_field(file)
        if not file.get(field):
            raise ApiError("InvalidParameter", f"FileInfos: a {field} is required.")
        if field == "FileId" and file["FileId"] in self.missing_files:
            raise ApiError("InvalidParameterValue.FileId", "The FileId does not exist.")

    def produce(self, task: Task) -> list[dict[str, Any]]:
        """Draw a task's images and store them on VOD's host."""
        inputs = [self._input(file) for file in _files(task.params)]
        output = task.params.get("OutputConfig") or {}
        try:
            images = [
                draw(_spec(task, inputs, number)) for number in range(_image_count(task.params))
            ]
        except NotAnImageError as error:
            message = f"source file error: {error}"
            failure = Failure(SOURCE_FAILED, "InvalidParameter.MediaFormat", message)
            raise TaskFailedError(failure) from error
        return [self._store(task, output, with_mark(content, task.mark)) for content in images]

    def _store(self, task: Task, output: dict[str, Any], content: bytes) -> dict[str, Any]:
        is_permanent = output.get("StorageMode") == "Permanent"
        file_id = f"{secrets.randbelow(10**18):018d}" if is_permanent else ""
        suffix = "jpg" if content.startswith(b"\xff\xd8") else "png"
        folder = f"{uuid.uuid4().hex[:8]}vodcq{task.sub_app_id}/{secrets.randbelow(10**23):023d}"
        location = f"{task.sub_app_id}.vod2.myqcloud.com/{folder}"
        expires_at = None if is_permanent else self._clock.now() + RESULT_S
        url = self._results.add(
            f"{location}/aigcImageGenFile.{suffix}", content, expires_at=expires_at, file_id=file_id
        )
        return {"url": url, "expires_at": expires_at, "file_id": file_id}

    def _input(self, file: dict[str, Any]) -> bytes:
        field = _content_field(file)
        if field == "Url":
            return self._fetch(file["Url"])
        if field == "FileId":
            return self._results.by_file_id(file["FileId"]) or placeholder(file["FileId"])
        try:
            return base64.b64decode(file["Base64"], validate=True)
        except binascii.Error as error:
            failure = Failure(SOURCE_FAILED, "InvalidParameter.MediaFormat", "Base64 is invalid")
            raise TaskFailedError(failure) from error

    def notify_end(self, task: Task) -> None:
        """Send the completion event to the application."""
        event_type, field = _EVENTS[task.action]
        content = {"EventType": event_type, field: vod_responses.task_fields(task)}
        self._notifications.notify(task.sub_app_id, content)

    def _find(self, params: dict[str, Any]) -> Task:
        sub_app_id = self._sub_app_id(params)
        task = self._tasks.find(self.name, params["TaskId"])
        if task is None or task.sub_app_id != sub_app_id or self._is_past_query_period(task):
            raise ApiError("InvalidParameterValue.TaskId", "The task does not exist.")
        return task

    def _is_past_query_period(self, task: Task) -> bool:
        return self._clock.now() - task.created_at > QUERY_S

    def _describe_task(self, params: dict[str, Any]) -> dict[str, Any]:
        return vod_responses.detail_response(self._find(params))

    def _describe_tasks(self, params: dict[str, Any]) -> dict[str, Any]:
        sub_app_id = self._sub_app_id(params)
        limit = params.get("Limit") or 10
        if not 1 <= limit <= MAX_TASKS_LISTED:
            raise ApiError(
                "InvalidParameterValue.Limit",
                f"Limit is {limit}; allowed: 1 to {MAX_TASKS_LISTED}.",
            )
        tasks = [
            task
            for task in self._tasks.of(self.name)
            if task.sub_app_id == sub_app_id
            and not self._is_past_query_period(task)
            and _matches_filters(task, params)
        ]
        sort = params.get("Sort") or {}
        sort_field = "finished_at" if sort.get("Field") == "FinishTime" else "created_at"
        tasks.sort(
            key=lambda task: getattr(task, sort_field) or 0, reverse=sort.get("Order") != "Asc"
        )
        start = _parse_scroll_token(params.get("ScrollToken") or "0")
        next_token = str(start + limit) if len(tasks) > start + limit else ""
        return {
            "TaskSet": [vod_responses.summary(task) for task in tasks[start : start + limit]],
            "ScrollToken": next_token,
        }

    def _manage_task(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["OperationType"] != "Abort":
            raise ApiError(
                "InvalidParameterValue",
                f"OperationType is {params['OperationType']}; allowed: Abort.",
            )
        if not self._tasks.abort(self._find(params)):
            raise ApiError("FailedOperation", "Only a task that is WAITING can be aborted.")
        return {}

    # Events

    def _modify_event_config(self, params: dict[str, Any]) -> dict[str, Any]:
        self._notifications.configure(self._sub_app_id(params), params)
        return {}

    def _describe_event_config(self, params: dict[str, Any]) -> dict[str, Any]:
        return dict(self._notifications.describe(self._sub_app_id(params)))

    def _pull_events(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"EventSet": self._notifications.pull(self._sub_app_id(params))}

    def _confirm_events(self, params: dict[str, Any]) -> dict[str, Any]:
        self._notifications.confirm(self._sub_app_id(params), params["EventHandles"])
        return {}


def _files(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a task's input files: the files of the task, then the files of its scene."""
    scene = params.get("SceneInfo") or {}
    configs = _scene_configs(scene)
    clothes = [file for config in configs for file in config.get("ClothesFileInfos") or []]
    return [*(params.get("FileInfos") or []), *clothes]


def _scene_configs(scene: dict[str, Any]) -> list[dict[str, Any]]:
    return [value for value in scene.values() if isinstance(value, dict)]


def _content_field(file: dict[str, Any]) -> str:
    """Return the name of the field with the content; the official example omits Type."""
    type_ = file.get("Type")
    if type_ not in {None, "", "File", "Url", "Base64"}:
        raise ApiError(
            "InvalidParameterValue", f"FileInfos.Type is {type_!r}; allowed: File, Url, Base64."
        )
    if not type_:
        return next((name for name in ("FileId", "Url", "Base64") if file.get(name)), "FileId")
    return "FileId" if type_ == "File" else str(type_)


def _check_values(params: dict[str, Any]) -> None:
    for path, allowed in _VALUES.items():
        value = _value_at(params, path)
        if value and value not in allowed:
            raise ApiError(
                "InvalidParameterValue", f"{path} is {value!r}; allowed: {', '.join(allowed)}."
            )
    priority = int(params.get("TasksPriority") or 0)
    if not -10 <= priority <= 10:  # noqa: PLR2004  documented
        raise ApiError("InvalidParameterValue", f"TasksPriority is {priority}; allowed: -10 to 10.")


def _value_at(params: dict[str, Any], path: str) -> Any:  # noqa: ANN401  JSON
    value: Any = params
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def _spec(task: Task, inputs: list[bytes], number: int) -> ImageSpec:
    output = task.params.get("OutputConfig") or {}
    encode = output.get("EncodeConfig") or {}
    scene = (task.params.get("SceneInfo") or {}).get("Type", "")
    model = f"{task.params.get('ModelName', scene)} {task.params.get('ModelVersion', '')}"
    return ImageSpec(
        prompt=task.prompt,
        model=model.strip(),
        seed=f"{task.params.get('Seed', '')}/{number}",
        inputs=inputs,
        aspect_ratio=output.get("AspectRatio") or "",
        resolution=output.get("Resolution") or "",
        format=output.get("OutputFormat") or encode.get("Format") or "png",
        logo=output.get("LogoAdd") == "Enabled",
    )


def _image_count(params: dict[str, Any]) -> int:
    scene = params.get("SceneInfo") or {}
    product = scene.get("ProductImageConfig") or {}
    output = params.get("OutputConfig") or {}
    return max(1, min(product.get("OutputImageCount") or output.get("OutputImageCount") or 1, 10))


def _matches_filters(task: Task, params: dict[str, Any]) -> bool:
    if params.get("Status") not in {None, "", task.state}:
        return False
    return _is_in_range(task.created_at, params.get("CreateTime")) and _is_in_range(
        task.finished_at, params.get("FinishTime")
    )


def _is_in_range(time: float | None, time_range: dict[str, str] | None) -> bool:
    if not time_range:
        return True
    after, before = _parse_time(time_range.get("After")), _parse_time(time_range.get("Before"))
    if time is None:
        return False
    return (after is None or int(time) >= after) and (before is None or int(time) <= before)


def _parse_time(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(re.sub("Z$", "+00:00", text)).timestamp()
    except ValueError:
        raise ApiError("InvalidParameterValue", f"{text!r} is not an ISO 8601 time.") from None


def _parse_scroll_token(token: str) -> int:
    if not token.isdecimal():
        raise ApiError("InvalidParameterValue.ScrollToken", "The ScrollToken is invalid.")
    return int(token)
