"""Where results may go: the paths that callers and rules choose in the results bucket."""

from __future__ import annotations

LONGEST = 200
"""Characters of a prefix or a name; a key may have 850 bytes, and Chinese takes three each."""

RESERVED = ".aigc/"
"""What lies here is ours, MPS's staging for instance."""


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


def _checked(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"must have at most {LONGEST} characters")
    if not text.isprintable() or "\\" in text:
        raise ValueError("must not contain a backslash or a control character")
    return text
