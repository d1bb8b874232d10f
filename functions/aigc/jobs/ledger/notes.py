"""Notes: objects of the ledger that may be written twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aigc.errors import AmbiguousError

if TYPE_CHECKING:
    from aigc.jobs.ports import ObjectStore


def write_note(store: ObjectStore, key: str, body: bytes = b"{}") -> None:
    """Write an object that may be written twice: its key is unique, or its body constant."""
    try:
        store.put(key, body)
    except AmbiguousError:
        store.put(key, body)
