"""Malformed answers of the vendor end a job or change nothing; none crashes and none costs."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.cloud.api3 import CloudApi
from aigc.errors import AmbiguousError, CloudError, RefusedError
from aigc.jobs.settle import LONGEST_RUN_S
from aigc.sweeping import sweep
from aigc.tasks.kind import ApiCall
from aigc.tasks.kinds import KINDS
from tests.bad_input.corpus import corpus, data, expanded
from tests.bad_input.invoked import SUBMIT, TASK, call, new_world, post
from tests.bad_input.raw_server import answering, http
from tests.bad_input.test_calls import anything
from tests.bad_input.test_results import use_proxy
from tests.fakes import FakeVendor, World
from tests.unit.tasks.test_observe import detail

MPS = "/tencent-mps/v1/aigc-image"
PATHS = {"vod.image": SUBMIT, "mps.image": MPS}
CASES = [(kind, name) for kind, cases in corpus("descriptions").items() for name in cases]
CREATE = ApiCall(service="vod", version="2018-07-17", action="CreateAigcImageTask", params={})


class NonsenseVendor(FakeVendor):
    """Accepts tasks correctly, and answers every query with a configured answer."""

    says: dict[str, Any]

    def call(self, call: ApiCall) -> dict[str, Any]:
        if call.action.startswith("Create"):
            return super().call(call)
        return copy.deepcopy(self.says)


def submit_to(kind: str, says: dict[str, Any]) -> tuple[World, str]:
    world = new_world()
    world.vendor = NonsenseVendor(world.results)
    world.vendor.says = says
    task = TASK if kind == "vod.image" else {"prompt": "a boat"}
    answer = call(post("function_url", json.dumps(task), PATHS[kind]), world)
    return world, str(answer.body["status_url"])


def status_of(world: World, url: str) -> dict[str, Any]:
    event = post("function_url", "", "/" + url.split("/", 3)[3]) | {"httpMethod": "GET"}
    world.clock.pass_time(5)
    invoked = call(event, world)
    assert invoked.status in {200, 202}, invoked.crash
    return invoked.body


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_job_ends_after_a_nonsense_answer_of_the_vendor(kind: str, name: str) -> None:
    world, url = submit_to(kind, expanded(corpus("descriptions")[kind][name]))

    status_of(world, url)
    sweep(world.runtime())
    world.clock.pass_time(LONGEST_RUN_S + 60)
    for _ in range(20):  # a throttled task is retried with a doubled wait
        sweep(world.runtime())
        world.clock.pass_time(3600)

    assert status_of(world, url)["status"] == "COMPLETED"
    assert len(world.vendor.tasks) <= 1 or "throttled" in status_of(world, url)["error_type"]
    assert not [fetched for fetched in world.downloads.fetched if "evil" in fetched]


@given(
    status=anything,
    answer=st.dictionaries(
        st.sampled_from(["Status", "ErrCode", "ErrCodeExt", "Message", "Output", "Progress"]),
        anything,
    ),
)
@pytest.mark.parametrize("kind", ["vod.image", "vod.scene_image"])
def test_any_detail_of_vod_is_read(kind: str, status: object, answer: dict[str, Any]) -> None:
    observed = KINDS[kind].observe("task-1", detail(kind, **answer) | {"Status": status})

    assert all(isinstance(url, str) for url in observed.image_urls)


@given(answer=st.dictionaries(st.sampled_from(["Status", "Message", "ImageUrls"]), anything))
def test_any_answer_of_mps_is_read(answer: dict[str, Any]) -> None:
    observed = KINDS["mps.image"].observe("task-1", answer)

    assert all(observed.image_urls)
    assert {type(url) for url in observed.image_urls} <= {str}


@given(listed=anything)
def test_any_list_of_tasks_is_searched(listed: Any) -> None:
    assert KINDS["vod.image"].task_with_session({"TaskSet": listed}, "session-1") is None


@pytest.mark.parametrize("task_id", [None, "", 7, ["task-1"], {"id": "task-1"}])
def test_create_without_a_task_id_is_paid_once(task_id: object) -> None:
    class VendorWithoutTaskId(FakeVendor):
        def call(self, call: ApiCall) -> dict[str, Any]:
            answer = super().call(call)
            return answer | {"TaskId": task_id} if call.action.startswith("Create") else answer

    world = new_world()
    world.vendor = VendorWithoutTaskId(world.results)

    call(post("function_url", json.dumps(TASK)), world)

    assert len(world.vendor.tasks) == 1


# API 3.0


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRETID", "SECRETKEY", "SESSIONTOKEN"):
        monkeypatch.setenv(f"TENCENTCLOUD_{name}", "signature=secret")


def create_task(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> dict[str, Any]:
    with answering(reply) as vendor:
        use_proxy(monkeypatch, vendor.url)
        try:
            return CloudApi(site="cn", protocol="http").call(CREATE)
        finally:
            assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        *((name, "application/json") for name in corpus("api3_answers")),
        ("a page", "text/html"),
        ("a list", ""),
    ],
)
def test_unreadable_answer_is_ambiguous(
    name: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = http(data(corpus("api3_answers")[name]), Content_Type=content_type)

    with pytest.raises(AmbiguousError) as raised:
        create_task(monkeypatch, reply)

    assert len(str(raised.value)) < 1000
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x00" * 100,
        http(b'{"Response":{"TaskId":"1"}}', Content_Length=1000),
        http(b"zz\r\n", Transfer_Encoding="chunked"),
        http(b"not packed", Content_Encoding="gzip", Content_Type="application/json"),
        http(b"", "500 Internal Server Error"),
        http(b"", "302 Found", Location="http://evil.example/"),
        http(b"x" * 2_000_000, "502 Bad Gateway"),
    ],
)
def test_broken_connection_is_ambiguous(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AmbiguousError) as raised:
        create_task(monkeypatch, reply)

    assert len(str(raised.value)) < 1000


def test_lone_surrogate_in_an_answer_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reply = http(
        b'{"Response":{"TaskId":"1","Message":"\\ud83d"}}', Content_Type="application/json"
    )

    assert create_task(monkeypatch, reply) == {"TaskId": "1", "Message": "?"}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "no"),
        (7, "no"),
        (["x"], "no"),
        ({"x": 1}, "no"),
        ("A" * 10_000, "no"),
        ("Evil", None),
        ("Evil", ["no"]),
        ("Evil", "m" * 100_000),
    ],
)
def test_error_of_an_odd_form_raises_a_cloud_error(
    code: object, message: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"Response": {"Error": {"Code": code, "Message": message}, "RequestId": 7}}
    reply = http(json.dumps(answer).encode(), Content_Type="application/json")

    with pytest.raises((RefusedError, AmbiguousError)) as raised:
        create_task(monkeypatch, reply)

    assert isinstance(raised.value, CloudError)
    assert isinstance(raised.value.code, str)
    assert len(str(raised.value)) < 2000


@given(body=st.binary(max_size=100) | anything.map(lambda body: json.dumps(body).encode()))
def test_any_other_answer_is_ambiguous(body: bytes) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(AmbiguousError):
        create_task(monkeypatch, http(body, Content_Type="application/json"))
