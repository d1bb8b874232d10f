"""The recorded requests of the real provider, signed again and sent in order to a local cloud.

`tests/recordings/stack_*.jsonl` has what terraform-provider-tencentcloud 1.82.42 sent while our
stack was created, planned, changed and destroyed, behind a Function URL and behind API Gateway.
There are no answers, only their status and error code. The id of a created resource is read from
the later requests that contain it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import requests
from qcloud_cos import CosConfig, CosS3Auth
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

if TYPE_CHECKING:
    from localcloud.cloud import LocalCloud

RECORDINGS = Path(__file__).parents[1] / "recordings"
OUR_STACKS = ("stack_function_url", "stack_api_gateway")

# Creation → field of its answer, and the later request that contains the id.
SHOWN: dict[str, tuple[str, str, str]] = {
    "apigateway.CreateApi": ("Result.ApiId", "apigateway.DescribeApi", "ApiId"),
    "apigateway.CreateService": ("ServiceId", "apigateway.DescribeService", "ServiceId"),
    "cls.CreateAlarmNotice": (
        *("AlarmNoticeId", "cls.DescribeAlarmNotices"),
        "Filters.0.Values.0",
    ),
    "cls.CreateLogset": ("LogsetId", "cls.CreateTopic", "LogsetId"),
    "cls.CreateTopic": ("TopicId", "cls.CreateIndex", "TopicId"),
    "monitor.CreateAlarmNotice": ("NoticeId", "monitor.DescribeAlarmNotices", "NoticeIds.0"),
    "monitor.CreateAlarmPolicy": ("PolicyId", "monitor.DescribeAlarmPolicy", "PolicyId"),
    "vod.CreateSubAppId": ("SubAppId", "vod.ModifySubAppIdStatus", "SubAppId"),
}
# Creation → field of its answer, and the first of the numbers, which were consecutive.
NUMBERED = {
    "cam.CreatePolicy": ("PolicyId", 427900001),
    "cam.CreateRole": ("RoleId", 4611686018427900001),
}
MODIFY = "cls.ModifyAlarm"
# The functions' descriptions contained characters that SCF does not document.
REWORDED = {
    "HTTP API and VOD's callbacks": "HTTP API and callbacks of VOD.",
    "Uploads become jobs;": "Uploads become jobs,",
}


@dataclass(frozen=True)
class Recorded:
    """One line of the recording."""

    line: int
    content: dict[str, Any]

    @property
    def ids(self) -> dict[str, str]:
        """The path of each id in the answer, with the id in the recorded answer."""
        return dict(self.content.get("ids", {}))

    @property
    def is_cos(self) -> bool:
        return bool(self.content["svc"] == "cos")

    @property
    def name(self) -> str:
        """`scf.GetFunction`, or `GET ?acl`."""
        content = self.content
        if self.is_cos:
            return f"{content['method']} {content['path']}?{content['query'].rstrip('=')}"
        return f"{content['svc']}.{content['action']}"


@dataclass(frozen=True)
class Answer:
    """The answer of the local cloud; an API's error has a code."""

    code: str = ""
    content: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def recording(name: str) -> list[Recorded]:
    lines = [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines()]
    _add_ids(lines)
    return [Recorded(number, line) for number, line in enumerate(lines, 1)]


def _add_ids(lines: list[dict[str, Any]]) -> None:
    """Add to each creation the id in its answer, which later requests show."""
    calls = [(f"{line['svc']}.{line['action']}", line) for line in lines if line["svc"] != "cos"]
    alarms = {call["req"]["Name"]: call["req"]["AlarmId"] for name, call in calls if name == MODIFY}
    numbers: Counter[str] = Counter()
    for name, line in calls:
        numbers[name] += 1
        if name in SHOWN:
            field_name, later, path = SHOWN[name]
            shown = next(_at(other["req"], path) for action, other in calls if action == later)
            line["ids"] = {field_name: str(shown)}
        elif name in NUMBERED:
            field_name, first = NUMBERED[name]
            line["ids"] = {field_name: str(first + numbers[name] - 1)}
        elif name == "cls.CreateAlarm":
            line["ids"] = {"AlarmId": alarms[line["req"]["Name"]]}


def _zip() -> str:
    """Return code for a function: the recordings contain none."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("gateway.py", "def main_handler(event, context):\n    return None\n")
    return base64.b64encode(content.getvalue()).decode()


class Replay:
    """Sends recorded requests to a local cloud as its owner."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._live: dict[str, str] = {}
        self._code = _zip()

    def send(self, recorded: Recorded) -> Answer:
        if recorded.is_cos:
            return self._send_cos(recorded.content)
        return self._send_api(recorded)

    def _send_api(self, recorded: Recorded) -> Answer:
        content = recorded.content
        params = json.loads(self._translated(json.dumps(content["req"])))
        answer = call_until_admitted(self._client(content), content["action"], params)
        for path, id_ in recorded.ids.items():
            self._live[id_] = str(_at(answer.content, path))
        return answer

    def _translated(self, text: str) -> str:
        """Replace the recorded ids with those of this cloud, and add code."""
        text = re.sub("<zip [^>]*>", self._code, text)
        for old, new in REWORDED.items():
            text = text.replace(old, new)
        if not self._live:
            return text
        return re.sub("|".join(self._live), lambda match: self._live[match[0]], text)

    def _client(self, content: dict[str, Any]) -> CommonClient:
        owner = self._cloud.keys.owner
        http = HttpProfile(
            protocol="http",
            endpoint=f"{content['svc']}.tencentcloudapi.test",
            proxy=self._cloud.url,
        )
        return CommonClient(
            content["svc"],
            self._cloud.services[content["svc"]].version,
            Credential(owner.secret_id, owner.secret_key),
            content["region"],
            ClientProfile(httpProfile=http, language="en-US"),
        )

    def _send_cos(self, content: dict[str, Any]) -> Answer:
        url = f"http://{content['host']}{content['path']}"
        body = content["req"].encode()
        headers = {"Host": content["host"], **content["headers"]}
        request = requests.Request(
            content["method"], f"{url}?{content['query']}", headers=headers, data=body
        ).prepare()
        self._sign(request, content)
        with requests.Session() as session:
            sent = session.send(request, proxies={"http": self._cloud.url}, timeout=10)
        code = re.search(rb"<Code>(\w+)</Code>", sent.content)
        return Answer(code[1].decode() if code else "", {}, sent.status_code, dict(sent.headers))

    def _sign(self, request: requests.PreparedRequest, content: dict[str, Any]) -> None:
        """Sign like the recorded client: the provider uses two."""
        owner = self._cloud.keys.owner
        if content["auth"].startswith("AWS4"):
            sign_as_aws(request, content, owner.secret_id, owner.secret_key)
            return
        config = CosConfig(
            Region="ap-guangzhou", SecretId=owner.secret_id, SecretKey=owner.secret_key
        )
        params = {name: "" for name in [content["query"].rstrip("=")] if name}
        CosS3Auth(config, key=unquote(content["path"]), params=params)(request)


def _at(content: Any, path: str) -> Any:
    """Follow a path of names, and of indexes of lists."""
    value = content
    for name in path.split("."):
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def call_until_admitted(client: CommonClient, action: str, params: dict[str, Any]) -> Answer:
    """Make a call; repeat it when the API throttles, as the provider does."""
    while True:
        try:
            return Answer("", client.call_json(action, params)["Response"])
        except TencentCloudSDKException as error:
            if error.code != "RequestLimitExceeded":
                return Answer(str(error.code))
        time.sleep(0.1)


def sign_as_aws(
    request: requests.PreparedRequest, content: dict[str, Any], secret_id: str, secret_key: str
) -> None:
    """Sign with AWS4-HMAC-SHA256, as aws-sdk-go does.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(content["req"].encode()).hexdigest()
    request.headers.update({"x-amz-date": stamp, "x-amz-content-sha256": payload})
    signed = sorted(name.lower() for name in request.headers if name.lower().startswith("x-amz"))
    names = ["host", *signed]
    query = content["query"]
    if query and not query.endswith("="):
        query += "="
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in names)
    canonical = "\n".join(
        [
            *(content["method"], quote(unquote(content["path"])), query, lines),
            *(";".join(names), payload),
        ]
    )
    scope = f"{stamp[:8]}/ap-guangzhou/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(
        key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256"
    ).hex()
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={secret_id}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
