"""Uploads in the simulation: objects of the inbox, their events, and the walk that finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import upload
from aigc.jobs.sweep_state import SweepState
from aigc.jobs.turns import take_turns
from aigc.sweeping import PARTS
from aigc.triggers.cos import CosEvent, ObjectCreated
from aigc.uploads.rules import Rules
from tests.fakes import image_bytes
from tests.jobs import TASKS

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from tests.simulation.play import Work

FOLDER = "photos/"
RULES = Rules.parse(
    {
        "rule": [
            {
                "name": "photos",
                "prefix": FOLDER,
                "kind": "vod.image",
                "results": "{job}",
                "task": TASKS["vod.image"],
            }
        ]
    }
)
PHOTO = image_bytes()
_RECONCILIATION = tuple(part for part in PARTS if part.name == "inbox")


def uploads(key: str) -> Work:
    """A user who puts an object into the inbox, or copies it onto itself."""

    def work(runtime: Runtime) -> None:
        runtime.buckets.inbox.put(key, PHOTO, "image/png")  # type: ignore[attr-defined]

    return work


def event(key: str, request_id: str = "first") -> Work:
    """The function that gets the event of an object."""

    def work(runtime: Runtime) -> None:
        created = ObjectCreated(
            bucket=runtime.settings.inbox_bucket,
            key=key,
            size=len(PHOTO),
            region="",
            event_name="cos:ObjectCreated:Put",
            event_time=0,
            request_id=request_id,
        )
        upload.handle(CosEvent((created,), ()), rules=RULES, runtime=runtime)

    return work


def reconciles(runtime: Runtime) -> None:
    """The part of a sweep that processes uploads."""
    take_turns(_RECONCILIATION, runtime, SweepState())
