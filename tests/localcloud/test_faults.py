"""Faults: their effects, and the refusal of an invalid list."""

from __future__ import annotations

import io
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image
from qcloud_cos import CosClientError, CosServiceError
from tencentcloud.common.exception import TencentCloudSDKException

from aigc.labels.files import read_labels
from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from localcloud.cos.changes import Changes
from localcloud.cos.store import describe
from localcloud.faults import FaultError, Faults
from tests.localcloud.clients import BUCKET, Api, control, cos, get

if TYPE_CHECKING:
    from qcloud_cos import CosS3Client


# The SDK has no parameter for this header, but sends all metadata as headers.
ONCE = {"x-cos-forbid-overwrite": "true"}
CREATE = "vod.CreateAigcImageTask"


def test_a_lost_reply_leaves_a_task_that_the_session_finds(
    cloud: LocalCloud, api: Api, app: int
) -> None:
    control(cloud, "faults", [{"where": CREATE, "what": "lost_reply", "times": 1}])

    with pytest.raises(TencentCloudSDKException) as lost:
        api.image_task(app, SessionId="once")

    assert lost.value.code == "ClientNetworkError"
    repeated = api.refusal(
        "vod",
        "CreateAigcImageTask",
        SubAppId=app,
        ModelName="GG",
        ModelVersion="3.0",
        Prompt="x",
        SessionId="once",
    )
    assert repeated == "InvalidParameterValue.SessionId"
    [task] = control(cloud, "tasks")["tasks"]
    assert task["session_id"] == "once"


@pytest.mark.parametrize(
    ("what", "code"), [("throttle", "RequestLimitExceeded"), ("http_500", "ServerNetworkError")]
)
def test_a_call_that_breaks_before_its_effect_leaves_nothing(
    cloud: LocalCloud, api: Api, app: int, what: str, code: str
) -> None:
    control(cloud, "faults", [{"where": CREATE, "what": what, "times": 2}])

    codes = []
    for _ in range(2):
        with pytest.raises(TencentCloudSDKException) as failed:
            api.image_task(app)
        codes.append(failed.value.code)

    assert codes == [code, code]
    assert control(cloud, "tasks")["tasks"] == []
    assert api.image_task(app)


def test_fault_fails_a_task(cloud: LocalCloud, api: Api, app: int) -> None:
    what = "task_failure:InvalidParameter.VoilationContent"
    control(cloud, "faults", [{"where": CREATE, "what": what}])

    own = api.ended_task(app, api.image_task(app))["AigcImageTask"]

    assert (own["ErrCode"], own["ErrCodeExt"]) == (70000, "InvalidParameter.VoilationContent")
    assert "Input Prompt violates policy" in own["Message"]


@pytest.mark.parametrize("output_format", ["png", "jpeg"])
@pytest.mark.parametrize(
    ("what", "labels"), [("image:label", ("tc260",)), ("image:c2pa", ("c2pa",))]
)
def test_fault_adds_labels_to_an_image(
    cloud: LocalCloud, app: int, what: str, labels: tuple[str, ...], output_format: str
) -> None:
    api = Api(cloud)
    control(cloud, "faults", [{"where": CREATE, "what": what}])
    output = {"OutputFormat": output_format}

    task = api.ended_task(app, api.image_task(app, OutputConfig=output))["AigcImageTask"]

    image = get(cloud, task["Output"]["FileInfos"][0]["FileUrl"]).content
    assert read_labels(image).names == labels
    assert Image.open(io.BytesIO(image)).format == output_format.upper()


def test_fault_delays_a_call(cloud: LocalCloud, api: Api, app: int) -> None:
    control(cloud, "faults", [{"where": CREATE, "what": "delay:20"}])
    before = time.monotonic()

    api.image_task(app)

    assert time.monotonic() - before >= 20 / cloud.clock.speed


def test_faults_delay_throttle_and_fail_requests_to_cos(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    control(
        cloud,
        "faults",
        [
            {"where": "cos.PutObject", "what": "throttle"},
            {"where": "cos.PutObject", "what": "http_500"},
            {"where": "cos.PutObject", "what": "lost_reply"},
        ],
    )

    codes = []
    for _ in range(2):
        with pytest.raises(CosServiceError) as refused:
            store.put_object(BUCKET, b"x", "early")
        codes.append((refused.value.get_status_code(), refused.value.get_error_code()))
    with pytest.raises(CosClientError):
        store.put_object(BUCKET, b"x", "late")

    assert codes == [(503, "SlowDown"), (500, "InternalError")]
    assert [entry["Key"] for entry in store.list_objects(BUCKET)["Contents"]] == ["late"]


def create(cloud: LocalCloud, key: str, body: str) -> str:
    """Create an object with a separate client; return the refusal's code, or the body."""
    try:
        cos(cloud).put_object(BUCKET, body.encode(), key, Metadata=ONCE)
    except CosServiceError as error:
        return str(error.get_error_code())
    return body


def read(store: CosS3Client, key: str) -> str:
    body: bytes = store.get_object(BUCKET, key)["Body"].get_raw_stream().read()
    return body.decode()


def keys(store: CosS3Client, **options: Any) -> list[str]:
    return [entry["Key"] for entry in store.list_objects(BUCKET, **options).get("Contents", [])]


def test_concurrent_creators_all_succeed_in_a_race_and_the_last_body_stays(
    cloud: LocalCloud, store: CosS3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    control(cloud, "faults", [{"where": "cos.PutObject", "what": "race:7", "rate": 1}])
    waits: queue.Queue[float] = queue.Queue()
    write_now = threading.Event()

    def wait(seconds: float) -> None:
        waits.put(seconds)
        write_now.wait()

    monkeypatch.setattr(cloud.clock, "wait_real", wait)

    with ThreadPoolExecutor(3) as pool:
        creates = [pool.submit(create, cloud, "lock", f"creator {n}") for n in range(3)]
        waited = [waits.get(timeout=60) for _ in creates]
        listed_meanwhile = keys(store)
        store.put_object(BUCKET, b"not delayed", "other")
        read_meanwhile = read(store, "other")
        were_answered = [future.done() for future in creates]
        write_now.set()
        answers = [future.result() for future in creates]

    assert waited == [7, 7, 7]
    assert (listed_meanwhile, read_meanwhile, were_answered) == ([], "not delayed", [False] * 3)
    assert answers == ["creator 0", "creator 1", "creator 2"]
    assert read(store, "lock") in answers
    assert create(cloud, "lock", "too late") == "FileAlreadyExists"


def test_a_race_lasts_real_seconds(cloud: LocalCloud, store: CosS3Client) -> None:
    del store
    control(cloud, "faults", [{"where": "cos.PutObject", "what": "race:0.2"}])
    before = time.monotonic()

    create(cloud, "lock", "body")

    assert time.monotonic() - before >= 0.2


def test_create_of_an_existing_key_is_refused_immediately(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    store.put_object(BUCKET, b"first", "lock")
    control(cloud, "faults", [{"where": "cos.PutObject", "what": "race:3600", "rate": 1}])

    assert create(cloud, "lock", "second") == "FileAlreadyExists"
    assert read(store, "lock") == "first"


def test_write_without_the_header_leaves_the_race_unused(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    race = {"where": "cos.PutObject", "what": "race:3600", "times": 1}
    control(cloud, "faults", [race])

    store.put_object(BUCKET, b"plain", "key")

    assert control(cloud, "faults") == [race]


def test_race_is_independent_of_other_faults(cloud: LocalCloud, store: CosS3Client) -> None:
    control(
        cloud,
        "faults",
        [
            {"where": "cos.PutObject", "what": "lost_reply"},
            {"where": "cos.PutObject", "what": "race:0"},
        ],
    )

    with pytest.raises(CosClientError):
        create(cloud, "lock", "body")

    assert control(cloud, "faults") == []
    assert read(store, "lock") == "body"


def test_late_listing_shows_an_earlier_state(cloud: LocalCloud, store: CosS3Client) -> None:
    now = [1000.0]
    cloud.cos.bucket(BUCKET).changes = Changes(lambda: now[0])
    for key in ("deleted", "grown", "kept"):
        store.put_object(BUCKET, b"old", key)
    before = store.list_objects(BUCKET)["Contents"]
    now[0] = 1010
    store.put_object(BUCKET, b"new", "a new key")
    store.put_object(BUCKET, b"overwritten", "grown")
    store.delete_object(BUCKET, "deleted")

    control(cloud, "faults", [{"where": "cos.GetBucket", "what": "lag:5", "rate": 1}])

    now[0] = 1012
    late = store.list_objects(BUCKET)["Contents"]
    first = store.list_objects(BUCKET, MaxKeys=1)
    rest = keys(store, Marker=first["NextMarker"])
    content = read(store, "grown")
    now[0] = 1016

    assert late == before
    assert [entry["Key"] for entry in first["Contents"]] == ["deleted"]
    assert rest == ["grown", "kept"]
    assert content == "overwritten"
    assert keys(store) == ["a new key", "grown", "kept"]


def test_late_listing_shows_the_change_later(cloud: LocalCloud, store: CosS3Client) -> None:
    control(cloud, "faults", [{"where": "cos.GetBucket", "what": "lag:0.2", "rate": 1}])
    store.put_object(BUCKET, b"x", "key")

    while not keys(store):
        time.sleep(0.02)

    assert keys(store) == ["key"]


def test_changes_are_undone_back_to_a_moment() -> None:
    now = [0.0]
    changes = Changes(lambda: now[0])
    first = describe("key", b"first", 0, {})
    for moment, previous in ((10, None), (20, first), (30, None)):
        now[0] = moment
        changes.note(b"key", previous)
    now[0] = 40

    undone = [changes.undone(seconds) for seconds in (10, 11, 21, 31)]

    without_content = replace(first, small=None)
    assert undone == [{}, {b"key": None}, {b"key": without_content}, {b"key": None}]


def test_changes_that_no_listing_can_lack_are_forgotten() -> None:
    now = [0.0]
    changes = Changes(lambda: now[0])
    changes.note(b"old", None)
    now[0] = 100

    changes.note(b"new", None)

    assert changes.undone(1000) == {b"new": None}


def test_fault_occurs_at_about_its_rate() -> None:
    faults = Faults()
    faults.replace([{"where": "cos.event", "what": "repeat", "rate": 0.25}])

    hits = sum(faults.take("cos.event") is not None for _ in range(1000))

    assert 200 < hits < 300
    assert faults.left() == [{"where": "cos.event", "what": "repeat", "rate": 0.25}]


def test_fault_waits_for_a_matching_call() -> None:
    faults = Faults()
    faults.replace([{"where": "scf.upload", "what": "kill:2", "times": 2}])

    taken = [faults.take("scf.upload", "drop"), faults.take("scf.upload", "kill")]

    assert taken == [None, "kill:2"]
    assert faults.left() == [{"where": "scf.upload", "what": "kill:2", "times": 1}]


@pytest.mark.parametrize(
    ("where", "params"),
    [
        ("scf.CreateTrigger", {"FunctionName": "f", "TriggerName": "t", "Type": "timer"}),
        ("scf.GetFunction", {"FunctionName": "f"}),
        ("cls.CreateTopic", {"LogsetId": "l", "TopicName": "t"}),
        ("cam.CreateRole", {"RoleName": "r", "PolicyDocument": "{}"}),
    ],
)
def test_action_of_the_control_plane_is_refused_with_the_code(
    where: str, params: dict[str, str]
) -> None:
    service, _, action = where.partition(".")
    with LocalCloud() as cloud, control_plane(cloud):
        fault = {"where": where, "what": "refuse:LimitExceeded.Quota", "times": 1}
        control(cloud, "faults", [fault])

        code = Api(cloud).refusal(service, action, **params)

    assert code == "LimitExceeded.Quota"


@pytest.mark.parametrize(
    ("service", "action", "params"),
    [
        ("vod", "DescribeTaskDetail", {"TaskId": "t", "SubAppId": 1}),
        ("mps", "CreateAigcImageTask", {"ModelName": "Hunyuan", "Prompt": "x"}),
    ],
)
def test_account_in_arrears_is_refused_every_task_and_every_query(
    cloud: LocalCloud, api: Api, service: str, action: str, params: dict[str, Any]
) -> None:
    code = "FailedOperation.UserArrears"
    control(cloud, "faults", [{"where": "account", "what": f"refuse:{code}", "rate": 1.0}])

    codes = [api.refusal(service, action, **params) for _ in range(2)]

    assert codes == [code, code]
    assert control(cloud, "tasks")["tasks"] == []


def test_request_to_a_function_cannot_be_refused_with_a_code() -> None:
    with pytest.raises(FaultError, match=r"allowed at scf\.upload"):
        Faults().replace([{"where": "scf.upload", "what": "refuse:LimitExceeded"}])


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"where": "vod", "what": "throttle"}, "where"),
        ({"where": CREATE, "what": "explode"}, "what"),
        ({"where": "vod.callback", "what": "throttle"}, "what"),
        ({"where": CREATE, "what": "task_failure"}, "what"),
        ({"where": CREATE, "what": "image"}, "what"),
        ({"where": CREATE, "what": "image:gif"}, "what"),
        ({"where": "vod.DescribeTasks", "what": "image:label"}, "what"),
        ({"where": CREATE, "what": "delay:long"}, "what"),
        ({"where": "cos.PutObject", "what": "race"}, "what"),
        ({"where": "cos.PutObject", "what": "lag:1"}, "what"),
        ({"where": "cos.GetObject", "what": "race:1"}, "what"),
        ({"where": "cos.GetBucket", "what": "lag:-1"}, "what"),
        ({"where": "cos.GetBucket", "what": "lag:61"}, "what"),
        ({"where": CREATE, "what": "throttle", "times": 0}, "times"),
        ({"where": CREATE, "what": "throttle", "rate": 1.5}, "rate"),
        ({"where": CREATE, "what": "throttle", "rate": 1, "times": 1}, "times"),
        ({"where": CREATE, "what": "throttle", "when": "now"}, "when"),
    ],
)
def test_entry_that_can_never_take_effect_is_refused(
    cloud: LocalCloud, entry: dict[str, Any], named: str
) -> None:
    good = {"where": CREATE, "what": "throttle", "times": 1}
    control(cloud, "faults", [good])

    answer = requests.put(f"{cloud.url}/_localcloud/faults", json=[good, entry], timeout=10)

    assert answer.status_code == 400
    assert "fault 1" in answer.json()["error"]
    assert named in answer.json()["error"]
    assert control(cloud, "faults") == [good]
