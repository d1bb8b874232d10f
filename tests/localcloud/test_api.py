"""API 3.0: authentication, valid parameters, and refusals."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.mps.v20190612.models import CreateAigcImageTaskRequest as MpsImageRequest
from tencentcloud.mps.v20190612.mps_client import MpsClient
from tencentcloud.vod.v20180717 import models
from tencentcloud.vod.v20180717.vod_client import VodClient

from localcloud.api import RateLimit
from tests.localcloud.clients import IMAGE, Api, credential, example, get, profile

if TYPE_CHECKING:
    from localcloud.cloud import LocalCloud


def test_the_documented_image_request_is_accepted_from_the_typed_client(
    cloud: LocalCloud, app: int
) -> None:
    client = VodClient(credential(cloud.keys.owner), "", profile(cloud))
    request = models.CreateAigcImageTaskRequest()
    request.from_json_string(json.dumps({**example("vod_image"), "SubAppId": app}))

    answer = client.CreateAigcImageTask(request)

    assert answer.TaskId.startswith(f"{app}-AigcImageTask-")


def test_the_documented_scene_request_is_accepted_from_the_typed_client(
    cloud: LocalCloud, app: int
) -> None:
    client = VodClient(credential(cloud.keys.owner), "", profile(cloud))
    request = models.CreateSceneAigcImageTaskRequest()
    request.from_json_string(json.dumps({**example("vod_scene_image"), "SubAppId": app}))

    answer = client.CreateSceneAigcImageTask(request)

    assert answer.TaskId.startswith(f"{app}-SceneAigcImageTask-")


def test_the_documented_mps_request_is_accepted_from_the_typed_client(cloud: LocalCloud) -> None:
    client = MpsClient(credential(cloud.keys.owner), "", profile(cloud))
    request = MpsImageRequest()
    request.from_json_string(json.dumps(example("mps_image")))

    answer = client.CreateAigcImageTask(request)

    assert answer.TaskId.startswith("4-AigcImage-")


def test_the_real_host_names_are_reached_through_the_proxy(cloud: LocalCloud) -> None:
    real = profile(cloud)
    real.httpProfile.endpoint = "vod.intl.tencentcloudapi.com"
    real.httpProfile.proxy = cloud.url
    client = VodClient(credential(cloud.keys.owner), "", real)

    answer = client.DescribeSubAppIds(models.DescribeSubAppIdsRequest())

    assert answer.TotalCount == 1


def test_a_wrong_key_is_refused(cloud: LocalCloud) -> None:
    unknown = replace(cloud.keys.owner, secret_id="AKIDstranger")  # noqa: S106
    wrong = replace(cloud.keys.owner, secret_key="wrong")  # noqa: S106

    codes = [Api(cloud, key).refusal("vod", "DescribeSubAppIds") for key in (unknown, wrong)]

    assert codes == ["AuthFailure.SecretIdNotFound", "AuthFailure.SignatureFailure"]


def test_a_clock_that_is_ten_minutes_off_is_refused(
    cloud: LocalCloud, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for skew in (-600, 600):
        now = time.time() + skew
        monkeypatch.setattr(cloud.clock, "now", lambda now=now: now)

        assert api.refusal("vod", "DescribeSubAppIds") == "AuthFailure.SignatureExpire"


def test_a_temporary_key_needs_its_token_and_its_time(cloud: LocalCloud) -> None:
    key = cloud.keys.issue("worker", expires_at=time.time() + 60)
    expired = cloud.keys.issue("worker", expires_at=time.time() - 1)

    codes = [
        Api(cloud, each).refusal("vod", "DescribeSubAppIds")
        for each in (key, replace(key, token=""), expired)
    ]

    assert codes == ["", "AuthFailure.TokenFailure", "AuthFailure.TokenFailure"]


FAULTY_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"Promt": "typo"}, "UnknownParameter"),
    ({"OutputConfig": {"Aspect": "1:1"}}, "UnknownParameter"),
    ({"FileInfos": [{"Typ": "Url"}]}, "UnknownParameter"),
    ({"ModelName": None}, "MissingParameter"),
    ({"SubAppId": None}, "MissingParameter"),
    ({"EnhancePrompt": True}, "InvalidParameter"),
    ({"SubAppId": "1500000001"}, "InvalidParameter"),
    ({"FileInfos": {"FileId": "1"}}, "InvalidParameter"),
    ({"FileInfos": ["1"]}, "InvalidParameter"),
    ({"Seed": 1.5}, "InvalidParameter"),
    ({"TasksPriority": "high"}, "InvalidParameter"),
    ({"TasksPriority": 11}, "InvalidParameterValue"),
    ({"OutputConfig": {"StorageMode": "Forever"}}, "InvalidParameterValue"),
    ({"Prompt": ""}, "InvalidParameter"),
]


def test_a_faulty_field_is_refused(api: Api, app: int) -> None:
    for change, code in FAULTY_FIELDS:
        params = {**IMAGE, "SubAppId": app, **change}
        assert api.refusal("vod", "CreateAigcImageTask", **params) == code, change

    assert api.vod("DescribeTasks", SubAppId=app)["TaskSet"] == []


def test_a_refusal_names_the_field_by_its_path(api: Api, app: int) -> None:
    files = [{"FileId": "1"}, {"FileId": 2}]
    scene = {"Type": "ai_try_on", "AiTryOnConfig": {}}

    with pytest.raises(TencentCloudSDKException, match=r"FileInfos\.1\.FileId"):
        api.image_task(app, FileInfos=files)
    with pytest.raises(TencentCloudSDKException, match=r"SceneInfo\.AiTryOnConfig\.\w+") as missing:
        api.vod("CreateSceneAigcImageTask", SubAppId=app, SceneInfo=scene)

    assert missing.value.code == "MissingParameter"


def test_an_unknown_action_and_one_that_this_cloud_lacks_are_refused(api: Api) -> None:
    assert api.refusal("vod", "CreateAigcImageTaks") == "InvalidAction"
    assert api.refusal("vod", "DescribeStorageData") == "UnsupportedOperation"


def test_more_than_twenty_calls_a_second_are_throttled(api: Api, app: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(lambda _: api.refusal("vod", "DescribeTasks", SubAppId=app), range(30))
        )

    assert 20 <= codes.count("") < 30  # a slow machine may need more than a second for all
    assert set(codes) == {"", "RequestLimitExceeded"}


def test_rate_limit_applies_to_any_second() -> None:
    now = 0.75
    limit = RateLimit(2, now=lambda: now)
    first = [limit.admits("a"), limit.admits("a"), limit.admits("a"), limit.admits("b")]

    now = 1.5
    within = limit.admits("a")
    now = 1.75
    later = limit.admits("a")

    assert first == [True, True, False, True]
    assert (within, later) == (False, True)


def test_a_refusal_is_http_200_with_the_content_type_that_the_sdk_demands(
    cloud: LocalCloud,
) -> None:
    answer = requests.post(
        cloud.url, json={}, headers={"Authorization": "TC3-HMAC-SHA256 x"}, timeout=10
    )

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.json()["Response"]["Error"]
    assert error["Code"] == "AuthFailure.InvalidAuthorization"


def test_signature_of_another_service_is_refused(cloud: LocalCloud) -> None:
    wrong = profile(cloud)
    wrong.httpProfile.endpoint = "live.tencentcloudapi.com"
    wrong.httpProfile.proxy = cloud.url
    client = VodClient(credential(cloud.keys.owner), "", wrong)

    with pytest.raises(TencentCloudSDKException) as refused:
        client.DescribeSubAppIds(models.DescribeSubAppIdsRequest())

    assert refused.value.code == "AuthFailure.SignatureFailure"


def signed_as_node_does(cloud: LocalCloud, service: str, host: str) -> dict[str, str]:
    """Sign a DescribeSubAppIds of VOD as the SDK for Node.js does: the host without its port."""
    now = int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    headers = f"content-type:application/json\nhost:{host}\n"
    digest = hashlib.sha256(b"{}").hexdigest()
    canonical = f"POST\n/\n\n{headers}\ncontent-type;host\n{digest}"
    scope = f"{date}/{service}/tc3_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"TC3{cloud.keys.owner.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hashed}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return {
        "Content-Type": "application/json",
        "X-TC-Action": "DescribeSubAppIds",
        "X-TC-Version": "2018-07-17",
        "X-TC-Timestamp": str(now),
        "Authorization": f"TC3-HMAC-SHA256 Credential={cloud.keys.owner.secret_id}/{scope}, "
        f"SignedHeaders=content-type;host, Signature={signature}",
    }


def test_signature_covers_the_host_and_the_service(cloud: LocalCloud) -> None:
    """The SDK for Node.js signs the host without its port, or takes the host's first label."""

    def answer(service: str, host: str) -> dict[str, Any]:
        headers = signed_as_node_does(cloud, service, host)
        answer = requests.post(cloud.url, data="{}", headers=headers, timeout=10)
        return dict(answer.json()["Response"])

    assert answer("vod", "127.0.0.1")["TotalCount"] == 1
    assert answer("127", "127.0.0.1")["TotalCount"] == 1
    assert answer("vod", "127.0.0.2")["Error"]["Code"] == "AuthFailure.SignatureFailure"
    assert answer("128", "127.0.0.1")["Error"]["Code"] == "UnsupportedOperation"


def test_an_unknown_version_is_refused(cloud: LocalCloud) -> None:
    client = CommonClient("vod", "2024-07-18", credential(cloud.keys.owner), "", profile(cloud))

    with pytest.raises(TencentCloudSDKException) as refused:
        client.call_json("DescribeSubAppIds", {})

    assert refused.value.code == "NoSuchVersion"


def test_an_unknown_host_is_answered_here_and_never_forwarded(cloud: LocalCloud) -> None:
    answer = get(cloud, "http://example.com/")

    assert answer.status_code == 404
    assert "example.com" in answer.json()["error"]


def test_tunnel_for_plain_http_is_accepted(cloud: LocalCloud) -> None:
    host = "vod.tencentcloudapi.com"
    tunnel = http.client.HTTPConnection("127.0.0.1", int(cloud.url.rpartition(":")[2]), timeout=10)
    tunnel.set_tunnel(host, 80)
    statuses = []
    for _ in range(2):
        headers = signed_as_node_does(cloud, "vod", host)
        tunnel.request("POST", "/", body="{}", headers=headers)
        statuses.append(json.loads(tunnel.getresponse().read())["Response"].get("TotalCount"))
    tunnel.close()

    assert statuses == [1, 1]


def test_a_tunnel_is_refused_with_advice(cloud: LocalCloud) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://vod.tencentcloudapi.com/", proxies={"https": cloud.url}, timeout=10)


def test_authorizer_gets_the_caller(cloud: LocalCloud, app: int) -> None:
    checked = []
    cloud.authorize = lambda caller, action, on: checked.append((caller.role, action, on))
    key = cloud.keys.issue("worker", expires_at=time.time() + 60)

    Api(cloud, key).vod("DescribeTasks", SubAppId=app)

    application = f"qcs::vod::uin/{cloud.account.uin}:subAppId/{app}"
    assert checked == [("worker", "vod:DescribeTasks", application)]
