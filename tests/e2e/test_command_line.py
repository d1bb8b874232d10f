"""`aigc local` and `aigc demo` as programs: what they print, what they leave, how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from PIL import Image

from tests.e2e.stack import ROOT, SAMPLES, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS = {
    "cloud",
    "gateway",
    "api_key",
    "secret_id",
    "secret_key",
    "region",
    "app_id",
    "sub_app_id",
    "buckets",
}


def test_the_demo_makes_six_pictures_and_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops", "demo", "--results", str(tmp_path / "results")]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 jobs succeeded" in done.stdout
    pictures = [path for path in (tmp_path / "results").rglob("*") if path.suffix == ".png"]
    assert len(pictures) == 6
    for picture in pictures:
        Image.open(picture).verify()
        beside = json.loads(
            picture.with_name(picture.stem.rpartition("-")[0] + ".json").read_text()
        )
        assert beside["kind"] in {"vod.image", "vod.scene_image", "mps.image"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_local_prints_one_line_for_programs_and_stops_with_all_its_children(
    number: signal.Signals,
) -> None:
    with running() as stack:
        answer = requests.get(f"{stack.gateway}/health", timeout=30)
        children = descendants(stack.process.pid)
        stack.process.send_signal(number)
        status = stack.process.wait(30)
        assert stack.process.stdout is not None
        rest = stack.process.stdout.read()

    assert answer.json() == {"status": "ok"}
    assert stack.connection.keys() >= KEYS
    assert stack.connection["buckets"].keys() == {"inbox", "results", "ledger"}
    assert (status, rest) == (0, "")
    assert children
    wait_for(lambda: not any(map(is_alive, children)), patience_s=10)


def test_local_keeps_its_state_in_a_folder(tmp_path: Path) -> None:
    options = ("--speed", "30", "--data", str(tmp_path))
    photo = (SAMPLES / "cat.jpg").read_bytes()
    with running(*options) as stack:
        stack.upload("anime/kept.jpg", photo)
        wait_for(lambda: "anime/kept.json" in stack.results("anime/"))
        paid = stack.tasks()

    with running(*options) as stack:
        assert "anime/kept.json" in stack.results("anime/")
        assert stack.tasks() == paid
        stack.upload("anime/more.jpg", photo)
        wait_for(lambda: "anime/more.json" in stack.results("anime/"))


def descendants(pid: int) -> list[int]:
    """Find the processes below one, as the kernel lists them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for path in tasks for child in path.read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in states([pid])


def states(pids: Iterable[int]) -> str:
    found = [Path(f"/proc/{pid}/stat") for pid in pids]
    return "".join(
        path.read_text().rpartition(")")[2].split()[0] for path in found if path.exists()
    )
