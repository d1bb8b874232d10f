"""VOD: a task from the call to its image, its refusals and its events."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from localcloud.server import Request, Response, Server
from tests.localcloud.clients import (
    BUCKET,
    IMAGE,
    Api,
    control,
    example,
    get,
    image_bytes,
    size_of,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from qcloud_cos import CosS3Client

    from localcloud.cloud import LocalCloud


def test_a_prompt_becomes_an_image_behind_a_url(cloud: LocalCloud, api: Api, app: int) -> None:
    task = api.image_task(app, OutputConfig={"AspectRatio": "16:9"}, SessionContext="mine")

    detail = api.ended_task(app, task)

    own = detail["AigcImageTask"]
    assert (detail["TaskType"], detail["Status"]) == ("AigcImageTask", "FINISH")
    assert (own["ErrCode"], own["ErrCodeExt"], own["Progress"]) == (0, "", 100)
    assert own["SessionContext"] == "mine"
    assert detail["SceneAigcImageTask"] is None
    [file] = own["Output"]["FileInfos"]
    assert file["FileUrl"].startswith(f"http://{app}.vod2.myqcloud.com/")
    assert (file["FileType"], file["FileId"], file["StorageMode"]) == ("", "", "Temporary")
    assert size_of(get(cloud, file["FileUrl"]).content) == (512, 288)


def test_task_is_waiting_then_processing_then_finished(
    api: Api, cloud: LocalCloud, app: int
) -> None:
    cloud.clock.speed = 1
    task = api.image_task(app)

    seen = [api.vod("DescribeTaskDetail", SubAppId=app, TaskId=task)["Status"]]
    cloud.clock.speed = 20
    while seen[-1] != "FINISH":
        time.sleep(0.06)
        seen.append(api.vod("DescribeTaskDetail", SubAppId=app, TaskId=task)["Status"])

    assert list(dict.fromkeys(seen)) == ["WAITING", "PROCESSING", "FINISH"]


def test_the_input_of_a_presigned_url_shapes_the_image(
    cloud: LocalCloud, api: Api, app: int, store: CosS3Client
) -> None:
    store.put_object(BUCKET, image_bytes((60, 30)), "in/a b+%你.png")
    url = store.get_presigned_url(BUCKET, "in/a b+%你.png", "GET")

    detail = api.ended_task(app, api.image_task(app, FileInfos=[{"Type": "Url", "Url": url}]))

    own = detail["AigcImageTask"]
    assert own["ErrCode"] == 0
    assert own["Input"]["FileInfos"][0]["Url"] == url
    [file] = own["Output"]["FileInfos"]
    assert size_of(get(cloud, file["FileUrl"]).content) == (512, 256)


def test_an_input_that_cannot_be_read_fails_the_task(
    api: Api, app: int, store: CosS3Client
) -> None:
    store.put_object(BUCKET, b"no image", "in/text.txt")
    store.put_object(BUCKET, image_bytes(), "in/a.png")

    def failure(key: str, expires_s: int = 60) -> str:
        url = store.get_presigned_url(BUCKET, key, "GET", Expired=expires_s)
        task = api.image_task(app, FileInfos=[{"Type": "Url", "Url": url}])
        own = api.ended_task(app, task)["AigcImageTask"]
        assert (own["Status"], own["ErrCode"]) == ("FINISH", 60000)
        assert own["Output"]["FileInfos"] == []
        return str(own["Message"])

    assert "404" in failure("in/missing.png")
    assert "403" in failure("in/a.png", expires_s=-1)
    assert failure("in/text.txt")


def test_base64_file_ids_and_foreign_urls_are_accepted_as_inputs(api: Api, app: int) -> None:
    files = [
        {"Type": "Base64", "Base64": base64.b64encode(image_bytes()).decode()},
        {"Type": "File", "FileId": "3704211"},
        {"Type": "Url", "Url": "https://example.com/cat.png"},
    ]

    detail = api.ended_task(app, api.image_task(app, FileInfos=files))

    assert detail["AigcImageTask"]["ErrCode"] == 0


def test_a_permanent_result_has_a_file_id_that_is_an_input(api: Api, app: int) -> None:
    first = api.image_task(app, OutputConfig={"StorageMode": "Permanent"})
    [kept] = api.ended_task(app, first)["AigcImageTask"]["Output"]["FileInfos"]
    files = [{"Type": "File", "FileId": kept["FileId"]}]

    second = api.ended_task(app, api.image_task(app, FileInfos=files))

    assert kept["FileId"].isdecimal()
    assert kept["ExpireTime"] == "0000-00-00T00:00:00Z"
    assert second["AigcImageTask"]["ErrCode"] == 0


def test_a_scene_task_has_no_extended_error_code(cloud: LocalCloud, api: Api, app: int) -> None:
    params = {**example("vod_scene_image"), "SubAppId": app}
    task = api.vod("CreateSceneAigcImageTask", **params)["TaskId"]

    own = api.ended_task(app, task)["SceneAigcImageTask"]

    assert own["Status"] == "FINISH"
    assert "ErrCodeExt" not in own
    [file] = own["Output"]["FileInfos"]
    assert file["MediaName"] == "myfile"
    assert get(cloud, file["FileUrl"]).content.startswith(b"\x89PNG")


def test_several_images_can_be_requested(api: Api, app: int) -> None:
    task = api.image_task(app, OutputConfig={"OutputImageCount": 3, "OutputFormat": "jpeg"})

    files = api.ended_task(app, task)["AigcImageTask"]["Output"]["FileInfos"]

    assert len({file["FileUrl"] for file in files}) == 3
    assert all(file["FileUrl"].endswith(".jpg") for file in files)


def test_invalid_request_has_the_documented_code(cloud: LocalCloud, api: Api, app: int) -> None:
    control(cloud, "vod", {"missing_files": ["gone"]})
    codes: dict[str, dict[str, Any]] = {
        "InvalidParameterValue.SubAppId": {"SubAppId": 42},
        "InvalidParameterValue.SessionIdTooLong": {"SessionId": "s" * 51},
        "InvalidParameterValue.SessionContextTooLong": {"SessionContext": "c" * 1001},
        "InvalidParameterValue.FileId": {"FileInfos": [{"FileId": "gone"}]},
        "InvalidParameter": {"FileInfos": [{"Type": "Url"}]},
        "InvalidParameterValue": {"FileInfos": [{"Type": "Ftp", "Url": "x"}]},
    }

    for code, change in codes.items():
        params = {**IMAGE, "SubAppId": app, **change}
        assert api.refusal("vod", "CreateAigcImageTask", **params) == code
    assert control(cloud, "tasks")["tasks"] == []


def test_an_account_without_vod_is_refused(cloud: LocalCloud, api: Api) -> None:
    control(cloud, "vod", {"activated": False})

    assert api.refusal("vod", "DescribeSubAppIds") == "FailedOperation.InvalidVodUser"


def test_session_is_accepted_once_by_concurrent_calls(
    cloud: LocalCloud, api: Api, app: int
) -> None:

    def send(_: int) -> str:
        task = {**IMAGE, "SubAppId": app, "SessionId": "once"}
        return api.refusal("vod", "CreateAigcImageTask", **task)

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(send, range(8)))

    assert codes.count("") == 1
    assert codes.count("InvalidParameterValue.SessionId") == 7
    [task] = control(cloud, "tasks")["tasks"]
    assert task["session_id"] == "once"


def test_refused_request_leaves_its_session_unused(api: Api, app: int) -> None:
    wrong = {**IMAGE, "SubAppId": app, "Prompt": "", "SessionId": "again"}
    refused = api.refusal("vod", "CreateAigcImageTask", **wrong)

    task = api.image_task(app, SessionId="again")

    assert refused == "InvalidParameter"
    assert task


def test_more_tasks_at_once_than_allowed_are_accepted_and_fail_late(
    cloud: LocalCloud, api: Api, app: int
) -> None:
    tasks = [api.image_task(app, f"car {n}") for n in range(3)]

    details = [api.ended_task(app, task)["AigcImageTask"] for task in tasks]

    assert [own["ErrCode"] for own in details] == [0, 70000, 70000]
    assert [own["ErrCodeExt"] for own in details[1:]] == ["RequestLimitExceeded"] * 2
    report = control(cloud, "tasks")
    assert report["most_at_once"] == {"vod.CreateAigcImageTask": 3}
    assert [task["state"] for task in report["tasks"]] == ["FINISH"] * 3
    assert report["tasks"][1]["error"]["ext"] == "RequestLimitExceeded"


def test_ended_task_frees_its_slot_immediately(cloud: LocalCloud, api: Api, app: int) -> None:
    api.ended_task(app, api.image_task(app, "first"))
    second = api.ended_task(app, api.image_task(app, "second"))

    assert second["AigcImageTask"]["ErrCode"] == 0
    assert control(cloud, "tasks")["most_at_once"]["vod.CreateAigcImageTask"] == 1


def test_a_waiting_task_can_be_aborted_and_a_running_one_cannot(
    cloud: LocalCloud, api: Api, app: int
) -> None:
    cloud.clock.speed = 1
    abort = {"SubAppId": app, "OperationType": "Abort"}
    waiting = api.image_task(app, "waiting")
    api.vod("ManageTask", **abort, TaskId=waiting)
    cloud.clock.speed = 5
    running = api.image_task(app, "running")
    wait_for(lambda: api.vod("DescribeTasks", SubAppId=app, Status="PROCESSING")["TaskSet"])

    refused = api.refusal("vod", "ManageTask", **abort, TaskId=running)

    detail = api.vod("DescribeTaskDetail", SubAppId=app, TaskId=waiting)
    assert detail["Status"] == "ABORTED"
    assert detail["AigcImageTask"]["ErrCodeExt"] == "OperationCanceled"
    assert refused == "FailedOperation"


def test_tasks_are_found_by_time_and_page(api: Api, app: int) -> None:
    tasks = [api.image_task(app, f"car {n}", SessionId=f"s{n}") for n in range(3)]
    after = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    future = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    wanted = {"SubAppId": app, "CreateTime": {"After": after}, "Sort": {"Order": "Asc"}}

    first = api.vod("DescribeTasks", **wanted, Limit=2)
    rest = api.vod("DescribeTasks", **wanted, Limit=2, ScrollToken=first["ScrollToken"])
    none = api.vod("DescribeTasks", SubAppId=app, CreateTime={"After": future})

    assert [task["TaskId"] for task in first["TaskSet"] + rest["TaskSet"]] == tasks
    assert rest["TaskSet"][0]["SessionId"] == "s2"
    assert (rest["ScrollToken"], none["TaskSet"]) == ("", [])


def test_a_task_is_not_found_in_another_application_or_after_three_days(
    cloud: LocalCloud, api: Api, app: int
) -> None:
    other = api.vod("CreateSubAppId", Name="other")["SubAppId"]
    task = api.image_task(app)
    elsewhere = api.refusal("vod", "DescribeTaskDetail", SubAppId=other, TaskId=task)

    cloud.tasks.find("vod", task).created_at -= 3 * 86_400 + 1  # type: ignore[union-attr]
    later = api.refusal("vod", "DescribeTaskDetail", SubAppId=app, TaskId=task)

    assert (elsewhere, later) == ("InvalidParameterValue.TaskId",) * 2


def test_result_expires_after_seven_days(
    cloud: LocalCloud, api: Api, app: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file] = api.ended_task(app, api.image_task(app))["AigcImageTask"]["Output"]["FileInfos"]
    before = get(cloud, file["FileUrl"]).status_code

    week_later = time.time() + 7 * 86_400 + 1
    monkeypatch.setattr(cloud.clock, "now", lambda: week_later)

    assert (before, get(cloud, file["FileUrl"]).status_code) == (200, 404)


def test_applications_are_created_renamed_disabled_and_destroyed(api: Api) -> None:
    app = api.vod("CreateSubAppId", Name="one", Description="first")["SubAppId"]
    api.vod("ModifySubAppIdInfo", SubAppId=app, Name="two")
    [application] = api.vod("DescribeSubAppIds", Name="two")["SubAppIdInfoSet"]
    api.vod("ModifySubAppIdStatus", SubAppId=app, Status="Off")
    off = api.refusal("vod", "DescribeTasks", SubAppId=app)

    api.vod("ModifySubAppIdStatus", SubAppId=app, Status="Destroyed")

    assert (application["SubAppId"], application["Description"]) == (app, "first")
    assert off == "InvalidParameterValue.SubAppId"
    assert api.vod("DescribeSubAppIds", Name="two")["SubAppIdInfoSet"] == []


@contextmanager
def listener(statuses: list[int]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A web server that records requests; it answers with these statuses and then with 200."""
    received: list[dict[str, Any]] = []

    def answer(request: Request) -> Response:
        received.append(json.loads(request.body))
        return Response(statuses.pop(0) if statuses else 200)

    server = Server(0, answer)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}/events?key=1", received
    finally:
        server.stop()


def push_to(api: Api, app: int, url: str, **params: Any) -> None:
    api.vod("ModifyEventConfig", SubAppId=app, Mode="PUSH", NotificationUrl=url, **params)


def test_the_end_of_a_task_is_pushed_with_a_signature(api: Api, app: int) -> None:
    with listener([]) as (url, received):
        push_to(api, app, url, SignKey="abc123")
        task = api.image_task(app, SessionContext="job-1")
        [event] = wait_for(lambda: received)

    own = event["AigcImageCompleteEvent"]
    assert event["EventType"] == "AigcImageTaskComplete"
    assert (own["TaskId"], own["SessionContext"]) == (task, "job-1")
    assert own["Output"]["FileInfos"][0]["FileUrl"]
    assert event["Sign"] == hashlib.md5(f"abc123{event['T']}".encode()).hexdigest()  # noqa: S324
    assert 500 < event["T"] - time.time() <= 600
    assert "EventHandle" not in event


def test_the_end_of_a_scene_task_is_pushed_in_its_own_field(api: Api, app: int) -> None:
    with listener([]) as (url, received):
        push_to(api, app, url)
        api.vod("CreateSceneAigcImageTask", **{**example("vod_scene_image"), "SubAppId": app})
        [event] = wait_for(lambda: received)

    assert event["SceneAigcImageCompleteEvent"]["SessionId"] == "mysession"
    assert "Sign" not in event


def test_push_without_a_200_answer_is_repeated(api: Api, app: int) -> None:
    with listener([500, 404]) as (url, received):
        push_to(api, app, url)
        api.image_task(app)
        wait_for(lambda: len(received) == 3)

    assert received[0] == received[1] == received[2]


def test_push_has_faults(cloud: LocalCloud, api: Api, app: int) -> None:
    faults = ("drop", "repeat", "delay:5")
    control(cloud, "faults", [{"where": "vod.callback", "what": what} for what in faults])
    with listener([]) as (url, received):
        push_to(api, app, url)
        for prompt in ("dropped", "repeated", "delayed", "sound"):
            api.ended_task(app, api.image_task(app, prompt))
        wait_for(lambda: len(received) == 4)

    prompts = sorted(event["AigcImageCompleteEvent"]["Input"]["Prompt"] for event in received)
    assert prompts == ["delayed", "repeated", "repeated", "sound"]
    assert control(cloud, "faults") == []


def test_events_are_pulled_until_they_are_confirmed(api: Api, app: int) -> None:
    api.vod("ModifyEventConfig", SubAppId=app, Mode="PULL")
    task = api.image_task(app)
    api.ended_task(app, task)
    [first] = api.vod("PullEvents", SubAppId=app)["EventSet"]
    hidden = api.vod("PullEvents", SubAppId=app)["EventSet"]
    [again] = wait_for(lambda: api.vod("PullEvents", SubAppId=app)["EventSet"])

    api.vod("ConfirmEvents", SubAppId=app, EventHandles=[again["EventHandle"]])

    assert first["AigcImageCompleteEvent"]["TaskId"] == task
    assert (hidden, again["EventHandle"]) == ([], first["EventHandle"])
    late = api.refusal("vod", "ConfirmEvents", SubAppId=app, EventHandles=[first["EventHandle"]])
    assert late == "InvalidParameter"


def test_event_configuration_is_returned_without_its_key(api: Api, app: int) -> None:
    push_to(api, app, "http://127.0.0.1:1/x", SignKey="secret1")
    api.vod("ModifyEventConfig", SubAppId=app, UploadMediaCompleteEventSwitch="ON")

    config = api.vod("DescribeEventConfig", SubAppId=app)

    assert (config["Mode"], config["NotificationUrl"]) == ("PUSH", "http://127.0.0.1:1/x")
    assert config["UploadMediaCompleteEventSwitch"] == "ON"
    assert "secret1" not in json.dumps(config)
    wrong = api.refusal("vod", "ModifyEventConfig", SubAppId=app, SignKey="not-alphanumeric")
    assert wrong == "InvalidParameterValue"
