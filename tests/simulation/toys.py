"""Workers that do nothing but make requests, to test the simulation itself."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from aigc.errors import CloudError

if TYPE_CHECKING:
    from aigc.jobs.runtime import Runtime
    from tests.simulation.play import Work


PREFIX = "usage/"
"""Of all keys: the checks at the end allow these to stay."""


def puts_in_parallel(*keys: str) -> Work:
    """Write several objects at the same time, then one more."""

    def work(runtime: Runtime) -> None:
        runtime.parallel(*(functools.partial(_put, key, runtime) for key in keys))
        _put("last", runtime)

    return work


def puts_and_gets_in_parallel(*keys: str) -> Work:
    """Write a first object, then read all others, each beside a write of its own."""

    def put_and_get(key: str, runtime: Runtime) -> None:
        _put(key, runtime)
        for other in keys:
            runtime.ledger.bucket.get(_key(other))

    def work(runtime: Runtime) -> None:
        runtime.parallel(*(functools.partial(put_and_get, key, runtime) for key in keys))

    return work


def creates(key: str, *bodies: bytes) -> Work:
    """Create an object, with one body after another, and write the answer that the caller got."""

    def work(runtime: Runtime) -> None:
        for body in bodies:
            is_created = runtime.ledger.bucket.create(_key(key), body)
            _put(f"{body.decode()}-{is_created}", runtime)

    return work


def overwrites(key: str) -> Work:
    """Write an object, whether the write is answered or not, then write it again."""

    def work(runtime: Runtime) -> None:
        with contextlib.suppress(CloudError):
            runtime.ledger.bucket.put(_key(key), b"1")
        runtime.ledger.bucket.put(_key(key), b"2")

    return work


def lists(prefix: str, result: str) -> Work:
    """List keys, and write how many there are."""

    def work(runtime: Runtime) -> None:
        _put(f"{result}-{len(runtime.ledger.bucket.list(_key(prefix)))}", runtime)

    return work


def _put(key: str, runtime: Runtime) -> None:
    runtime.ledger.bucket.put(_key(key), b"")


def _key(key: str) -> str:
    return PREFIX + key
