"""A ceiling under many uploads at once, with real processes that are killed and lose replies."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from aigc.bootstrap import HAS_CEILINGS
from aigc_cli.cli import main
from aigc_cli.connection import connection_file
from aigc_cli.local_stack import local_stack
from aigc_cli.package import local_package
from aigc_cli.prices import load_prices
from tests.chaos.audit import ACTIONS
from tests.chaos.run import RECONCILE_AFTER_S, shorten_lease
from tests.e2e.stack import ROOT, SAMPLES, Stack, wait_for
from tests.e2e.tasks import IMAGE
from tests.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UPLOADS, CEILING, SLOTS = size(15, full=1000), size(5, full=100), 4
PATIENCE_S = size(240, full=3000)
SPEED = 30
PHOTO = (SAMPLES / "cat.jpg").read_bytes()
PRICES = f"""
[[ceiling]]
scope = "uploads"
period = "month"
images = {CEILING}
"""


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    package = with_prices(local_package(), tmp_path)
    lanes = dict.fromkeys(ACTIONS, SLOTS)
    changes = {"packagePath": str(package), "lanes": json.dumps(lanes)}
    limits = dict.fromkeys(ACTIONS.values(), SLOTS)
    with local_stack(speed=SPEED, timeout_s=10, limits=limits, changes=changes) as stack:
        for function in stack.outputs.functions.values():
            shorten_lease(stack, function, 12, RECONCILE_AFTER_S / SPEED)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        connection_file().write_text(json.dumps(stack.connection))
        yield Stack(stack.connection)


def with_prices(package: Path, folder: Path) -> Path:
    """Copy the zip with other prices; a build would take five seconds of CPU time."""
    source = folder / "prices.toml"
    source.write_text(PRICES)
    content = {
        "prices.json": load_prices(source).model_dump_json(),
        HAS_CEILINGS.relative_to(ROOT / "functions").as_posix(): "",
    }
    target = folder / "priced.zip"
    with zipfile.ZipFile(package) as archive, zipfile.ZipFile(target, "w") as copy:
        for entry in archive.infolist():
            if entry.filename not in content:
                copy.writestr(entry, archive.read(entry), compresslevel=1)
        for name, text in content.items():
            copy.writestr(name, text)
    return target


@pytest.mark.sized
def test_a_ceiling_holds_for_many_uploads_at_once(
    limited: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_for(lambda: limited.ledger("inbox/deployed.json"))  # older uploads are an archive
    limited.faults(
        {"where": "cos.PutObject", "what": "lost_reply", "rate": size(4, full=2) / 100},
        {"where": "scf.upload", "what": "kill:0.3", "rate": size(10, full=5) / 100},
        {"where": "cos.event", "what": "repeat", "rate": 0.2},
    )
    folders = ("anime", "product", "sketch")
    with ThreadPoolExecutor(size(4, full=12)) as pool:
        keys = [f"{folders[number % 3]}/{number}.jpg" for number in range(UPLOADS)]
        list(pool.map(lambda key: limited.upload(key, PHOTO), keys))
    wait_for(lambda: len(uploaded(limited)) >= 2 * CEILING, PATIENCE_S, every_s=2)
    limited.faults()

    # SCF gives up an event whose function dies three times; the sweep finds these uploads.
    wait_for(lambda: is_settled(limited), PATIENCE_S, every_s=2)
    call = limited.call("tencent-vod/v1/aigc-image", IMAGE).json()

    assert limited.ended(call)["status"] == "COMPLETED"
    ends = Counter(job["state"] for job in uploaded(limited))
    assert ends == {"succeeded": CEILING, "queued": UPLOADS - CEILING}
    assert sum(task["error"] is None for task in limited.tasks()) == CEILING + 1
    used = {"limit": str(CEILING), "spent": str(CEILING), "reserved": "0", "left": "0"}
    assert usage(capsys) == used


def uploaded(stack: Stack) -> list[dict[str, Any]]:
    return [job for job in stack.jobs() if job["source"]["type"] == "upload"]


def is_settled(stack: Stack) -> bool:
    """Whether each upload has a job that has ended or waits for a share; none is reserved."""
    [ceiling] = stack.get("/v1/usage").json()["ceilings"]
    if ceiling["reserved"] != "0":
        return False
    jobs = uploaded(stack)
    return len(jobs) == UPLOADS and all(
        job["state"] == "succeeded" or "deferral" in job for job in jobs
    )


def usage(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert main(["usage", "--json"]) == 0
    [ceiling] = json.loads(capsys.readouterr().out)["ceilings"]
    return {name: ceiling[name] for name in ("limit", "spent", "reserved", "left")}
