"""Each request is one job and one paid task, on a COS with racing creates and late listings."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from aigc_cli.local_stack import local_stack
from tests.chaos.audit import ACTIONS, Books
from tests.chaos.run import PHOTO, shorten_lease
from tests.e2e.stack import wait_for
from tests.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc_cli.local_stack import LocalStack

KEYS, CALLS_A_KEY, UPLOADS = size(6, full=50), 4, size(8, full=60)
SLOTS = 4
TIMEOUT_S, LEASE_S = 10, 12
PATIENCE_S = 480
BODIES = {
    "tencent-vod/v1/aigc-image": {"model_name": "GG", "model_version": "3.0", "prompt": "a cat"},
    "tencent-mps/v1/aigc-image": {"model_name": "Hunyuan", "prompt": "a cat"},
}


@pytest.fixture
def stack() -> Iterator[LocalStack]:
    """Run the system on a COS with only the guarantees that the ledger assumes."""
    with local_stack(
        speed=30,
        timeout_s=TIMEOUT_S,
        limits=dict.fromkeys(ACTIONS.values(), SLOTS),
        changes={"lanes": json.dumps(dict.fromkeys(ACTIONS, SLOTS))},
    ) as stack:
        for function in stack.outputs.functions.values():
            shorten_lease(stack, function, LEASE_S)
        stack.cloud.faults.replace(
            [
                {"where": "cos.PutObject", "what": "race:0.05", "rate": 1},
                {"where": "cos.GetBucket", "what": "lag:2", "rate": 1},
                # COS repeats the event of each upload, and SCF repeats each of these events.
                {"where": "cos.event", "what": "repeat", "rate": 1},
                {"where": f"scf.{stack.outputs.functions['upload']}", "what": "repeat", "rate": 1},
            ]
        )
        yield stack


@pytest.mark.sized
def test_concurrent_repeats_are_one_job_and_one_paid_task(stack: LocalStack) -> None:
    keys = [key for key in range(KEYS) for _ in range(CALLS_A_KEY)]

    with ThreadPoolExecutor(4 * CALLS_A_KEY) as pool:
        uploads = [pool.submit(_upload, stack, number) for number in range(UPLOADS)]
        request_ids = list(pool.map(lambda key: _submit(stack, key), keys))
    for upload in uploads:
        upload.result()
    books = wait_for(lambda: _finished(stack), patience_s=PATIENCE_S, every_s=2)

    assert len(set(zip(keys, request_ids, strict=True))) == len(set(request_ids)) == KEYS
    assert len(books.jobs) == KEYS + UPLOADS
    assert Counter(job.state for job in books.jobs.values()) == {"succeeded": KEYS + UPLOADS}
    assert {job_id: len(tasks) for job_id, tasks in books.tasks.items()} == dict.fromkeys(
        books.jobs, 1
    )
    assert max(books.most_at_once.values()) <= SLOTS


def _submit(stack: LocalStack, key: int) -> str:
    """Repeat a submit until the gateway accepts it, as the documentation requires."""
    endpoint = list(BODIES)[key % 2]
    headers = {"Authorization": f"Bearer {stack.api_key}", "Idempotency-Key": f"key-{key}"}
    url = f"{stack.outputs.endpoint}/{endpoint}"
    until = time.monotonic() + PATIENCE_S
    while True:
        answer = requests.post(url, json=BODIES[endpoint], headers=headers, timeout=60)
        if answer.status_code == 200 or time.monotonic() > until:
            return str(answer.json()["request_id"])
        assert answer.status_code in {429, 503}, answer.text
        time.sleep(1)


def _upload(stack: LocalStack, number: int) -> None:
    folder = ("anime", "product", "sketch")[number % 3]
    stack.cloud.cos.write(
        stack.outputs.buckets["inbox"], f"{folder}/{number}.jpg", PHOTO.read_bytes(), "image/jpeg"
    )


def _finished(stack: LocalStack) -> Books | None:
    books = Books.of(stack)
    is_done = len(books.jobs) >= KEYS + UPLOADS and books.ended == len(books.jobs)
    return books if is_done and not books.left_over else None
