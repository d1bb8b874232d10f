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
from localcloud.faults import Faults
from tests.localcloud.clients import BUCKET, IMAGE, Api, content_of, control, cos, get

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
    task = {**IMAGE, "SubAppId": app, "SessionId": "once"}
    repeated = api.refusal("vod", "CreateAigcImageTask", **task)
    assert repeated == "InvalidParameterValue.SessionId"
    [accepted] = control(cloud, "tasks")["tasks"]
    assert accepted["session_id"] == "once"


def test_a_call_that_breaks_before_its_effect_leaves_nothing(
    cloud: LocalCloud, api: Api, app: int
) -> None:
    faults = ("throttle", "http_500")
    control(cloud, "faults", [{"where": CREATE, "what": what, "times": 2} for what in faults])

    codes = []
    for _ in range(4):
        with pytest.raises(TencentCloudSDKException) as failed:
            api.image_task(app)
        codes.append(failed.value.code)

    assert codes == ["RequestLimitExceeded"] * 2 + ["ServerNetworkError"] * 2
    assert control(cloud, "tasks")["tasks"] == []
    assert api.image_task(app)


def test_fault_fails_a_task(cloud: LocalCloud, api: Api, app: int) -> None:
    what = "task_failure:InvalidParameter.VoilationContent"
    control(cloud, "faults", [{"where": CREATE, "what": what}])

    own = api.ended_task(app, api.image_task(app))["AigcImageTask"]

    assert (own["ErrCode"], own["ErrCodeExt"]) == (70000, "InvalidParameter.VoilationContent")
    assert "Input Prompt violates policy" in own["Message"]


def test_fault_adds_labels_to_an_image(cloud: LocalCloud, api: Api, app: int) -> None:
    for what, labels in (("image:label", ("tc260",)), ("image:c2pa", ("c2pa",))):
        for output_format in ("png", "jpeg"):
            control(cloud, "faults", [{"where": CREATE, "what": what}])
            created = api.image_task(app, OutputConfig={"OutputFormat": output_format})
            [file] = api.ended_task(app, created)["AigcImageTask"]["Output"]["FileInfos"]

            image = get(cloud, file["FileUrl"]).content

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
        read_meanwhile = content_of(store, "other")
        were_answered = [future.done() for future in creates]
        write_now.set()
        answers = [future.result() for future in creates]

    assert waited == [7, 7, 7]
    assert (listed_meanwhile, read_meanwhile, were_answered) == ([], b"not delayed", [False] * 3)
    assert answers == ["creator 0", "creator 1", "creator 2"]
    assert content_of(store, "lock").decode() in answers
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
    assert content_of(store, "lock") == b"first"


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
    assert content_of(store, "lock") == b"body"


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
    content = content_of(store, "grown")
    now[0] = 1016

    assert late == before
    assert [entry["Key"] for entry in first["Contents"]] == ["deleted"]
    assert rest == ["grown", "kept"]
    assert content == b"overwritten"
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
        changes.record(b"key", previous)
    now[0] = 40

    undone = [changes.previous_entries(seconds) for seconds in (10, 11, 21, 31)]

    without_content = replace(first, small=None)
    assert undone == [{}, {b"key": None}, {b"key": without_content}, {b"key": None}]


def test_changes_that_no_listing_can_lack_are_forgotten() -> None:
    now = [0.0]
    changes = Changes(lambda: now[0])
    changes.record(b"old", None)
    now[0] = 100

    changes.record(b"new", None)

    assert changes.previous_entries(1000) == {b"new": None}


def test_fault_occurs_at_about_its_rate() -> None:
    faults = Faults()
    faults.replace([{"where": "cos.event", "what": "repeat", "rate": 0.25}])

    hits = sum(faults.take("cos.event") is not None for _ in range(1000))

    assert 200 < hits < 300
    assert faults.remaining() == [{"where": "cos.event", "what": "repeat", "rate": 0.25}]


def test_fault_waits_for_a_matching_call() -> None:
    faults = Faults()
    faults.replace([{"where": "scf.upload", "what": "kill:2", "times": 2}])

    taken = [faults.take("scf.upload", "drop"), faults.take("scf.upload", "kill")]

    assert taken == [None, "kill:2"]
    assert faults.remaining() == [{"where": "scf.upload", "what": "kill:2", "times": 1}]


def test_action_of_the_control_plane_is_refused_with_the_code() -> None:
    calls = {
        "scf.CreateTrigger": {"FunctionName": "f", "TriggerName": "t", "Type": "timer"},
        "cls.CreateTopic": {"LogsetId": "l", "TopicName": "t"},
        "cam.CreateRole": {"RoleName": "r", "PolicyDocument": "{}"},
    }
    refusal = {"what": "refuse:LimitExceeded.Quota", "times": 1}
    with LocalCloud() as cloud, control_plane(cloud):
        control(cloud, "faults", [{"where": where, **refusal} for where in calls])

        codes = [Api(cloud).refusal(*where.split("."), **params) for where, params in calls.items()]

    assert codes == ["LimitExceeded.Quota"] * 3


def test_account_in_arrears_is_refused_every_task_and_every_query(
    cloud: LocalCloud, api: Api, app: int
) -> None:
    code = "FailedOperation.UserArrears"
    control(cloud, "faults", [{"where": "account", "what": f"refuse:{code}", "rate": 1.0}])

    for _ in range(2):
        query = api.refusal("vod", "DescribeTaskDetail", TaskId="t", SubAppId=app)
        task = api.refusal("mps", "CreateAigcImageTask", ModelName="Hunyuan", Prompt="x")
        assert (query, task) == (code, code)

    assert control(cloud, "tasks")["tasks"] == []


WITHOUT_EFFECT = (
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
    ({"where": "scf.upload", "what": "refuse:LimitExceeded"}, "what"),
    ({"where": CREATE, "what": "throttle", "times": 0}, "times"),
    ({"where": CREATE, "what": "throttle", "rate": 1.5}, "rate"),
    ({"where": CREATE, "what": "throttle", "rate": 1, "times": 1}, "times"),
    ({"where": CREATE, "what": "throttle", "when": "now"}, "when"),
)
"""Entries that can never take effect, and the field that the refusal names."""


def test_entry_that_can_never_take_effect_is_refused(cloud: LocalCloud) -> None:
    good = {"where": CREATE, "what": "throttle", "times": 1}
    control(cloud, "faults", [good])

    for entry, field in WITHOUT_EFFECT:
        answer = requests.put(f"{cloud.url}/_localcloud/faults", json=[good, entry], timeout=10)

        assert answer.status_code == 400, entry
        assert "fault 1" in answer.json()["error"]
        assert field in answer.json()["error"]
    assert control(cloud, "faults") == [good]
