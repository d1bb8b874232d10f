"""The size of long tests: small in `make test`, full in `make chaos`."""

from __future__ import annotations

import os

IS_FULL = bool(os.environ.get("FULL_SIZE"))


def size(small: int, full: int) -> int:
    """Return the full size if FULL_SIZE is set in the environment."""
    return full if IS_FULL else small
