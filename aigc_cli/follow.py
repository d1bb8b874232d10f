"""Follows a job to its end, saves its images, and shows them if the terminal can."""

from __future__ import annotations

import base64
import os
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from aigc_cli.output import print_text, status
from aigc_cli.service import CallError, UnreachableError, job_path, reason_of

if TYPE_CHECKING:
    from pathlib import Path

    from aigc_cli.service import Service

ENDED = frozenset({"succeeded", "failed", "cancelled"})
POLL_S = 1.0
DOWNLOAD_S = 120
SHOWN_COLUMNS = 60
ITERM = frozenset({"iTerm.app", "WezTerm", "vscode"})
"""Values of TERM_PROGRAM: these terminals draw images as iTerm2 does."""

PNG = b"\x89PNG"
"""Beginning of a PNG, the only format that kitty accepts unchanged."""


def follow(service: Service, job_id: str) -> dict[str, Any]:
    """Show the state of a job until it has ended; return the job.

    On a terminal one line changes; otherwise each new state is a line.

    Raises:
        CallError: There is no such job.
    """
    try:
        job = _wait(service, job_id)
    except KeyboardInterrupt:
        text = f"{job_id} continues; `aigc jobs follow {job_id}` shows its progress"
        print_text(text, stderr=True)
        raise
    print_text(f"{job_id}: {_outcome(job)}", stderr=True)
    return job


def _wait(service: Service, job_id: str) -> dict[str, Any]:
    last_text = ""
    with status(f"{job_id}: …") as show:
        while True:
            job: dict[str, Any] = service.get(job_path(job_id))
            text = f"{job_id}: {_progress(service, job)}"
            if text != last_text:
                last_text = text
                show(text)
            if job["state"] in ENDED:
                return job
            time.sleep(POLL_S)


def _progress(service: Service, job: dict[str, Any]) -> str:
    if job["state"] != "queued":
        return str(job["state"])
    try:
        position = service.get(job["status_url"]).get("queue_position")
    except CallError:  # the job has just ended
        return "queued"
    return f"queued, {position} before it" if position else "queued"


def _outcome(job: dict[str, Any]) -> str:
    if job["error"]:
        return f"{job['state']}: {job['error']['type']}: {job['error']['message']}"
    count = len(job["images"])
    return f"{job['state']}, {count} image{'s' * (count != 1)}"


def save_images(job: dict[str, Any], folder: Path) -> list[Path]:
    """Save the images of a job into a folder, print their paths, and show them if possible.

    A file of the same name is not replaced: the next one gets a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for image in job["images"]:
        with status(f"saving {image['file_name']} …"):
            content = _fetch(image["url"])
        path = _free_path(folder, image["file_name"])
        path.write_bytes(content)
        paths.append(path)
        print(path, file=sys.stderr)
        show_inline(content)
    return paths


def _fetch(url: str) -> bytes:
    host = urlsplit(url).netloc
    try:
        response = requests.get(url, timeout=DOWNLOAD_S)
    except requests.RequestException as error:
        problem = f"GET {host}: the image was not sent: {reason_of(error)}"
        raise UnreachableError(f"{problem}; `aigc jobs follow ID --save DIR` tries again") from None
    if not response.ok:
        raise CallError(f"GET {host}", response)
    return response.content


def _free_path(folder: Path, name: str) -> Path:
    path = folder / name
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{(folder / name).stem}-{number}{(folder / name).suffix}"
    return path


def show_inline(content: bytes) -> None:
    """Show an image in iTerm2, WezTerm, VS Code, kitty or Ghostty.

    Sixel is not supported, since it needs a decoded image.
    """
    if not sys.stdout.isatty():
        return
    data = base64.b64encode(content).decode()
    program = os.environ.get("TERM_PROGRAM", "")
    if program in ITERM or os.environ.get("LC_TERMINAL") == "iTerm2":
        sys.stdout.write(f"\033]1337;File=inline=1;width={SHOWN_COLUMNS}:{data}\a\n")
    elif content.startswith(PNG) and ("KITTY_WINDOW_ID" in os.environ or program == "ghostty"):
        sys.stdout.write(_kitty(data))
    sys.stdout.flush()


def _kitty(data: str) -> str:
    """Return the escape codes for kitty, which accepts an image in parts of 4,096 characters."""
    parts = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    head = f"a=T,f=100,c={SHOWN_COLUMNS},"
    codes = []
    for number, part in enumerate(parts):
        more = int(number < len(parts) - 1)
        codes.append(f"\033_G{head if number == 0 else ''}m={more};{part}\033\\")
    return "".join(codes) + "\n"
