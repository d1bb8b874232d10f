"""Many jobs at once: every job ends, each is paid once, and no lane exceeds its limit.

`make chaos ARGS=--burst` is a burst of 5,000 uploads, which also measures the use of the lanes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING

from tests.e2e.stack import SAMPLES, wait_for
from tests.e2e.test_main_job import ENDPOINTS

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

LIMITS = {
    "vod.CreateAigcImageTask": 1,
    "vod.CreateSceneAigcImageTask": 1,
    "mps.CreateAigcImageTask": 4,
}
UPLOADS, CALLS = 20, 20


def test_twenty_uploads_and_twenty_calls_at_once_all_succeed(stack: Stack) -> None:
    photo = (SAMPLES / "rocket.jpg").read_bytes()
    folders, endpoints = cycle(["anime", "product", "sketch"]), cycle(ENDPOINTS)

    with ThreadPoolExecutor(UPLOADS) as pool:
        uploads = [
            pool.submit(stack.upload, f"{next(folders)}/burst-{number}.jpg", photo)
            for number in range(UPLOADS)
        ]
        calls = [
            pool.submit(stack.call, endpoint := next(endpoints), ENDPOINTS[endpoint])
            for _ in range(CALLS)
        ]
        for upload in uploads:
            upload.result()
        statuses = {call.result().status_code for call in calls}
    ended = wait_for(lambda: _all_ended(stack))
    most_at_once = stack.books()["most_at_once"]

    assert statuses == {200}
    assert {job["state"] for job in ended} == {"succeeded"}
    assert len(stack.tasks()) == UPLOADS + CALLS
    over = {action for action in LIMITS if most_at_once[action] > LIMITS[action]}
    assert not over


def _all_ended(stack: Stack) -> list[dict[str, str]] | None:
    """Return the jobs of the burst if all of them have ended."""
    jobs = stack.jobs()
    ended = [job for job in jobs if job["state"] in {"succeeded", "failed", "cancelled"}]
    return jobs if len(ended) == UPLOADS + CALLS else None
