"""Where results may go: the paths that callers and rules choose in the results bucket."""

from __future__ import annotations

import re

LONGEST = 200
"""Characters of a prefix or a name."""

RESERVED = ".aigc/"
"""What lies here is ours, MPS's staging for instance."""


LONGEST_KEY = 850
"""Bytes of a key, as COS has it."""

LONGEST_BEGIN = 820
"""Bytes of a result's key without number and ending."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")


def checked_key(key: str) -> str:
    """Return the key of an upload, unless it is one that cannot be asked for by HTTP.

    Much is allowed, since people name files: spaces of all kinds, backslashes, two slashes.

    Raises:
        ValueError: It may not be; it says why.
    """
    if _CONTROL.search(key):
        raise ValueError("must not contain a control character")
    if _DOTS.search(key):  # every HTTP library resolves them, and asks for another object
        raise ValueError("must not contain a part `.` or `..`")
    if not key or key.endswith("/"):
        raise ValueError("must name a file: a folder is no picture")
    if len(key.encode()) > LONGEST_KEY:
        raise ValueError(f"must have at most {LONGEST_KEY} bytes")
    return key


def checked_prefix(prefix: str) -> str:
    """Return a prefix, ended by a slash, that results may have.

    Raises:
        ValueError: They may not; it says why.
    """
    if not prefix:
        return ""
    prefix = prefix.rstrip("/") + "/"
    if prefix.startswith("/"):
        raise ValueError("must not begin with a slash")
    if prefix.startswith(RESERVED):
        raise ValueError(f"must not lie under {RESERVED}")
    if any(part in {"", ".", ".."} for part in prefix[:-1].split("/")):
        raise ValueError("must not contain `..`, `.` or an empty part")
    return _checked(prefix)


def checked_name(name: str) -> str:
    """Return the beginning of a file's name that results may have.

    Raises:
        ValueError: They may not; it says why.
    """
    if not name or "/" in name or name.startswith("."):
        raise ValueError("must be a file's name: no slash, no dot in front")
    return _checked(name)


def fits_in_a_key(prefix: str, name: str) -> bool:
    """Whether COS would take the keys of results that lie there."""
    return len(f"{prefix}{name}".encode()) <= LONGEST_BEGIN


def _checked(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters")
    if not text.isprintable() or "\\" in text:
        raise ValueError("must not contain a backslash or a control character")
    return text
