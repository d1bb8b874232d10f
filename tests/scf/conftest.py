"""The emulated SCF with a fake cloud around it, and functions created from source text."""

from __future__ import annotations

import base64
import io
import json
import textwrap
import time
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from localcloud.core import Account, Caller, Clock, Keys
from localcloud.cos.events import Events
from localcloud.faults import Faults
from localcloud.scf.service import Scf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localcloud.server import Request, Response

SPEED = 200.0  # the minute between two tries of an event takes 0.3 s
PATIENCE_S = 60
"""For what happens at once on a quiet machine."""


class FakeStorage(Events):
    """The events and bucket names of COS."""

    buckets = frozenset({"inbox-1250000000"})

    def has_bucket(self, name: str) -> bool:
        return name in self.buckets


@dataclass
class FakeCloud:
    """The part of the cloud that SCF needs, without a server."""

    account: Account = field(default_factory=Account)
    clock: Clock = field(default_factory=lambda: Clock(SPEED))
    keys: Keys = field(default_factory=Keys)
    faults: Faults = field(default_factory=Faults)
    role_trusts: Callable[[str, str], bool] = field(default=lambda role, _: role == "worker")
    control_routes: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    url: str = "http://127.0.0.1:9"

    def __post_init__(self) -> None:
        self.cos = FakeStorage(self.clock, self.faults)


class FunctionTool:
    """Calls the API of functions like a client does; raises the API's errors."""

    def __init__(self, scf: Scf, cloud: FakeCloud) -> None:
        self.scf = scf
        self.cloud = cloud

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        return self.scf.call(action, params, Caller("owner"))

    def create(self, name: str, source: str, **params: Any) -> None:
        settings = {"Handler": "index.main_handler", "Runtime": "Python3.10", "Timeout": PATIENCE_S}
        code = {"ZipFile": zipped({"index.py": textwrap.dedent(source)})}
        self.call("CreateFunction", FunctionName=name, Code=code, **{**settings, **params})
        self.settle(name)

    def settle(self, name: str) -> None:
        """Wait until a function can be changed again, as every client must."""
        while self.call("GetFunction", FunctionName=name)["Status"] != "Active":
            time.sleep(0.01)

    def invoke(self, name: str, event: Any = None) -> Any:
        result = self.call("Invoke", FunctionName=name, ClientContext=json.dumps(event))["Result"]
        return json.loads(result["RetMsg"])

    def trigger(self, name: str, trigger: str, type_: str, desc: object) -> dict[str, Any]:
        text = desc if isinstance(desc, str) else json.dumps(desc)
        names = {"FunctionName": name, "TriggerName": trigger, "Type": type_}
        info: dict[str, Any] = self.call("CreateTrigger", TriggerDesc=text, **names)["TriggerInfo"]
        return info

    def url(self, name: str, **net: Any) -> str:
        desc = {"AuthType": "NONE", "NetConfig": {"EnableExtranet": True}, **net}
        description = json.loads(self.trigger(name, "url", "http", desc)["TriggerDesc"])
        return str(description["NetConfig"]["ExtranetUrl"])

    def counters(self, name: str) -> dict[str, Any]:
        counters: dict[str, Any] = self.scf.status()[name]
        return counters

    def wait(self, name: str, **wanted: int) -> dict[str, Any]:
        """Wait until a function's counters have reached these values; return all counters."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            counters = self.counters(name)
            if all(counters[key] >= value for key, value in wanted.items()):
                return counters
            time.sleep(0.01)
        pytest.fail(f"{name} has {self.counters(name)}, not {wanted}")


def zipped(files: dict[str, str]) -> str:
    """Return a package in the form that CreateFunction accepts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def functions() -> Iterator[FunctionTool]:
    cloud = FakeCloud()
    scf = Scf(cloud, max_instances=4)
    yield FunctionTool(scf, cloud)
    scf.stop()
    cloud.clock.stop()
