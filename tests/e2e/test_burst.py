"""Many at once: every job ends, each is paid once, and no lane is ever over its limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

from tests.e2e.stack import SAMPLES, running, wait_for
from tests.e2e.test_main_job import ENDPOINTS

LIMITS = {
    "vod.CreateAigcImageTask": 1,
    "vod.CreateSceneAigcImageTask": 1,
    "mps.CreateAigcImageTask": 4,
}


def test_fifty_uploads_and_fifty_calls_at_once() -> None:
    photo = (SAMPLES / "rocket.jpg").read_bytes()
    folders, endpoints = cycle(["anime", "product", "sketch"]), cycle(ENDPOINTS)

    with running("--speed", "60", "--timeout", "30") as stack, ThreadPoolExecutor(20) as pool:
        uploads = [pool.submit(stack.upload, f"{next(folders)}/{n}.jpg", photo) for n in range(50)]
        calls = [
            pool.submit(stack.call, endpoint := next(endpoints), ENDPOINTS[endpoint])
            for _ in range(50)
        ]
        for upload in uploads:
            upload.result()
        statuses = {call.result().status_code for call in calls}
        ended = wait_for(lambda: _all_ended(stack.jobs(), 100), patience_s=240)
        books = stack.books()

    assert statuses == {200}
    assert {job["state"] for job in ended} == {"succeeded"}
    assert len(books["tasks"]) == 100
    # How full a lane gets depends on how busy this machine is; over its limit it never is.
    at_once = {action: books["most_at_once"][action] for action in LIMITS}
    assert all(1 <= at_once[action] <= limit for action, limit in LIMITS.items()), at_once


def _all_ended(jobs: list[dict[str, str]], expected: int) -> list[dict[str, str]] | None:
    has_ended = [job for job in jobs if job["state"] in {"succeeded", "failed", "cancelled"}]
    return jobs if len(has_ended) == expected else None
