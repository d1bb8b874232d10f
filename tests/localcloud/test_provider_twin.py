"""The provider's twin sends the recorded requests of the real provider for this project's stack.

The recordings are of terraform-provider-tencentcloud 1.82.42, which the Pulumi package wraps. Each
begins with the creation of a whole stack; the twin creates the same stack in a local cloud.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aigc_cli.package import local_package
from localcloud.cloud import LocalCloud
from localcloud.control_plane import control_plane
from localcloud.provision import provision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localcloud.server import Request, Response

RECORDINGS = Path(__file__).parents[1] / "recordings"
CORS, LIFECYCLE = "cos PUT ?cors", "cos PUT ?lifecycle"
CONFIG = {
    "apiKeys": json.dumps({"test": hashlib.sha256(b"key").hexdigest()}),
    "callbackKey": "c" * 20,
    "mpsRole": "create",
    "namePrefix": "aigc-local-",
    "tags": '{"team": "art"}',
    "alarmReceivers": "[100000000002]",
    "reservedConcurrency": "512",
    "timeout": "30",
    # No function may run meanwhile and write to COS: the recording has the provider's traffic only.
    "sweepSchedule": "0 0 0 1 1 * *",
}


class RecordingCloud(LocalCloud):
    """Records the answered requests, with the fields of the recordings."""

    def __init__(self) -> None:
        super().__init__(speed=20)
        self.requests: list[dict[str, Any]] = []

    def answer(self, request: Request) -> Response:
        self.requests.append(_entry(request))
        return super().answer(request)


def _entry(request: Request) -> dict[str, Any]:
    action = request.headers.get("x-tc-action")
    if action is None:
        body = request.body.decode()
        return {
            "svc": "cos",
            "method": request.method,
            "host": request.host,
            "query": request.query,
            "req": re.sub(r"<\?xml.*\?>\s*", "", body),
        }
    service = request.headers["authorization"].split("/")[2]
    return {"svc": service, "action": action, "req": json.loads(request.body)}


def name(entry: dict[str, Any]) -> str:
    if entry["svc"] == "cos":
        return f"cos {entry['method']} ?{entry['query'].rstrip('=')}"
    return f"{entry['svc']}.{entry['action']}"


def paths(value: object, path: str = "") -> set[str]:
    """Return the paths of all fields of a request: `Condition.Rules.MetricName`."""
    if isinstance(value, dict):
        return {
            path,
            *(field for key, item in value.items() for field in paths(item, f"{path}.{key}")),
        }
    if isinstance(value, list):
        return {path, *(field for item in value for field in paths(item, path))}
    if isinstance(value, str) and re.match(r"<\w+(>| xmlns=)", value):
        return {path, *re.findall(r"<(\w+)", value)}
    return {path}


def shapes(entries: Iterable[dict[str, Any]]) -> dict[str, set[frozenset[str]]]:
    shapes: dict[str, set[frozenset[str]]] = {}
    for entry in entries:
        shapes.setdefault(name(entry), set()).add(frozenset(paths(entry["req"])))
    return shapes


def about_buckets(entries: Iterable[dict[str, Any]]) -> set[tuple[str, ...]]:
    """Return the requests about each bucket, in their order."""
    by_host: dict[str, list[str]] = {}
    for entry in entries:
        if entry["svc"] == "cos":
            by_host.setdefault(entry["host"], []).append(name(entry))
    return {tuple(names) for names in by_host.values()}


def with_later_rules(buckets: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Give the inbox the CORS rules that it has had since the recordings were made.

    The provider sets them at the same place as those of the results bucket, which were recorded.
    """
    changed = set()
    for names in buckets:
        if not {CORS, LIFECYCLE} & set(names):
            behind = names.index("cos PUT ?acl") + 1
            changed.add((*names[:behind], CORS, *names[behind:]))
        else:
            changed.add(names)
    return changed


def creation(recording: str) -> list[dict[str, Any]]:
    """Read a recording until the provider reads the account again, which begins the next plan."""
    lines = (RECORDINGS / recording).read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    again = next(
        index for index, entry in enumerate(entries) if index and name(entry) == "cam.GetUserAppId"
    )
    return entries[:again]


@pytest.mark.parametrize(
    ("recording", "endpoint"),
    [
        ("stack_function_url.jsonl", "function-url"),
        ("stack_api_gateway.jsonl", "api-gateway"),
    ],
)
def test_twin_creates_the_stack_with_the_requests_of_the_recording(
    recording: str, endpoint: str
) -> None:
    recorded = creation(recording)
    config = {**CONFIG, "packagePath": str(local_package()), "endpoint": endpoint}
    with RecordingCloud() as cloud, control_plane(cloud):
        provision(cloud, config)

    assert shapes(cloud.requests) == shapes(recorded)
    assert about_buckets(cloud.requests) == with_later_rules(about_buckets(recorded))
