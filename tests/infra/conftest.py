"""The program under recording mocks, and the package that all tests share."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from pulumi.runtime import resource as pulumi_resource
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import source_pb2

from infra.config import SECRETS, StackConfig
from infra.deployed import READ_STATE
from infra.stack import deploy
from localcloud.provider_inputs import unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pulumi.runtime.proto import resource_pb2

RULES = {
    "rule": [
        {"name": name, "prefix": f"in/{name}/", "kind": "vod.image", "task": task}
        for name in ("anime", "art")
        for task in [{"model_name": "GG", "model_version": "3.0", "prompt": "Redraw it"}]
    ]
}
LONG_KEYS = {f"{'customer-' * 11}{number:02}": f"{number:064x}" for number in range(20)}
"""API keys whose names and digests nearly fill the environment of a function."""
ENDPOINT = "https://1250000000-abc.ap-guangzhou.tencentscf.com"
BUCKETS = ("mine-1250000000", "yours-1250000000", "in-1250000000", "photos-1250000000")
"""The buckets that exist in the account."""
MPS_ROLE_ID = "4611686018427900001"
MPS_ROLE = {
    "roleId": MPS_ROLE_ID,
    "name": "MPS_QcsRole",
    "description": "made in the console",
    "document": "{}",
    "consoleLogin": False,
    "createTime": "",
    "updateTime": "",
}


@dataclass
class Declared:
    """A declared resource."""

    type: str
    name: str
    inputs: dict[str, Any]
    options: resource_pb2.RegisterResourceRequest


@dataclass
class Recorder(pulumi.runtime.Mocks):
    """Answers like the provider, and records the requests."""

    mps_role: dict[str, Any] | None = field(default_factory=lambda: MPS_ROLE)
    deployed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name → outputs of the resources in Pulumi's state."""
    live_triggers: list[dict[str, str]] | None = None
    """The triggers that SCF reports for any function; None makes SCF refuse."""
    functions: Sequence[dict[str, Any]] = ()
    """The functions in the account, with their triggers."""
    lifecycle_rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Existing bucket → its lifecycle rules."""
    raw_inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports_triggers: bool = True
    """Whether the outputs of a created function contain its triggers."""
    refuse_invokes: bool = False
    """Whether the provider refuses every read, as with wrong credentials."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.raw_inputs[args.name] = args.inputs
        inputs = unwrapped(args.inputs)
        ids = {"SubApplication": f"{inputs.get('name')}#1500000001", "Policy": "427900001"}
        outputs = _outputs(inputs) if self.reports_triggers else {"triggerInfos": []}
        return ids.get(args.typ.rpartition(":")[2], args.name), {**inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[Any]]:
        if self.refuse_invokes and args.token != READ_STATE:
            return {}, [("", "AuthFailure.SecretIdNotFound:\nthere is no such key")]
        question = args.token.rpartition(":")[2]
        if question == "getTriggers" and self.live_triggers is None:
            return {}, [("functionName", "there is no such function")]
        buckets = [
            {"bucket": name, "lifecycleRules": self.lifecycle_rules.get(name, [])}
            for name in BUCKETS
            if name == args.args.get("bucketPrefix")
        ]
        answers: dict[str, dict[str, Any]] = {
            "readStackResourceOutputs": {"outputs": self._state()},
            "getInfo": {"appId": "1250000000", "uin": "1", "ownerUin": "1", "name": "me"},
            "getTriggers": {"triggers": self.live_triggers or []},
            "getBuckets": {"bucketLists": buckets},
            "getFunctions": {"functions": self.functions},
            "getRoles": {"roleLists": [self.mps_role] if self.mps_role else []},
        }
        return {"id": question, **answers[question]}, []

    def _state(self) -> dict[str, Any]:
        return {
            f"urn:pulumi:dev::aigc-functions::tencentcloud:T/t:T::{name}": {
                "type": "tencentcloud:T/t:T",
                "outputs": outputs,
            }
            for name, outputs in self.deployed.items()
        }


class Monitor(MockMonitor):
    """Records the options of resources, which mocks do not get."""

    def __init__(self, mocks: Recorder) -> None:
        super().__init__(mocks)
        self.declared: dict[str, Declared] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  Pulumi's name
        answer = super().RegisterResource(request)
        inputs = unwrapped(self.mocks.raw_inputs.get(request.name, {}))  # type: ignore[attr-defined]
        self.declared[request.name] = Declared(request.type, request.name, inputs, request)
        return answer


@dataclass
class Deployment:
    """The declared resources and the exports of one run of the program."""

    declared: dict[str, Declared]
    raw_inputs: dict[str, dict[str, Any]]
    exports: dict[str, Any]

    def of_type(self, suffix: str) -> dict[str, Declared]:
        return {
            name: resource
            for name, resource in self.declared.items()
            if resource.type.endswith(suffix)
        }


@pytest.fixture(scope="session", autouse=True)
def _no_source_positions() -> Iterator[None]:
    """Keep Pulumi from reading the whole stack for each resource, which no test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi_resource, "_get_stack_trace", source_pb2.StackTrace)
        yield


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip that contains only rules: the program reads nothing else."""
    path: Path = tmp_path_factory.mktemp("dist") / "aigc-functions-0123456789ab.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rules.json", json.dumps(RULES))
    return path


@pytest.fixture
def valid_config(package: Path) -> dict[str, str]:
    """A valid configuration as strings, the form in which Pulumi keeps it."""
    return {
        "packagePath": str(package),
        "apiKeys": json.dumps({"me": hashlib.sha256(b"key").hexdigest()}),
        "callbackKey": "c" * 20,
    }


@pytest.fixture
def run(valid_config: dict[str, str]) -> Callable[..., Deployment]:
    """Return a function that runs the program with changes to the valid configuration."""

    def run(  # noqa: PLR0913  each with a default
        *,
        mps_role: dict[str, Any] | None = MPS_ROLE,
        preview: bool = False,
        secret_keys: Sequence[str] = tuple(SECRETS),
        deployed: dict[str, dict[str, Any]] | None = None,
        live_triggers: list[dict[str, str]] | None = None,
        functions: Sequence[dict[str, Any]] = (),
        lifecycle_rules: dict[str, list[dict[str, Any]]] | None = None,
        refuse_invokes: bool = False,
        reports_triggers: bool = True,
        **changes: str,
    ) -> Deployment:
        recorder = Recorder(
            mps_role, deployed or {}, live_triggers=live_triggers, functions=functions
        )
        recorder.lifecycle_rules = lifecycle_rules or {}
        recorder.refuse_invokes = refuse_invokes
        recorder.reports_triggers = reports_triggers
        monitor = Monitor(recorder)
        config = {
            f"aigc-functions:{key}": value for key, value in {**valid_config, **changes}.items()
        }
        pulumi.runtime.set_all_config(
            {**config, "tencentcloud:region": "ap-guangzhou"},
            [f"aigc-functions:{key}" for key in secret_keys],
        )
        pulumi.runtime.set_mocks(
            recorder, project="aigc-functions", stack="dev", preview=preview, monitor=monitor
        )
        exports: dict[str, Any] = {}

        def program() -> pulumi.Output[None]:
            deploy(StackConfig.load())
            stack: Any = pulumi.runtime.get_root_resource()
            return pulumi.Output.all(**stack.outputs).apply(exports.update)

        pulumi.runtime.test(program)()
        return Deployment(monitor.declared, recorder.raw_inputs, exports)

    return run


def _outputs(inputs: dict[str, Any]) -> dict[str, Any]:
    if "serviceName" in inputs:
        return {"outerSubDomain": "service-1.gz.apigw.tencentcs.com"}
    infos = [
        {
            "name": _reported_name(trigger),
            "type": trigger["type"],
            "triggerDesc": _reported(trigger),
        }
        for trigger in inputs.get("triggers", [])
    ]
    return {"triggerInfos": infos} if infos else {}


def _reported(trigger: dict[str, Any]) -> str:
    if trigger["type"] != "http":
        return str(trigger["triggerDesc"])
    desc = json.loads(trigger["triggerDesc"])
    desc["NetConfig"]["ExtranetUrl"] = ENDPOINT
    return json.dumps(desc)


def _reported_name(trigger: dict[str, Any]) -> str:
    if trigger["type"] != "cos":
        return str(trigger["name"])
    return f"{trigger['name']}.cos.{trigger['cosRegion']}.myqcloud.com"
