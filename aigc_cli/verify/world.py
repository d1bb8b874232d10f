"""The account and the resources that checks share; resources are created at their first use."""

from __future__ import annotations

import base64
import io
import json
import threading
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree import ElementTree as ET

from aigc_cli.account import RefusalError
from aigc_cli.package import build_package, local_package
from aigc_cli.verify.check import DiffersError, SkipError, wait_for
from aigc_cli.wheels import SCF_PYTHON, scf_target
from infra.permissions import trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aigc_cli.account import Account
    from aigc_cli.verify.scratch import Scratch

Shared = TypeVar("Shared")

PROBE = Path(__file__).with_name("probe.py")
FUNCTION_TIMEOUT_S = 20
ACTIVE_WITHIN_S = 120
EVENTS = "events/"
"""The prefix whose objects invoke the probe."""

PREFIX = "aigc-verify"
"""The prefix of the names of all resources of a run."""


class World:
    """The account of a run, and the resources of the run."""

    def __init__(self, account: Account, scratch: Scratch) -> None:
        self.account = account
        self.scratch = scratch
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._shared: dict[str, Any] = {}
        self._guard = threading.Lock()

    @property
    def is_local(self) -> bool:
        """Whether this is a local cloud."""
        return bool(self.account.proxy)

    def name(self, part: str = "") -> str:
        """Return the name of a resource of this run."""
        return "-".join(filter(None, (PREFIX, self.scratch.run, part)))

    def shared(self, name: str, make: Callable[[], Shared]) -> Shared:
        """Return a value that the first caller makes; other callers wait for it."""
        with self._guard:
            lock = self._locks[name]
        with lock:
            if name not in self._shared:
                self._shared[name] = make()
            made: Shared = self._shared[name]
            return made

    def kept(self, name: str, make: Callable[[], Shared]) -> Shared:
        """Return a JSON value that is made once and kept in the state file."""

        def find_or_make() -> Shared:
            if self.scratch.noted(name) is None:
                self.scratch.note(name, make())
            noted: Shared = self.scratch.noted(name)
            return noted

        return self.shared(name, find_or_make)

    def sample(self, name: str, content: Any) -> None:
        """Keep an event of the cloud as a sample."""
        self.scratch.note(f"sample {name}", content)

    # COS

    @property
    def bucket(self) -> str:
        """A private bucket."""
        return self.new_bucket("main")

    @property
    def host(self) -> str:
        """The host name of the bucket."""
        return f"{self.bucket}.cos.{self.account.region}.myqcloud.com"

    def upload_in_one_part(self, key: str) -> None:
        """Upload an object by a multipart upload with one part."""
        cos = self.account.cos
        started = cos("POST", self.bucket, key, params={"uploads": ""})
        upload = ET.fromstring(started.body).findtext("UploadId") or ""
        params = {"partNumber": "1", "uploadId": upload}
        part = cos("PUT", self.bucket, key, params=params, body=b"part")
        document = (
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            f"<ETag>{part.headers['ETag']}</ETag></Part></CompleteMultipartUpload>"
        )
        cos("POST", self.bucket, key, params={"uploadId": upload}, body=document.encode())

    def new_bucket(self, part: str) -> str:
        """Return a bucket of this run; it is created at the first call with a name."""
        name = f"{self.name(part)}-{self.account.app_id}"

        def make() -> str:
            self.scratch.announce("bucket", name)
            answer = self.account.cos("PUT", name)
            if answer.status != 200 and answer.code != "BucketAlreadyOwnedByYou":
                raise SkipError(f"COS does not create a bucket: {answer}")
            return name

        return self.shared(f"bucket {part}", make)

    def listed(self, prefix: str) -> list[str]:
        """Return the first 1,000 keys below a prefix."""
        answer = self.account.cos("GET", self.bucket, params={"prefix": prefix})
        text = answer.body.decode()
        return [part.partition("</Key>")[0] for part in text.split("<Key>")[1:]]

    # CAM

    def role(self, part: str, document: Mapping[str, Any]) -> str:
        """Return a role that SCF may assume, with a policy."""
        name = self.name(part)

        def make() -> str:
            self.scratch.announce("role", name)
            self.scratch.announce("policy", name)
            cam = self.account
            self._unless_it_exists("CreateRole", RoleName=name, PolicyDocument=_TRUST)
            self._unless_it_exists(
                "CreatePolicy", PolicyName=name, PolicyDocument=json.dumps(document)
            )
            cam.api("cam", "AttachRolePolicy", AttachRoleName=name, PolicyName=name)
            return name

        return self.shared(f"role {part}", make)

    def _unless_it_exists(self, action: str, **params: Any) -> None:
        try:
            self.account.api("cam", action, **params)
        except RefusalError as error:
            if not error.code.endswith("InUse"):
                raise

    # SCF

    @property
    def probe(self) -> str:
        """The function that records its events; objects below `EVENTS` invoke it."""
        document = {"version": "2.0", "statement": [self._write_statement()]}
        return self.function("probe", self.role("probe", document))

    def function(self, part: str, role: str) -> str:
        """Return a function that runs `probe.py`; it is created at the first call with a name."""
        name = self.name(part)
        return self.shared(f"function {part}", lambda: self._create_function(name, role))

    def _create_function(self, name: str, role: str) -> str:
        self.scratch.announce("function", name)
        variables = {
            "BUCKET": self.bucket,
            "REGION": self.account.region,
            "PROTOCOL": self.account.protocol,
        }
        try:
            self.account.api(
                "scf",
                "CreateFunction",
                FunctionName=name,
                Handler="probe.main_handler",
                Runtime=f"Python{SCF_PYTHON}",
                Role=role,
                Timeout=FUNCTION_TIMEOUT_S,
                MemorySize=256,
                Code={"ZipFile": self.shared("zip", self._zip)},
                Environment={
                    "Variables": [{"Key": key, "Value": text} for key, text in variables.items()]
                },
            )
        except RefusalError as error:
            if error.code != "ResourceInUse.Function":
                raise
        self.wait_until_active(name)
        return name

    def wait_until_active(self, name: str) -> None:
        """Wait until SCF accepts changes of a function."""
        wait_for(
            lambda: self.account.api("scf", "GetFunction", FunctionName=name)["Status"] == "Active",
            ACTIVE_WITHIN_S,
            f"the function {name} is active",
        )

    def trigger(self, function: str, name: str, kind: str, desc: Any) -> dict[str, Any]:
        """Create a trigger and return its TriggerInfo."""
        text = desc if isinstance(desc, str) else json.dumps(desc)

        def create() -> dict[str, Any] | None:
            try:
                created = self.account.api(
                    "scf",
                    "CreateTrigger",
                    FunctionName=function,
                    TriggerName=name,
                    Type=kind,
                    TriggerDesc=text,
                    Enable="OPEN",
                )
            except RefusalError as error:
                if error.code == "FailedOperation.FunctionStatusError":
                    return None  # a check that runs at the same time changes the function
                if not error.code.startswith("ResourceInUse"):
                    raise
                return self.find_trigger(function, kind)
            info: dict[str, Any] = created["TriggerInfo"]
            return info

        return self.shared(
            f"trigger {function} {name} {kind} {text}",
            lambda: wait_for(create, ACTIVE_WITHIN_S, f"{function} accepts the trigger {name}"),
        )

    def find_trigger(self, function: str, kind: str) -> dict[str, Any]:
        """Return the function's trigger of this kind."""
        triggers = self.account.api("scf", "ListTriggers", FunctionName=function)["Triggers"]
        for trigger in triggers:
            if trigger["Type"] == kind:
                info: dict[str, Any] = trigger
                return info
        raise DiffersError(f"{function} has no {kind} trigger")

    @property
    def url(self) -> str:
        """The probe's Function URL."""
        desc = {
            "AuthType": "NONE",
            "NetConfig": {"EnableIntranet": False, "EnableExtranet": True},
        }
        return url_of(self.trigger(self.probe, "url", "http", desc))

    def invoke(self, function: str, event: Any) -> Any:
        """Invoke a function, and return what it returns."""
        result = self.account.api(
            "scf",
            "Invoke",
            FunctionName=function,
            InvocationType="RequestResponse",
            ClientContext=json.dumps(event),
        )["Result"]
        return json.loads(result["RetMsg"])

    def watch_events(self) -> None:
        """Create the trigger by which objects below `EVENTS` invoke the probe, with one retry."""
        host = self.host
        desc = {"bucketUrl": host, "event": "cos:ObjectCreated:*", "filter": {"Prefix": EVENTS}}
        self.trigger(self.probe, host, "cos", desc)

        def one_repeat() -> bool:
            config = {"RetryConfig": [{"RetryNum": 1}], "MsgTTL": 3600}
            self.account.api(
                "scf",
                "UpdateFunctionEventInvokeConfig",
                FunctionName=self.probe,
                AsyncTriggerConfig=config,
            )
            return True

        self.shared("one repeat", one_repeat)

    def seen(self, text: str) -> list[dict[str, Any]]:
        """Return the records of the probe whose event contains a text, in order."""
        notes: dict[str, dict[str, Any]] = self.shared("notes", dict)
        for key in self.listed("seen/"):
            if key not in notes:
                answer = self.account.cos("GET", self.bucket, key)
                if answer.status == 200:
                    notes[key] = json.loads(answer.body)
        return [
            notes[key]
            for key in sorted(notes)
            if text in json.dumps(notes[key]["event"], ensure_ascii=False)
        ]

    def _write_statement(self) -> dict[str, Any]:
        scope = f"qcs::cos:{self.account.region}:uid/{self.account.app_id}:{self.bucket}/*"
        return {"effect": "allow", "action": ["name/cos:PutObject"], "resource": [scope]}

    def _zip(self) -> str:
        """Return the package of the functions with the probe added, in Base64 for the API."""
        package = (
            local_package()
            if self.is_local
            else build_package(Path(__file__).resolve().parents[2] / "dist", scf_target())
        )
        content = io.BytesIO(package.read_bytes())
        with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("probe.py", PROBE.read_text())
        return base64.b64encode(content.getvalue()).decode()


def url_of(trigger: Mapping[str, Any]) -> str:
    """Return the address of a Function URL."""
    return str(json.loads(trigger["TriggerDesc"])["NetConfig"]["ExtranetUrl"]).rstrip("/")


_TRUST = trust("scf.qcloud.com")
