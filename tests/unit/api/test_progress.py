"""Status, result, cancelling, and the vendor's query of a request."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest

from aigc.api.errors import JOB_ERROR_STATUS
from aigc.api.progress import MOST_KNOWN, KnownRequests
from aigc.errors import AmbiguousError, HostNotAllowedError, ThrottledError
from aigc.jobs.job import ErrorType, JobError
from tests.fakes import START, ClockWithEvents, InMemoryStore, image_bytes
from tests.unit.api.test_submit import BODIES, IMAGE, MPS, SCENE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aigc.jobs.ports import Listed
    from tests.unit.api.client import Answer, Client


class UnreadableStore(InMemoryStore):
    """Records of jobs cannot be read."""

    def get(self, key: str) -> bytes | None:
        if key.startswith("jobs/"):
            raise AmbiguousError("get", code="ClientNetworkError")
        return super().get(key)


class UnlistedStore(InMemoryStore):
    """Nothing can be listed."""

    def list(self, prefix: str, *_: object) -> Sequence[Listed]:
        raise ThrottledError(f"list {prefix}")


def submitted(client: Client, path: str = IMAGE, **more: Any) -> str:
    request_id: str = client.post(path, BODIES[path] | more).body["request_id"]
    return request_id


def finished(client: Client, path: str = IMAGE) -> str:
    request_id = submitted(client, path)
    client.world.vendor.finish(client.world.vendor.tasks[-1])
    return request_id


def failed(client: Client, err_code_ext: str) -> str:
    request_id = submitted(client)
    client.world.vendor.fail(client.world.vendor.tasks[-1], err_code_ext)
    return request_id


def status_of(client: Client, request_id: str, **more: Any) -> Answer:
    return client.get(f"{IMAGE}/requests/{request_id}/status", **more)


# Status


def test_running_request_is_in_progress(client: Client) -> None:
    request_id = submitted(client)

    answer = status_of(client, request_id)

    assert answer.status == 202
    assert answer.body["status"] == "IN_PROGRESS"
    assert answer.body["response_url"] == f"{client.base_url}{IMAGE}/requests/{request_id}"


def test_waiting_request_has_its_position(client: Client) -> None:
    submitted(client)
    submitted(client)
    client.world.clock.pass_time(1)
    last = submitted(client)

    answer = status_of(client, last)

    assert answer.status == 202
    assert answer.body["status"] == "IN_QUEUE"
    assert answer.body["queue_position"] == 1


def test_request_that_just_left_the_queue_has_no_request_before_it(client: Client) -> None:
    submitted(client)
    submitted(client)
    client.world.clock.pass_time(1)
    last = submitted(client)
    client.world.store.delete(*(key for key in client.world.ledger_keys("lanes/") if last in key))

    answer = status_of(client, last)

    assert answer.body["queue_position"] == 0


def test_finished_request_is_completed(client: Client) -> None:
    request_id = finished(client)

    answer = status_of(client, request_id)

    assert answer.status == 200
    assert answer.body["status"] == "COMPLETED"
    assert answer.body["logs"] is None
    assert "error" not in answer.body
    assert answer.body["metrics"]["inference_time"] >= 0


def test_failed_request_is_completed_with_its_error(client: Client) -> None:
    request_id = failed(client, "InvalidParameter.VoilationContent")

    answer = status_of(client, request_id)

    assert answer.status == 200
    assert answer.body["status"] == "COMPLETED"
    assert answer.body["error_type"] == "content_policy_violation"
    assert "VoilationContent" in answer.body["error"]


def test_status_has_the_reason_of_delayed_images(client: Client) -> None:
    request_id = submitted(client)
    client.world.vendor.finish(client.world.vendor.tasks[-1])
    client.world.downloads.errors = [HostNotAllowedError("images.example.com", ".myqcloud.com")]

    delayed = status_of(client, request_id, query={"logs": "1"})
    client.world.clock.pass_time(60)
    stored = status_of(client, request_id, query={"logs": "1"})

    reason = "the vendor has a result on 'images.example.com'; allowed: .myqcloud.com"
    assert (delayed.status, delayed.body["status"]) == (202, "IN_PROGRESS")
    assert delayed.body["delay"] == reason
    assert (stored.status, stored.body["status"]) == (200, "COMPLETED")
    assert "delay" not in stored.body
    assert stored.body["logs"][: len(delayed.body["logs"])] == delayed.body["logs"]


def test_a_record_that_cannot_be_read_is_answered_with_503(client: Client) -> None:
    request_id = submitted(client)
    client.world.store.put(f"jobs/{request_id}.json", b"{}")

    answer = status_of(client, request_id)

    assert (answer.status, answer.body["error_type"]) == (503, "record_unreadable")


def test_logs_list_what_happened(client: Client) -> None:
    request_id = finished(client)

    answer = status_of(client, request_id, query={"logs": "1"})

    messages = [entry["message"] for entry in answer.body["logs"]]
    assert messages == ["accepted as vod.image", "attempt 1 sent: task-1", "succeeded"]
    assert set(answer.body["logs"][0]) == {"timestamp", "level", "message", "source"}


def test_status_reads_the_ledger_once_for_a_running_request(client: Client) -> None:
    request_id = submitted(client)
    client.world.store.requests.clear()

    status_of(client, request_id)

    assert client.world.store.requests == [f"get jobs/{request_id}.json"]


def test_status_takes_one_round_trip_in_every_state(client: Client) -> None:
    world = client.world
    world.parallel = world.store.round_trips.parallel
    running, waiting, ended = submitted(client), submitted(client), submitted(client)
    world.store.round_trips.count = 0

    for request_id in (running, waiting):
        world.memory = type(world.memory)()  # another instance
        status_of(client, request_id)
        status_of(client, request_id)

    assert world.store.round_trips.count == 4
    world.memory = type(world.memory)()
    client.send("PUT", f"{IMAGE}/requests/{ended}/cancel")
    world.store.round_trips.count = 0
    assert status_of(client, ended).body["status"] == "COMPLETED"
    assert world.store.round_trips.count == 1


def test_status_lists_the_lane_only_of_requests_that_may_wait(client: Client) -> None:
    store = client.world.store
    running, waiting = submitted(client), submitted(client)
    store.requests.clear()

    for request_id in (running, waiting):
        status_of(client, request_id)
    known = [*store.requests]
    client.world.memory = type(client.world.memory)()  # another instance
    store.requests.clear()
    status_of(client, running)
    status_of(client, running)

    listing, record = "list lanes/vod.image/", f"get jobs/{running}.json"
    assert known == [record, f"get jobs/{waiting}.json", listing]
    assert store.requests == [record, listing, record]


def test_status_of_a_running_request_needs_no_listing(client: Client) -> None:
    request_id = submitted(client)
    client.world.memory = type(client.world.memory)()
    unlisted = UnlistedStore(client.world.clock)
    unlisted.objects = client.world.store.objects
    client.world.store = unlisted

    answer = status_of(client, request_id)

    assert answer.body["status"] == "IN_PROGRESS"


def test_an_instance_remembers_the_last_requests_only(client: Client) -> None:
    seen = KnownRequests()
    job = client.world.runtime().ledger.records.read(submitted(client))
    assert job is not None

    for number in range(MOST_KNOWN + 1):
        seen.note(job.model_copy(update={"id": str(number)}))

    assert len(seen.waited) == MOST_KNOWN
    assert seen.may_wait("0")
    assert not seen.may_wait("1")


# Result


def test_result_before_the_end_is_refused(client: Client) -> None:
    request_id = submitted(client)

    answer = client.get(f"{IMAGE}/requests/{request_id}")

    assert answer.status == 400
    assert answer.body["detail"] == "Request is still in progress"


@pytest.mark.parametrize("path", [IMAGE, SCENE, MPS])
def test_result_has_the_images(client: Client, path: str) -> None:
    request_id = finished(client, path)

    answer = client.get(f"{path}/requests/{request_id}")

    [image] = answer.body["images"]
    key = f"calls/2026-11-20/{request_id}-1.png"
    assert answer.status == 200
    assert image["url"] == f"https://results-1250000000.cos.example/{key}?expires=3600"
    assert image["file_name"] == f"{request_id}-1.png"
    assert (image["content_type"], image["width"], image["height"]) == ("image/png", 32, 24)
    assert image["file_size"] == len(client.world.results.objects[key][0])
    assert image["labels"] == ["tc260", "iptc"]


def test_result_repeats_the_prompt(client: Client) -> None:
    request_id = finished(client)

    answer = client.get(f"{IMAGE}/requests/{request_id}")

    assert answer.body["prompt"] == "a lighthouse"


@pytest.mark.parametrize(
    ("err_code_ext", "status", "error_type"),
    [
        ("InvalidParameter.VoilationContent", 422, "content_policy_violation"),
        ("InvalidParameterValue", 424, "refused"),
        ("ModelGenerateFailed", 500, "task_failed"),
    ],
)
def test_failure_has_its_own_status_and_the_vendors_code(
    client: Client, err_code_ext: str, status: int, error_type: str
) -> None:
    request_id = failed(client, err_code_ext)

    answer = client.get(f"{IMAGE}/requests/{request_id}")

    assert answer.status == status
    assert answer.body["error_type"] == error_type
    assert answer.body["request_id"] == request_id
    assert answer.body["upstream"] == {
        "code": err_code_ext,
        "task_id": "task-1",
        "request_id": "request-of-task-1",
    }


def test_refusal_at_submission_ends_the_request(client: Client) -> None:
    client.world.vendor.next_creates = ["refuse"]
    request_id = submitted(client)

    answer = client.get(f"{IMAGE}/requests/{request_id}")

    assert answer.status == 424
    assert answer.body["upstream"]["code"] == "InvalidParameter"
    assert answer.body["upstream"]["request_id"] == "r-1"


def test_every_error_of_a_job_has_an_answer(client: Client) -> None:
    request_id = submitted(client)
    ledger = client.world.runtime().ledger
    job = ledger.records.read(request_id)
    assert job is not None
    for error_type in get_args(ErrorType):
        error = JobError(type=error_type, message=f"the reason is {error_type}")
        ledger.records.write(job.fail(error, client.world.clock.now()))

        answer = client.get(f"{IMAGE}/requests/{request_id}")

        assert answer.status == JOB_ERROR_STATUS[error_type].status
        assert answer.status >= 400
        assert answer.body["detail"] == f"the reason is {error_type}"


def test_cancelled_request_has_no_result(client: Client) -> None:
    request_id = failed(client, "OperationCanceled")

    answer = client.get(f"{IMAGE}/requests/{request_id}")

    assert answer.status == 410
    assert answer.body["error_type"] == "cancelled"


# Cancelling


def cancelled(client: Client, request_id: str, path: str = IMAGE) -> Answer:
    return client.send("PUT", f"{path}/requests/{request_id}/cancel")


def test_waiting_request_is_cancelled_and_never_sent(client: Client) -> None:
    submitted(client)
    request_id = submitted(client)

    answer = cancelled(client, request_id)

    assert answer.status == 202
    assert answer.body["status"] == "CANCELLATION_REQUESTED"
    assert answer.body["state"] == "cancelled"
    assert client.get(f"{IMAGE}/requests/{request_id}").status == 410
    assert len(client.world.vendor.tasks) == 1


def test_task_that_waits_at_the_vendor_is_ended_there(client: Client) -> None:
    request_id = submitted(client)
    client.world.vendor.tasks[0].state = "waiting"

    answer = cancelled(client, request_id)

    assert (answer.status, answer.body["status"]) == (202, "CANCELLATION_REQUESTED")
    assert client.world.vendor.tasks[0].state == "aborted"


@pytest.mark.parametrize("path", [IMAGE, MPS])
def test_running_request_cannot_be_cancelled(client: Client, path: str) -> None:
    request_id = submitted(client, path)

    answer = cancelled(client, request_id, path)

    assert answer.status == 400
    assert answer.body["error_type"] == "not_cancellable"
    assert "may be billed" in answer.body["detail"]


def test_request_that_is_about_to_be_sent_may_be_cancelled_later(client: Client) -> None:
    submitted(client)
    held = submitted(client)
    ledger = client.world.runtime().ledger
    job = ledger.records.read(held)
    assert job is not None
    ledger.claims.claim(job)

    answer = client.send("PUT", f"{IMAGE}/requests/{held}/cancel")

    assert answer.status == 503
    assert answer.body["retryable"] is True


def test_ended_request_is_already_completed(client: Client) -> None:
    request_id = finished(client)
    status_of(client, request_id)

    answer = cancelled(client, request_id)

    assert answer.status == 400
    assert answer.body == {"status": "ALREADY_COMPLETED", "request_id": request_id}


def test_request_of_another_kind_is_not_cancelled(client: Client) -> None:
    submitted(client)
    request_id = submitted(client)

    answer = cancelled(client, request_id, SCENE)

    assert answer.status == 404
    assert status_of(client, request_id).body["status"] == "IN_QUEUE"


ABOUT_A_REQUEST = (
    ("GET", f"{IMAGE}/requests/{{id}}"),
    ("GET", f"{IMAGE}/requests/{{id}}/status"),
    ("GET", f"{IMAGE}/requests/{{id}}/status/stream"),
    ("PUT", f"{IMAGE}/requests/{{id}}/cancel"),
    ("GET", "/tencent-vod/v1/query/{id}"),
    ("GET", "/v1/jobs/{id}"),
    ("POST", "/v1/jobs/{id}"),
)


def test_answers_about_a_request_name_it_in_a_header(client: Client) -> None:
    request_id = submitted(client)

    for method, path in ABOUT_A_REQUEST:
        answer = client.send(method, path.format(id=request_id))
        assert answer.headers["X-Fal-Request-Id"] == request_id


def test_answers_about_a_request_name_it_also_if_the_ledger_fails(client: Client) -> None:
    request_id = submitted(client)
    client.world.store = UnreadableStore(client.world.clock)

    for method, path in ABOUT_A_REQUEST:
        answer = client.send(method, path.format(id=request_id))
        assert answer.status in {405, 503}
        assert answer.headers["X-Fal-Request-Id"] == request_id


def test_a_request_is_not_named_to_a_caller_without_a_key_or_where_there_is_none(
    client: Client,
) -> None:
    request_id = submitted(client)

    missing = client.get(f"{IMAGE}/requests/nobody")
    client.headers = {}
    keyless = client.get(f"{IMAGE}/requests/{request_id}")

    assert (missing.status, keyless.status) == (404, 401)
    assert not {"X-Fal-Request-Id"} & {*missing.headers, *keyless.headers}


# A shortened path: fal.ai's JavaScript client


SHORTENED = "/tencent-vod/v1"


def test_result_on_a_shortened_path_waits_for_the_end(client: Client) -> None:
    request_id = submitted(client)
    vendor = client.world.vendor
    client.world.clock = ClockWithEvents(4, lambda: vendor.finish(vendor.tasks[0]))

    answer = client.get(f"{SHORTENED}/requests/{request_id}")

    assert answer.status == 200
    assert len(answer.body["images"]) == 1


def test_result_on_a_shortened_path_redirects_when_the_time_is_over(
    client: Client,
) -> None:
    request_id = submitted(client)

    answer = client.get(f"{SHORTENED}/requests/{request_id}")

    assert (answer.status, answer.body) == (307, None)
    assert answer.headers["Location"] == request_id
    assert client.world.clock.now() == START + timedelta(seconds=55)


def test_result_on_a_shortened_path_is_not_held_for_head(client: Client) -> None:
    request_id = submitted(client)

    answer = client.send("HEAD", f"{SHORTENED}/requests/{request_id}")

    assert answer.status == 400
    assert client.world.clock.now() == START


def test_a_failure_of_the_ledger_does_not_end_the_wait(client: Client) -> None:
    request_id = submitted(client)
    world, vendor = client.world, client.world.vendor
    readable, unreadable = world.store, UnreadableStore(world.clock)
    world.clock = clock = ClockWithEvents(4, lambda: vendor.finish(vendor.tasks[0]))
    clock.add(2, lambda: setattr(readable, "get", unreadable.get))
    clock.add(6, lambda: delattr(readable, "get"))

    answer = client.get(f"{SHORTENED}/requests/{request_id}")

    assert answer.status == 200
    assert clock.now() >= START + timedelta(seconds=6)


def test_clients_repeat_no_call_whose_job_failed() -> None:
    """@fal-ai/client repeats 429, 502, 503, and 504 unless its caller's own time was over."""
    for mapping in JOB_ERROR_STATUS.values():
        assert mapping.status not in {408, 409, 429, 502, 503}
        assert mapping.status != 504 or mapping.timed_out == "user"


# A start in time


def test_request_that_was_not_sent_in_time_is_a_timeout_of_its_caller(client: Client) -> None:
    submitted(client)
    late = client.post(IMAGE, BODIES[IMAGE], X_Fal_Request_Timeout="30").body["request_id"]
    client.world.clock.pass_time(31)

    answer = client.get(f"{IMAGE}/requests/{late}")

    assert answer.status == 504
    assert answer.body["error_type"] == "request_timeout"
    assert answer.headers["X-Fal-Request-Timeout-Type"] == "user"
    assert status_of(client, late).body["error_type"] == "request_timeout"
    assert len(client.world.vendor.tasks) == 1


def test_request_that_failed_before_its_deadline_is_not_called_unsent(client: Client) -> None:
    late = client.post(IMAGE, BODIES[IMAGE], X_Fal_Request_Timeout="30").body["request_id"]
    client.world.vendor.fail(client.world.vendor.tasks[0], "RequestLimitExceeded")
    status_of(client, late)
    client.world.clock.pass_time(31)

    answer = client.get(f"{IMAGE}/requests/{late}")

    assert answer.status == 504
    assert answer.body["detail"].endswith("the latest start of the request; nothing is billed")


def test_query_of_a_request_that_was_not_sent_in_time_is_aborted(client: Client) -> None:
    submitted(client)
    late = client.post(IMAGE, BODIES[IMAGE], X_Fal_Request_Timeout="1.5").body["request_id"]
    client.world.clock.pass_time(2)

    detail = client.get(f"/tencent-vod/v1/query/{late}").body["Response"]

    assert detail["Status"] == "ABORTED"
    assert detail["AigcImageTask"]["ErrCodeExt"] == "OperationCanceled"


# Which paths lead to a request


@pytest.mark.parametrize("what", ["", "/status"])
def test_shortened_path_leads_to_the_request(client: Client, what: str) -> None:
    request_id = finished(client)
    status_of(client, request_id)

    answer = client.get(f"{SHORTENED}/requests/{request_id}{what}")

    assert answer.status == 200


@pytest.mark.parametrize("owner", [SCENE, "/tencent-mps/v1"])
def test_paths_of_another_kind_do_not_lead_to_it(client: Client, owner: str) -> None:
    request_id = finished(client)

    answer = client.get(f"{owner}/requests/{request_id}")

    assert answer.status == 404
    assert answer.body["error_type"] == "not_found"


@pytest.mark.parametrize("what", ["requests/nobody", "requests/nobody/status", "query/nobody"])
def test_request_that_does_not_exist_is_not_found(client: Client, what: str) -> None:
    answer = client.get(f"/tencent-vod/v1/{what}")

    assert answer.status == 404
    assert "nobody" in str(answer.body)


def test_query_is_refused_in_the_vendors_form(client: Client) -> None:
    answer = client.get("/tencent-vod/v1/query/nobody")

    assert answer.body == {
        "Response": {
            "Error": {
                "Code": "ResourceNotFound",
                "Message": "/tencent-vod/v1 has no request nobody",
            },
            "RequestId": "invocation-1",
        }
    }


# The vendor's query


def test_query_is_the_vendors_task_detail(client: Client) -> None:
    request_id = finished(client)

    answer = client.get(f"/tencent-vod/v1/query/{request_id}")

    detail = answer.body["Response"]
    task = detail["AigcImageTask"]
    [image] = task["Output"]["FileInfos"]
    assert answer.status == 200
    assert (detail["TaskType"], detail["Status"]) == ("AigcImageTask", "FINISH")
    assert detail["SceneAigcImageTask"] is None
    assert detail["RequestId"] == "invocation-1"
    assert detail["CreateTime"] == "2026-11-20T12:00:00Z"
    assert (task["TaskId"], task["Status"], task["Progress"]) == (request_id, "FINISH", 100)
    assert (task["ErrCode"], task["ErrCodeExt"]) == (0, "")
    assert task["Input"]["ModelName"] == "GG"
    assert image["FileUrl"].startswith("https://results-1250000000.cos.example/calls/")


def test_query_of_a_running_request_is_processing(client: Client) -> None:
    request_id = submitted(client)

    detail = client.get(f"/tencent-vod/v1/query/{request_id}").body["Response"]

    assert detail["Status"] == "PROCESSING"
    assert detail["FinishTime"] == "0000-00-00T00:00:00Z"
    assert detail["AigcImageTask"]["Output"] is None


def test_query_of_a_waiting_request_is_waiting(client: Client) -> None:
    submitted(client)
    request_id = submitted(client)

    detail = client.get(f"/tencent-vod/v1/query/{request_id}").body["Response"]

    assert detail["Status"] == "WAITING"


def test_query_of_a_failed_request_has_the_vendors_code(client: Client) -> None:
    request_id = failed(client, "ModelGenerateFailed")

    detail = client.get(f"/tencent-vod/v1/query/{request_id}").body["Response"]

    assert detail["Status"] == "FINISH"
    assert detail["AigcImageTask"]["ErrCode"] == 70000
    assert detail["AigcImageTask"]["ErrCodeExt"] == "ModelGenerateFailed"


def test_query_of_a_scene_has_the_scenes_detail(client: Client) -> None:
    request_id = finished(client, SCENE)

    detail = client.get(f"/tencent-vod/v1/query/{request_id}").body["Response"]

    assert detail["TaskType"] == "SceneAigcImageTask"
    assert detail["AigcImageTask"] is None
    assert detail["SceneAigcImageTask"]["Input"]["SceneInfo"]["Type"] == "product_image"


def test_query_names_an_image_of_the_body(client: Client) -> None:
    encoded = base64.b64encode(image_bytes()).decode()
    request_id = submitted(client, file_infos=[{"type": "Base64", "base64": encoded}])

    detail = client.get(f"/tencent-vod/v1/query/{request_id}").body["Response"]

    [file_info] = detail["AigcImageTask"]["Input"]["FileInfos"]
    assert file_info["Type"] == "Url"
    assert file_info["Url"].startswith("cos://results-1250000000/.aigc/inputs/")


def test_query_of_mps_is_its_own(client: Client) -> None:
    request_id = finished(client, MPS)

    answer = client.get(f"/tencent-mps/v1/query/{request_id}")

    response = answer.body["Response"]
    assert (response["Status"], response["Message"]) == ("DONE", "ok")
    assert response["ImageUrls"][0].startswith("https://results-1250000000.cos.example/calls/")
