"""Checks keys of objects: of uploads, and of results, which callers and rules choose."""

from __future__ import annotations

import re

LONGEST_NAME = 200
"""Highest number of characters of a prefix or a name."""

RESERVED = ".aigc/"
"""Prefix of the program's own objects, for example of the staging folder of MPS."""

LONGEST_KEY = 850
"""Highest number of bytes of a key in COS."""

LONGEST_RESULTS_PREFIX = 50
"""Highest number of characters of the setting `results_prefix`, which is ASCII."""

LONGEST_LOCATION = 770
"""Highest number of bytes of an output location, which is a prefix and a name.

The results prefix, and number and extension of a result are not part of it.
"""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")


def checked_key(key: str) -> str:
    """Return the key of an upload, if it can be requested over HTTP.

    Keys come from file names, so spaces, backslashes and double slashes are allowed.

    Raises:
        ValueError: The key is not allowed; the message says why.
    """
    if _CONTROL.search(key):
        raise ValueError("must not contain a control character")
    if _DOTS.search(key):  # HTTP libraries resolve them and request another object
        raise ValueError("must not contain a part `.` or `..`")
    if not key or key.endswith("/"):
        raise ValueError("must name a file, not a folder")
    if len(key.encode()) > LONGEST_KEY:
        raise ValueError(f"must have at most {LONGEST_KEY} bytes")
    return key


def checked_prefix(prefix: str) -> str:
    """Return an output prefix with a slash at its end.

    Raises:
        ValueError: The prefix is not allowed; the message says why.
    """
    if not prefix:
        return ""
    prefix = prefix.rstrip("/") + "/"
    if prefix.startswith("/"):
        raise ValueError("must not begin with a slash")
    if prefix.startswith(RESERVED):
        raise ValueError(f"must not be under {RESERVED}")
    if any(part in {"", ".", ".."} for part in prefix[:-1].split("/")):
        raise ValueError("must not contain `..`, `.` or an empty part")
    return _checked(prefix)


def checked_name(name: str) -> str:
    """Return an output file name without number and extension.

    Raises:
        ValueError: The name is not allowed; the message says why.
    """
    if not name or "/" in name or name.startswith("."):
        raise ValueError("must be a file name without a slash or a leading dot")
    return _checked(name)


def fits_into_key(prefix: str, name: str) -> bool:
    """Whether the keys of results with this prefix and name are short enough for COS."""
    return len(f"{prefix}{name}".encode()) <= LONGEST_LOCATION


def _checked(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters")
    if not text.isprintable() or "\\" in text:
        raise ValueError("must not contain a backslash or a control character")
    return text
