"""A submit becomes one job, or is refused before anything is paid."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from aigc.errors import AmbiguousError, ThrottledError
from tests.fakes import START, InMemoryStore, ManualClock
from tests.unit.api.client import both_triggers

if TYPE_CHECKING:
    from aigc.jobs.job import Job
    from aigc.tasks.kind import ApiCall
    from tests.unit.api.client import Answer, Client

IMAGE = "/tencent-vod/v1/aigc-image"
SCENE = "/tencent-vod/v1/aigc-scene-image"
MPS = "/tencent-mps/v1/aigc-image"
BODIES: dict[str, dict[str, Any]] = {
    IMAGE: {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse"},
    SCENE: {
        "scene_info": {"type": "product_image", "product_image_config": {"prompt": "on a table"}},
        "file_infos": [{"type": "Url", "url": "https://example.com/a.png"}],
    },
    MPS: {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "a lighthouse"},
}
PRIVATE_IMAGE = {"type": "Url", "url": "cos://inbox-1250000000/private.png"}


def job_of(client: Client, answer: Answer) -> Job:
    job = client.world.runtime().ledger.records.read(answer.body["request_id"])
    assert job is not None
    return job


@pytest.mark.parametrize(
    ("path", "kind"), [(IMAGE, "vod.image"), (SCENE, "vod.scene_image"), (MPS, "mps.image")]
)
def test_each_endpoint_accepts_its_kind(client: Client, path: str, kind: str) -> None:
    answer = client.post(path, BODIES[path])

    assert answer.status == 200
    assert job_of(client, answer).kind == kind
    assert len(client.world.vendor.tasks) == 1


@both_triggers
def test_answer_is_the_documented_schema_and_the_documented_example(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE])

    request_id = answer.body["request_id"]
    url = f"{client.base_url}{IMAGE}/requests/{request_id}"
    assert answer.body == {
        "status": "IN_QUEUE",
        "request_id": request_id,
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
        "queue_position": 0,
        "logs": None,
        "metrics": {},
        "Response": {"TaskId": request_id, "RequestId": "invocation-1"},
    }


def test_urls_follow_the_configured_one_where_there_is_one(client: Client) -> None:
    settings = client.world.settings.model_copy(update={"public_url": "https://api.example.com/"})
    client.world.settings = settings

    answer = client.post(IMAGE, BODIES[IMAGE])

    assert answer.body["status_url"].startswith(f"https://api.example.com{IMAGE}/requests/")


def test_body_in_the_vendors_spelling_is_accepted(client: Client) -> None:
    body = {"ModelName": "GG", "ModelVersion": "3.0", "Prompt": "a lighthouse"}

    answer = client.post(IMAGE, body)

    assert answer.status == 200
    assert job_of(client, answer).task["prompt"] == "a lighthouse"


def test_job_remembers_which_key_called(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], Authorization="Key other-key")

    source = job_of(client, answer).source
    assert (source.type, source.name, source.request_id) == ("call", "other", "invocation-1")


def test_unknown_model_is_sent_with_a_warning(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"model_name": "Newest"})

    assert answer.status == 200
    assert "Newest" in answer.body["warnings"][0]


@pytest.mark.parametrize(
    ("header", "more", "priority"),
    [
        ("LOW", {}, -10),
        ("normal", {}, 0),
        ("low", {"tasks_priority": 0}, 0),
    ],
)
def test_priority_may_be_in_a_header(
    client: Client, header: str, more: dict[str, Any], priority: int
) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | more, X_Fal_Queue_Priority=header)

    assert job_of(client, answer).priority == priority


@pytest.mark.parametrize("seconds", ["1.5", "604800"])
def test_time_to_start_may_be_limited(client: Client, seconds: str) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], X_Fal_Request_Timeout=seconds)

    job = job_of(client, answer)
    assert job.start_by == job.created_at + timedelta(seconds=float(seconds))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Fal-Request-Timeout", "604801"),
        ("X-Fal-Request-Timeout", "soon"),
        ("X-Fal-Request-Timeout", "nan"),
        ("X-Fal-Queue-Priority", "high"),
    ],
)
def test_header_with_a_wrong_value_is_named(client: Client, name: str, value: str) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], **{name.replace("-", "_"): value})

    assert answer.status == 422
    assert answer.body["field"] == name
    assert answer.body["allowed"]
    assert client.world.vendor.tasks == []


def test_unknown_headers_of_fal_are_ignored(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], X_Fal_Runner_Hint="a-b", X_Fal_Newest="1")

    assert answer.status == 200


# Waiting for the result


@dataclass
class ClockThatWorks(ManualClock):
    """The vendor finishes its task while the call waits."""

    client: Client

    def __post_init__(self) -> None:
        super().__init__()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        for task in self.client.world.vendor.tasks:
            if task.state == "running":
                self.client.world.vendor.finish(task)


@pytest.mark.parametrize(
    ("path", "preference"),
    [
        (IMAGE, "wait=30"),
        (SCENE, "wait"),
        (MPS, 'respond-async, Wait = "30"; a=b'),
    ],
)
def test_caller_that_waits_gets_the_result(client: Client, path: str, preference: str) -> None:
    client.world.clock = ClockThatWorks(client)

    answer = client.post(path, BODIES[path], Prefer=preference)

    assert answer.status == 200
    assert len(answer.body["images"]) == 1
    assert answer.headers["Preference-Applied"] == ("wait" if preference == "wait" else "wait=30")
    assert answer.headers["X-Fal-Request-Id"] == answer.body["request_id"]


def test_caller_that_waits_gets_the_failure(client: Client) -> None:
    client.world.vendor.next_creates = ["refuse"]

    answer = client.post(IMAGE, BODIES[IMAGE], Prefer="wait=30")

    assert answer.status == 424
    assert answer.headers["Preference-Applied"] == "wait=30"


@pytest.mark.parametrize(("preference", "waited_s"), [("wait=3", 3), ("wait", 55)])
def test_wait_ends_after_the_requested_time(client: Client, preference: str, waited_s: int) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], Prefer=preference)

    assert answer.body["status"] == "IN_QUEUE"
    assert "Preference-Applied" not in answer.headers
    assert client.world.clock.now() == START + timedelta(seconds=waited_s)


class ForgetfulStore(InMemoryStore):
    """A bucket that takes a job and then does not answer."""

    def get(self, key: str) -> bytes | None:
        if key.startswith("jobs/"):
            raise AmbiguousError("get", code="ClientNetworkError")
        return super().get(key)


def test_caller_whose_wait_is_cut_off_gets_the_request_id(client: Client) -> None:
    client.world.store = ForgetfulStore(client.world.clock)

    answer = client.post(IMAGE, BODIES[IMAGE], Prefer="wait=30")

    assert answer.status == 200
    assert client.world.ledger_keys("jobs/") == [f"jobs/{answer.body['request_id']}.json"]


@pytest.mark.parametrize("preference", ["respond-async", "wait=-1", "waiting=3"])
def test_unreadable_preference_is_ignored(client: Client, preference: str) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], Prefer=preference)

    assert answer.body["status"] == "IN_QUEUE"
    assert client.world.clock.now() == START


def test_priority_of_the_task_is_the_jobs(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"tasks_priority": "7"})

    assert job_of(client, answer).priority == 7


# Repeats


@pytest.mark.parametrize(
    ("headers", "more"),
    [({"Idempotency_Key": "order-1"}, {}), ({}, {"session_id": "order-1"})],
    ids=["Idempotency-Key", "session_id"],
)
def test_repeat_finds_the_first_job(
    client: Client, headers: dict[str, str], more: dict[str, Any]
) -> None:
    answers = [client.post(IMAGE, BODIES[IMAGE] | more, **headers) for _ in range(3)]

    assert len({answer.body["request_id"] for answer in answers}) == 1
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len(client.world.vendor.tasks) == 1


def test_same_key_with_another_body_is_refused(client: Client) -> None:
    first = client.post(IMAGE, BODIES[IMAGE], Idempotency_Key="order-1")

    second = client.post(IMAGE, BODIES[IMAGE] | {"prompt": "a boat"}, Idempotency_Key="order-1")

    assert second.status == 422
    assert second.body["field"] == "Idempotency-Key"
    assert first.body["request_id"] in second.body["detail"]
    assert len(client.world.vendor.tasks) == 1


def test_repeat_keys_of_two_callers_do_not_meet(client: Client) -> None:
    first = client.post(IMAGE, BODIES[IMAGE], Idempotency_Key="order-1")

    second = client.post(
        IMAGE, BODIES[IMAGE], Idempotency_Key="order-1", Authorization="Bearer other-key"
    )

    assert first.body["request_id"] != second.body["request_id"]


def test_calls_without_a_repeat_key_are_two_jobs(client: Client) -> None:
    first = client.post(MPS, BODIES[MPS])

    second = client.post(MPS, BODIES[MPS])

    assert first.body["request_id"] != second.body["request_id"]
    assert len(client.world.vendor.tasks) == 2


# Where results go


def test_results_of_a_call_lie_under_its_day(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE])

    location = job_of(client, answer).output_location
    assert (location.prefix, location.name) == ("calls/2026-11-20/", answer.body["request_id"])


def test_caller_may_choose_where_results_go(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"result": {"prefix": "shop/猫", "name": "hero"}})

    location = job_of(client, answer).output_location
    assert (location.prefix, location.name) == ("shop/猫/", "hero")


@pytest.mark.parametrize(
    ("result", "field"),
    [
        ({"prefix": "../up"}, "result.prefix"),
        ({"prefix": "a//b"}, "result.prefix"),
        ({"prefix": "x" * 201}, "result.prefix"),
        ({"folder": "a"}, "result.folder"),
    ],
)
def test_wrong_output_location_is_refused(client: Client, result: object, field: str) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"result": result})

    assert answer.status == 422
    assert answer.body["field"] == field
    assert client.world.vendor.tasks == []


def test_path_of_mps_counts_as_prefix(client: Client) -> None:
    store = {"cos_bucket_name": "results-1250000000", "cos_bucket_path": "/drawn/"}

    answer = client.post(MPS, BODIES[MPS] | {"store_cos_param": store})

    assert job_of(client, answer).output_location.prefix == "drawn/"


@pytest.mark.parametrize(
    ("store", "field"),
    [
        ({"cos_bucket_name": "elsewhere-1250000000"}, "store_cos_param.cos_bucket_name"),
        ({"cos_bucket_path": "/../x"}, "store_cos_param.cos_bucket_path"),
    ],
)
def test_mps_may_not_be_sent_elsewhere(client: Client, store: dict[str, str], field: str) -> None:
    answer = client.post(MPS, BODIES[MPS] | {"store_cos_param": store})

    assert answer.status == 422
    assert answer.body["field"] == field


# Refusals


def test_unknown_field_is_named(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"promt": "a boat"})

    assert answer.status == 422
    assert answer.body["error_type"] == "invalid_request"
    assert answer.body["field"] == "promt"
    assert "prompt" in answer.body["allowed"]
    assert answer.body["request_id"] == "invocation-1"
    assert answer.body["retryable"] is False


def test_refused_submit_has_the_vendors_error_too(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"promt": "a boat"})

    assert answer.body["Response"] == {
        "Error": {"Code": "InvalidParameterValue", "Message": answer.body["detail"]},
        "RequestId": "invocation-1",
    }


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (IMAGE, {"file_infos": [{"type": "File", "file_id": "1", "url": PRIVATE_IMAGE["url"]}]}),
        (SCENE, {"file_infos": [PRIVATE_IMAGE]}),
        (MPS, {"image_infos": [{"image_url": PRIVATE_IMAGE["url"]}]}),
    ],
)
def test_objects_of_the_inbox_are_not_signed_for_callers(
    client: Client, path: str, more: dict[str, Any]
) -> None:
    answer = client.post(path, BODIES[path] | more)

    assert answer.status == 422
    assert answer.body["field"].endswith("url")
    assert client.world.vendor.tasks == []


def test_clothes_of_the_inbox_are_not_signed_either(client: Client) -> None:
    config = {"model": "WAND-tryon-1.0-pro", "clothes_file_infos": [PRIVATE_IMAGE]}
    body = {
        "scene_info": {"type": "ai_try_on", "ai_try_on_config": config},
        "file_infos": [{"type": "Url", "url": "https://example.com/model.png"}],
    }

    answer = client.post(SCENE, body)

    assert answer.status == 422
    assert "cos://" in answer.body["detail"]


@pytest.mark.parametrize(("sub_app_id", "status"), [(1500000001, 200), (1500000002, 422)])
def test_only_our_sub_application_may_be_named(
    client: Client, sub_app_id: int, status: int
) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"sub_app_id": sub_app_id})

    assert answer.status == status


def test_body_over_the_limit_is_too_large(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"prompt": "x" * (6 * 2**20)})

    assert answer.status == 413
    assert "URL" in answer.body["detail"]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("image/png", 415),
        ("application/x-www-form-urlencoded", 200),
        ("application/json; charset=utf-8", 200),
    ],
)
def test_only_content_that_cannot_be_json_is_refused_by_its_type(
    client: Client, content_type: str, status: int
) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE], Content_Type=content_type)

    assert answer.status == status


class BrokenStore(InMemoryStore):
    """A bucket that cannot be written."""

    def __init__(self, error: Exception) -> None:
        super().__init__(ManualClock())
        self._error = error

    def create(self, *_: object) -> bool:
        raise self._error

    def put(self, *_: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "error_type"),
    [
        (ThrottledError("put a", code="SlowDown"), 429, "throttled"),
        (AmbiguousError("put a"), 503, "cloud_unavailable"),
    ],
)
def test_ledger_that_fails_is_answered_with_a_retry_after(
    client: Client, error: Exception, status: int, error_type: str
) -> None:
    client.world.store = BrokenStore(error)

    answer = client.post(IMAGE, BODIES[IMAGE])

    assert answer.status == status
    assert answer.body["error_type"] == error_type
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.body["retryable"] is True


def test_internal_error_shows_no_stack(client: Client) -> None:
    client.world.store = BrokenStore(ZeroDivisionError("secret detail"))

    answer = client.post(IMAGE, BODIES[IMAGE])

    assert answer.status == 500
    assert answer.body["error_type"] == "internal_error"
    assert "secret" not in str(answer.body)


def test_a_submit_reaches_the_vendor_six_frames_below_its_handler(client: Client) -> None:
    frames: list[str] = []
    vendor_call = client.world.vendor.call

    def call(api_call: ApiCall) -> dict[str, Any]:
        frames.extend(frame.name for frame in traceback.extract_stack())
        return vendor_call(api_call)

    with patch.object(client.world.vendor, "call", call):
        client.post(IMAGE, BODIES[IMAGE])

    begin = frames.index("submit")
    assert frames[begin + 1 :] == [
        "accept_order",
        "accept",
        "launch",
        "_submit_in_slot",
        "submit_task",
        "call",
    ]


def test_custom_id_is_kept_and_not_sent(client: Client) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"custom_id": "row 7 猫"})

    assert job_of(client, answer).source.custom_id == "row 7 猫"
    assert "row 7" not in str(client.world.vendor.tasks[0].params)


@pytest.mark.parametrize("custom_id", ["x" * 201, "a\nb", 7])
def test_wrong_custom_id_is_refused(client: Client, custom_id: object) -> None:
    answer = client.post(IMAGE, BODIES[IMAGE] | {"custom_id": custom_id})

    assert answer.status == 422
    assert answer.body["detail"].startswith("custom_id: ")
    assert client.world.vendor.tasks == []
