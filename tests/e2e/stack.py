"""The whole system in a separate process, used by HTTP calls and uploads, like a user does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from qcloud_cos import CosConfig, CosS3Client

from aigc_cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "aigc_cli" / "samples"
SPEED = 30
"""Cloud time passes so much faster in the system that the modules share."""
PATIENCE_S = 240
GROWTH, SLOWEST_S = 1.25, 1.0
"""How the pauses between queries grow, and up to where: a query costs CPU time on both sides."""
KEPT = (
    "jobs/",
    "index/",
    "images/",
    "usage/",
    "deliveries/",
    "dead/",
    "keys/",
    "quota/",
    "handouts/",
    "sweep/",
    "uploads/",
    "inbox/",
)
"""Prefixes of the keys that the ledger keeps after all jobs have ended."""


@dataclass
class Stack:
    """A client of a running `aigc local`, or of a local cloud in this process."""

    connection: dict[str, Any]
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)
    """The whole log, which grows while the system runs."""
    log_start: int = 0
    earlier_tasks: int = 0
    earlier_jobs: frozenset[str] = frozenset()
    """The keys of the records that `jobs` leaves out."""
    _records: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Key → ETag and content of a record, so that only what has changed is read again."""

    @property
    def log(self) -> list[str]:
        """The log from `log_start` on."""
        return self.lines[self.log_start :]

    def from_now(self) -> Stack:
        """Return a client of the same system whose log, tasks and jobs begin now."""
        return replace(
            self,
            log_start=len(self.lines),
            earlier_tasks=len(self.books()["tasks"]),
            earlier_jobs=frozenset(self._list("ledger", "jobs/")),
        )

    def is_idle(self) -> bool:
        """Return whether no lane has a job that runs or waits."""
        lanes = self.get("/v1/lanes").json()["lanes"]
        return not any(lane["in_use"] or lane["waiting"] for lane in lanes)

    @property
    def gateway(self) -> str:
        return str(self.connection["gateway"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.connection['api_key']}"}

    def cos(self) -> CosS3Client:
        """Return the official COS client with the owner's credentials."""
        config = CosConfig(
            Region=self.connection["region"],
            SecretId=self.connection["secret_id"],
            SecretKey=self.connection["secret_key"],
            Scheme="http",
            EnableOldDomain=True,
            Proxies={"http": self.connection["cloud"]},
        )
        return CosS3Client(config)

    def upload(self, key: str, data: bytes, **metadata: str) -> None:
        self.cos().put_object(
            Bucket=self.connection["buckets"]["inbox"], Key=key, Body=data, Metadata=metadata
        )

    def call(self, endpoint: str, body: object, **headers: str) -> requests.Response:
        url = f"{self.gateway}/{endpoint}"
        return requests.post(url, json=body, headers=self.headers | headers, timeout=60)

    def get(self, url: str) -> requests.Response:
        url = url if url.startswith("http") else f"{self.gateway}{url}"
        return requests.get(url, headers=self.headers, timeout=60)

    def ended(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Wait until a submitted request has ended; return its last status."""
        last: dict[str, Any] = wait_for(lambda: self._ended(answer["status_url"]))
        return last

    def _ended(self, url: str) -> dict[str, Any] | None:
        response = self.get(url)
        assert response.status_code in {200, 202}, response.text
        return dict(response.json()) if response.status_code == 200 else None

    def ledger(self, prefix: str = "") -> dict[str, int]:
        """List the ledger: key → bytes."""
        return self._list("ledger", prefix)

    def results(self, prefix: str = "") -> dict[str, int]:
        """List the results bucket: key → bytes."""
        return self._list("results", prefix)

    def result(self, key: str) -> bytes:
        """Read an object of the results bucket."""
        answer = self.cos().get_object(Bucket=self.connection["buckets"]["results"], Key=key)
        data: bytes = answer["Body"].get_raw_stream().read()
        return data

    def jobs(self) -> list[dict[str, Any]]:
        """Read the records of the ledger that are not of an earlier module."""
        entries = self._entries("ledger", "jobs/")
        return [
            json.loads(self._record(entry["Key"], entry["ETag"]))
            for entry in entries
            if entry["Key"] not in self.earlier_jobs
        ]

    def _record(self, key: str, etag: str) -> bytes:
        known = self._records.get(key)
        if known is None or known[0] != etag:
            bucket = self.connection["buckets"]["ledger"]
            body = self.cos().get_object(Bucket=bucket, Key=key)["Body"]
            known = self._records[key] = (etag, body.get_raw_stream().read())
        return known[1]

    def leftovers(self) -> list[str]:
        """List the keys in the ledger that must disappear when all jobs have ended."""
        return [key for key in self._list("ledger", "") if not key.startswith(KEPT)]

    def _list(self, bucket: str, prefix: str) -> dict[str, int]:
        return {entry["Key"]: int(entry["Size"]) for entry in self._entries(bucket, prefix)}

    def _entries(self, bucket: str, prefix: str) -> list[dict[str, str]]:
        entries: list[dict[str, str]] = []
        marker = ""
        while True:
            page = self.cos().list_objects(
                Bucket=self.connection["buckets"][bucket], Prefix=prefix, Marker=marker
            )
            entries += page.get("Contents", [])
            if page["IsTruncated"] != "true":
                return entries
            marker = page["NextMarker"]

    def books(self) -> dict[str, Any]:
        """Read the local cloud's own records: every task, and the highest number at once."""
        url = f"{self.connection['cloud']}/_localcloud/tasks"
        return dict(requests.get(url, timeout=30).json())

    def tasks(self) -> list[dict[str, Any]]:
        """Read the accepted tasks that are not of an earlier module, oldest first."""
        return list(self.books()["tasks"][self.earlier_tasks :])

    def fault(self, where: str, what: str, times: int = 1) -> None:
        self.faults({"where": where, "what": what, "times": times})

    def faults(self, *entries: dict[str, Any]) -> None:
        """Replace the faults of the local cloud."""
        url = f"{self.connection['cloud']}/_localcloud/faults"
        response = requests.put(url, json=entries, timeout=30)
        assert response.status_code == 200, response.text

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)


def wait_for(query: Callable[[], Any], patience_s: float = PATIENCE_S, every_s: float = 0.2) -> Any:
    """Repeat a query, after ever longer pauses, until its result is true; return the result."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        result = query()
        if result:
            return result
        time.sleep(every_s)
        every_s = max(every_s, min(SLOWEST_S, GROWTH * every_s))
    raise AssertionError(f"no result after {patience_s} s")


def command(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run `aigc` in this process; return its status and what it wrote to stdout."""
    return cli.main(line.split()), capsys.readouterr().out


@contextlib.contextmanager
def running(*options: str) -> Iterator[Stack]:
    """Run `aigc local --json` and wait until it prints that it is ready."""
    command = [sys.executable, "-m", "aigc_cli", "local", "--json", "--port", "0", *options]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
        reader.start()
        try:
            line = process.stdout.readline()
            assert line, "aigc local ended before it was ready:\n" + "".join(lines[-40:])
            yield Stack(json.loads(line), process, lines)
        finally:
            process.terminate()
            process.wait(30)


def _collect(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stderr is not None
    lines.extend(process.stderr)
