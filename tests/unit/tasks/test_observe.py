"""The vendor's answers about a task become one vocabulary for the three kinds."""

from __future__ import annotations

from typing import Any

import pytest

from aigc.tasks.kinds import KINDS

Body = dict[str, Any]

TASK_ID = "1500044236-AigcImageTask-1602bdb6293ad48ff216744f3ee60232t"
IMAGE = "http://251000800.vod2.myqcloud.com/1a168d62vodcq251000800/aigcImageGenFile.png"
DETAILS = {"vod.image": "AigcImageTask", "vod.scene_image": "SceneAigcImageTask"}
VOD = pytest.mark.parametrize("kind", DETAILS)


def detail(kind: str, status: str = "FINISH", **task: object) -> Body:
    """Answer as DescribeTaskDetail does: with every other kind's key, null."""
    others = dict.fromkeys(["AigcVideoTask", "ProcedureTask", *DETAILS.values()])
    image = {"StorageMode": "Temporary", "FileUrl": IMAGE, "FileId": "", "MetaData": None}
    finished = {
        "TaskId": TASK_ID,
        "Status": "FINISH",
        "ErrCode": 0,
        "Message": "",
        "Output": {"FileInfos": [image]},
    }
    return {**others, "TaskType": "x", "Status": status, DETAILS[kind]: {**finished, **task}}


@VOD
def test_a_finished_task_has_its_images(kind: str) -> None:
    observed = KINDS[kind].observe(TASK_ID, detail(kind))

    assert observed.state == "succeeded"
    assert observed.vendor_status == "FINISH"
    assert observed.image_urls == (IMAGE,)
    assert observed.failure is None


@pytest.mark.parametrize(
    ("status", "task", "state"),
    [
        ("WAITING", {"Status": "PROCESSING", "Output": None}, "waiting"),
        ("WAITING", {"Status": "", "Output": None}, "waiting"),
        ("PROCESSING", {"Status": "PROCESSING", "Output": None}, "running"),
        ("PROCESSING", {"Status": "", "Output": None}, "running"),
        ("FINISH", {"Status": "PROCESSING", "Output": None}, "running"),
        ("FINISH", {"Status": "SUCCESS"}, "succeeded"),
        ("FINISH", {"Status": "FAIL"}, "failed"),
        ("FINISH", {"ErrCode": 70000}, "failed"),
        ("FINISH", {"Output": None}, "failed"),
        ("FINISH", {"Output": {"FileInfos": []}}, "failed"),
        ("FINISH", {"Output": {"FileInfos": [{"FileUrl": ""}]}}, "failed"),
        ("ABORTED", {"Status": "FINISH"}, "cancelled"),
        ("SOMETHING_NEW", {"Status": "", "Output": None}, "running"),
    ],
)
def test_the_states_of_vod_are_one_vocabulary(status: str, task: Body, state: str) -> None:
    observed = KINDS["vod.image"].observe(TASK_ID, detail("vod.image", status, **task))

    assert observed.state == state
    assert (observed.failure is not None) == (state == "failed")
    assert bool(observed.image_urls) == (state == "succeeded")


@VOD
def test_a_task_that_waits_has_no_detail_yet(kind: str) -> None:
    observed = KINDS[kind].observe(TASK_ID, {"Status": "WAITING", DETAILS[kind]: None})

    assert observed.state == "waiting"


def test_an_answer_without_any_detail_is_no_success() -> None:
    observed = KINDS["vod.image"].observe(TASK_ID, {"Status": "FINISH", "AigcImageTask": None})

    assert observed.state == "failed"
    assert observed.failure is not None
    assert observed.failure.message == "the task finished without an image"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("RequestLimitExceeded", "throttled"),
        ("FailedOperation", "throttled"),
        ("ResourceInsufficient", "throttled"),
        ("TaskTimeout", "throttled"),
        ("InvalidParameter.VoilationContent", "moderated"),
        ("InvalidParameter.ViolationContent", "moderated"),
        ("ContentModerationFailed", "moderated"),
        ("InvalidParameter", "rejected"),
        ("InvalidParameterValue", "rejected"),
        ("InvalidParameterValue.Size", "rejected"),
        ("InvalidParameter.MediaFormat", "rejected"),
        ("InternalError", "failed"),
        ("ModelGenerateFailed", "failed"),
        ("ResourceNotFound", "failed"),
        ("SomethingNew", "failed"),
    ],
)
def test_the_extended_code_decides_the_outcome(code: str, outcome: str) -> None:
    response = detail("vod.image", ErrCode=70000, ErrCodeExt=code, Message="it did not work")

    failure = KINDS["vod.image"].observe(TASK_ID, response).failure

    assert failure is not None
    assert (failure.code, failure.outcome, failure.message) == (code, outcome, "it did not work")


def test_an_extended_code_alone_is_a_failure() -> None:
    response = detail("vod.image", ErrCode=0, ErrCodeExt="ModelGenerateFailed")

    observed = KINDS["vod.image"].observe(TASK_ID, response)

    assert observed.state == "failed"
    assert observed.image_urls == ()


def test_a_cancelled_operation_is_a_cancelled_task() -> None:
    response = detail("vod.image", ErrCode=70000, ErrCodeExt="OperationCanceled")

    assert KINDS["vod.image"].observe(TASK_ID, response).state == "cancelled"


MESSAGES = [
    (
        (
            "CreateAigcImageTask process return rsp err:{RequestLimitExceeded GenerateImage task "
            "reached the maximum concurrency"
        ),
        "RequestLimitExceeded",
        "throttled",
    ),
    (
        (
            "CreateAigcImageTask process return rsp err:{InvalidParameter.VoilationContent Input "
            "Prompt violates policy}"
        ),
        "InvalidParameter.VoilationContent",
        "moderated",
    ),
    (
        "task failed with status: FAIL, message: Your request was blocked by our moderation system",
        "",
        "moderated",
    ),
    (
        "err:{InvalidParameterValue.Size the size is wrong}",
        "InvalidParameterValue.Size",
        "rejected",
    ),
    ("GenerateImage task reached the maximum concurrency", "", "throttled"),
    (
        "err:{FailedOperation.CreateAIGCTaskFailed x}",
        "FailedOperation.CreateAIGCTaskFailed",
        "failed",
    ),
    ("the model broke down", "", "failed"),
]


@pytest.mark.parametrize(("message", "code", "outcome"), MESSAGES[:3])
def test_the_message_of_a_scene_decides_where_there_is_no_code(
    message: str, code: str, outcome: str
) -> None:
    response = detail("vod.scene_image", ErrCode=70000, Message=message)

    failure = KINDS["vod.scene_image"].observe(TASK_ID, response).failure

    assert failure is not None
    assert (failure.code, failure.outcome) == (code or "70000", outcome)


def test_a_numeric_code_decides_the_outcome() -> None:
    response = detail("vod.scene_image", ErrCode=40000, Message="the file is no image")

    failure = KINDS["vod.scene_image"].observe(TASK_ID, response).failure

    assert failure is not None
    assert (failure.code, failure.outcome) == ("40000", "rejected")


@pytest.mark.parametrize(
    ("status", "state"),
    [("WAIT", "waiting"), ("RUN", "running"), ("DONE", "succeeded"), ("FAIL", "failed")],
)
def test_the_states_of_mps_are_the_same_vocabulary(status: str, state: str) -> None:
    response = {"Status": status, "Message": "ok", "ImageUrls": ["https://b.example/1.png"]}

    observed = KINDS["mps.image"].observe("4-AigcImage-1", response)

    assert (observed.state, observed.vendor_status) == (state, status)
    assert observed.image_urls == (("https://b.example/1.png",) if status == "DONE" else ())


def test_what_mps_left_in_the_bucket_needs_no_url() -> None:
    response = {"Status": "DONE", "Message": "ok", "ImageUrls": None}

    observed = KINDS["mps.image"].observe("4-AigcImage-1", response)

    assert (observed.state, observed.failure) == ("succeeded", None)


@pytest.mark.parametrize(("message", "code", "outcome"), MESSAGES)
def test_mps_has_nothing_but_its_message(message: str, code: str, outcome: str) -> None:
    response = {"Status": "FAIL", "Message": message, "ImageUrls": None}

    failure = KINDS["mps.image"].observe("4-AigcImage-1", response).failure

    assert failure is not None
    assert (failure.code, failure.outcome, failure.message) == (code, outcome, message)


@VOD
def test_a_task_is_found_by_its_session(kind: str) -> None:
    listed: Body = {
        "TaskSet": [
            {"TaskId": "another", "SessionId": ""},
            {"TaskId": TASK_ID, "SessionId": "job-1"},
        ]
    }

    assert KINDS[kind].task_with_session(listed, "job-1") == TASK_ID
    assert KINDS[kind].task_with_session(listed, "job-2") is None
    assert KINDS[kind].task_with_session({"TaskSet": None}, "job-1") is None


@VOD
def test_tasks_are_listed_since_a_moment_oldest_first(kind: str) -> None:
    call = KINDS[kind].list_tasks(1500000000, 1_763_640_000, "")

    assert call is not None
    assert (call.service, call.version, call.action) == ("vod", "2018-07-17", "DescribeTasks")
    assert call.params == {
        "SubAppId": 1500000000,
        "CreateTime": {"After": "2025-11-20T12:00:00Z"},
        "Sort": {"Field": "CreateTime", "Order": "Asc"},
        "Limit": 100,
    }


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("vod.image", "CreateAigcImageTask"),
        ("vod.scene_image", "CreateSceneAigcImageTask"),
    ],
)
def test_only_vod_deduplicates_and_only_mps_stores(kind: str, action: str) -> None:
    vod, mps = KINDS[kind], KINDS["mps.image"]

    call = vod.describe(TASK_ID, 1500000000)

    assert call.action == "DescribeTaskDetail"
    assert call.params == {"TaskId": TASK_ID, "SubAppId": 1500000000}
    assert getattr(vod, "action", "") == action
    assert (vod.deduplicates, vod.stores_itself) == (True, False)
    assert (mps.deduplicates, mps.stores_itself) == (False, True)
