"""MPS: tasks without deduplication, whose images may go to the caller's own bucket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.localcloud.clients import BUCKET, REGION, Api, control, get, image_bytes, size_of

if TYPE_CHECKING:
    import pytest
    from qcloud_cos import CosS3Client

    from localcloud.cloud import LocalCloud
    from localcloud.cos.events import ObjectCreated

STORE = {"CosBucketName": BUCKET, "CosBucketRegion": REGION, "CosBucketPath": "/out/job-1/"}


def test_a_prompt_becomes_an_image_for_twelve_hours(
    cloud: LocalCloud, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"AspectRatio": "9:16", "LogoAdd": 1}
    task = api.mps("CreateAigcImageTask", Prompt="a cat", ExtraParameters=extra)["TaskId"]

    answer = api.ended_mps_task(task)

    [url] = answer["ImageUrls"]
    assert (answer["Status"], answer["Message"]) == ("DONE", "ok")
    assert size_of(get(cloud, url).content) == (288, 512)
    half_a_day_later = time.time() + 12 * 3600 + 1
    monkeypatch.setattr(cloud.clock, "now", lambda: half_a_day_later)
    assert get(cloud, url).status_code == 404


def test_an_image_is_stored_in_the_bucket_with_the_bucket_s_events(
    cloud: LocalCloud, api: Api, store: CosS3Client
) -> None:
    events: list[ObjectCreated] = []
    cloud.cos.subscribe(events.append)
    cloud.role_trusts = lambda role, _service: role == "MPS_QcsRole"
    task = api.mps("CreateAigcImageTask", Prompt="a cat", StoreCosParam=STORE)["TaskId"]

    answer = api.ended_mps_task(task)

    [event] = events
    assert event.event == "cos:ObjectCreated:Put"
    assert event.key == f"out/job-1/4_{task.rpartition('-')[2]}.png"
    assert answer["ImageUrls"][0].endswith(event.key)
    stored = store.get_object(BUCKET, event.key)
    assert stored["Content-Type"] == "image/png"
    assert size_of(stored["Body"].get_raw_stream().read()) == (512, 512)


def test_call_without_the_role_is_refused(cloud: LocalCloud, api: Api, store: CosS3Client) -> None:
    del store
    code = api.refusal("mps", "CreateAigcImageTask", Prompt="a cat", StoreCosParam=STORE)

    assert code == "FailedOperation.CosStatusInavlid"
    assert control(cloud, "tasks")["tasks"] == []


def test_a_bucket_that_cannot_be_written_to_is_refused(
    cloud: LocalCloud, api: Api, store: CosS3Client
) -> None:
    del store
    cloud.role_trusts = lambda _role, _service: True

    for change, code in (
        ({"CosBucketName": "other-1250000000"}, "ResourceNotFound.CosBucketNotExist"),
        ({"CosBucketRegion": "ap-beijing"}, "ResourceNotFound.CosBucketNotExist"),
        ({"CosBucketRegion": ""}, "InvalidParameter"),
    ):
        params = {"Prompt": "a cat", "StoreCosParam": {**STORE, **change}}
        assert api.refusal("mps", "CreateAigcImageTask", **params) == code


def test_a_faulty_request_is_refused(api: Api) -> None:
    faulty: list[tuple[dict[str, Any], str]] = [
        ({}, "InvalidParameter"),
        ({"Prompt": "x", "SessionId": "s"}, "UnknownParameter"),
        ({"Prompt": "x", "EnhancePrompt": "Enabled"}, "InvalidParameter"),
        ({"ImageInfos": [{"ReferenceType": "x"}]}, "InvalidParameter"),
    ]

    for params, code in faulty:
        assert api.refusal("mps", "CreateAigcImageTask", **params) == code


def test_the_fifth_task_at_once_is_accepted_and_fails_late(api: Api) -> None:
    tasks = [api.mps("CreateAigcImageTask", Prompt=f"cat {n}")["TaskId"] for n in range(5)]

    answers = [api.ended_mps_task(task) for task in tasks]

    assert [answer["Status"] for answer in answers] == ["DONE"] * 4 + ["FAIL"]
    assert "RequestLimitExceeded" in answers[4]["Message"]


def test_an_input_that_cannot_be_read_fails_the_task(api: Api, store: CosS3Client) -> None:
    store.put_object(BUCKET, image_bytes(), "a.png")
    unsigned = [{"ImageUrl": f"http://{BUCKET}.cos.{REGION}.myqcloud.com/a.png"}]
    signed = [{"ImageUrl": store.get_presigned_url(BUCKET, "a.png", "GET")}]
    denied = api.mps("CreateAigcImageTask", ImageInfos=unsigned)["TaskId"]
    allowed = api.mps("CreateAigcImageTask", ImageInfos=signed)["TaskId"]

    answers = [api.ended_mps_task(task) for task in (denied, allowed)]

    assert [answer["Status"] for answer in answers] == ["FAIL", "DONE"]
    assert "403" in answers[0]["Message"]


def test_unknown_task_is_not_found(api: Api) -> None:
    code = api.refusal("mps", "DescribeAigcImageTask", TaskId="4-AigcImage-0")

    assert code == "ResourceNotFound.TaskNotFound"
