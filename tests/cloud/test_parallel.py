"""Requests at the same time, as the cloud makes them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from aigc.cloud.cos import CosBucket
from aigc.cloud.parallel import in_threads
from tests.cloud.conftest import BUCKET, REGION

if TYPE_CHECKING:
    from localcloud.cloud import LocalCloud


def test_requests_run_at_the_same_time_and_answer_in_order() -> None:
    together = threading.Barrier(3, timeout=60)

    def request(answer: int) -> int:
        together.wait()
        return answer

    assert in_threads(lambda: request(1), lambda: request(2), lambda: request(3)) == [1, 2, 3]


def test_the_first_error_in_order_is_raised_once_all_have_ended() -> None:
    ended = []

    def fail(name: str) -> None:
        ended.append(name)
        raise ValueError(name)

    with pytest.raises(ValueError, match="second"):
        in_threads(lambda: ended.append("first"), lambda: fail("second"), lambda: fail("third"))
    assert sorted(ended) == ["first", "second", "third"]


def test_nothing_to_do_is_done() -> None:
    assert in_threads() == []


def test_one_bucket_handles_parallel_requests(cloud: LocalCloud) -> None:
    store = CosBucket(BUCKET, region=REGION, protocol="http")
    keys = [f"many/{number}" for number in range(20)]

    in_threads(*(lambda key=key: store.put(key, key.encode()) for key in keys))

    assert cloud.cos.read(BUCKET, keys[-1]) == keys[-1].encode()
    assert in_threads(*(lambda key=key: store.get(key) for key in keys)) == [
        key.encode() for key in keys
    ]
