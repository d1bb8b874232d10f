"""The conditions of a rule on an upload: key, size, content type and metadata."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aigc.uploads.templates import OWN_METADATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ANY_PARTS = "**"
"""In a glob: any number of folders."""

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFacts:
    """The properties of an uploaded object that rules can use."""

    bucket: str
    key: str
    size: int
    """Bytes."""
    content_type: str = ""
    """By its first bytes, not by its header or name; empty if it is not an image."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Values of the headers `x-cos-meta-aigc-<name>` by name, decoded."""

    @property
    def url(self) -> str:
        """The URL of the object as the input of a task."""
        return f"cos://{self.bucket}/{self.key}"


def own_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the own metadata of an object: name in lower case without the prefix → value.

    Headers are ASCII, so the values are percent-encoded.
    """
    return {
        name.lower().removeprefix(OWN_METADATA): unquote(value).strip()
        for name, value in headers.items()
        if name.lower().startswith(OWN_METADATA)
    }


def glob_matches(pattern: str, key: str) -> bool:
    """Whether a pattern matches a whole key.

    `*`, `?` and `[…]` match within a part of the path; `**` matches any number of folders.
    """
    parts = key.split("/")
    reached = {0}  # numbers of parts that the pattern matches so far
    for part in pattern.split("/"):
        if part == ANY_PARTS:
            reached = set(range(min(reached), len(parts) + 1)) if reached else set()
        else:
            reached = {
                position + 1
                for position in reached
                if position < len(parts) and fnmatch.fnmatchcase(parts[position], part)
            }
    return len(parts) in reached


def fixed_prefix(pattern: str) -> str:
    """Return the prefix that all keys have which a glob matches."""
    first = next((at for at, sign in enumerate(pattern) if sign in _WILD), len(pattern))
    return pattern[:first]


def metadata_matches(patterns: Mapping[str, Sequence[str]], metadata: Mapping[str, str]) -> bool:
    """Return whether each named value exists and matches one of its patterns."""
    return all(
        name in metadata and any(fnmatch.fnmatchcase(metadata[name], value) for value in values)
        for name, values in patterns.items()
    )


def one_contains_other(first: str, second: str) -> bool:
    """Return whether one of two prefixes begins with the other: a key can have both."""
    return first.startswith(second) or second.startswith(first)


def can_end_alike(first: Iterable[str], second: Iterable[str]) -> bool:
    """Return whether a key can have a suffix of each list; an empty list allows any."""
    first_suffixes, second_suffixes = list(first) or [""], list(second) or [""]
    return any(a.endswith(b) or b.endswith(a) for a in first_suffixes for b in second_suffixes)
