"""Text templates of rules: `{stem}`, `{meta.style}`, `{meta.style|ink}`.

The values come from the uploader: from the key and from the object's own metadata. A value is
never a template itself, and it cannot change the folder or the host that the rule names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from aigc.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KEY_PARTS = ("folder", "parent", "name", "stem", "extension")
"""Placeholders that come from the upload's key."""

PLACEHOLDERS = (*KEY_PARTS, "rule", "date", "job")
META = "meta."
OWN_METADATA = "x-cos-meta-aigc-"
"""Prefix of the headers of own metadata."""

LONGEST_VALUE = 1000
"""Highest number of characters of a value from metadata; COS stores 2 KB for an object."""

_ALLOWED = f"{', '.join(PLACEHOLDERS)}, {META}<name>"
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_META_NAME = re.compile(r"meta\.[a-z0-9][a-z0-9-]{0,39}")
_HOST = re.compile(r"[a-z0-9]+://[^/{}]+/.*", re.DOTALL)


class MissingMetadataError(InvalidRequestError):
    """A rule needs metadata that the upload does not have."""


def placeholders(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the name of each placeholder with its default; None if it has none."""
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            name, bar, default = match[1].partition("|")
            yield name, default if bar else None


def is_placeholder(name: str) -> bool:
    """Return whether a placeholder has this name."""
    return name in PLACEHOLDERS or _META_NAME.fullmatch(name) is not None


def check_template(text: str) -> str:
    """Return the text of a template if all of its placeholders are known.

    Raises:
        ValueError: A placeholder is unknown, or braces are not in pairs.
    """
    for name, _ in placeholders(text):
        if not is_placeholder(name):
            raise ValueError(f"allowed placeholders: {_ALLOWED}; {{{name}}} is not one")
    if any(match[0] in {"{", "}"} for match in _TOKEN.finditer(text)):
        raise ValueError("a brace without its counterpart; {{ and }} stand for braces")
    return text


def check_url_template(text: str) -> None:
    """Check that the placeholders of a URL are after its host.

    Raises:
        ValueError: A placeholder could change the host or the bucket.
    """
    if next(placeholders(text), None) is not None and not _HOST.fullmatch(text):
        raise ValueError("placeholders of a URL are allowed only after its host or bucket")


def fill(text: str, values: Mapping[str, str], encode: Callable[[str, str], str]) -> str:
    """Replace the placeholders of a template; `encode` gets the name and the value of each.

    Raises:
        MissingMetadataError: The upload lacks metadata, and the template has no default for it.
        InvalidRequestError: A value is not allowed there.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        name, bar, default = match[1].partition("|")
        value = values.get(name, "") or default
        if not value and name.startswith(META) and not bar:
            header = OWN_METADATA + name.removeprefix(META)
            raise MissingMetadataError(
                f"the upload has no metadata {header}, which {{{name}}} needs", field=header
            )
        return encode(name, _checked(name, value))

    return _TOKEN.sub(replacement, text)


def as_text(name: str, value: str) -> str:  # noqa: ARG001  all encodings have this signature
    """Return a value unchanged, for a text that only a model reads."""
    return value


def as_key_part(name: str, value: str) -> str:
    """Return a value for a key in a bucket.

    Raises:
        InvalidRequestError: The value is `.` or `..`, or it comes from metadata and is not one part
            of a path.
    """
    is_from_metadata = name.startswith(META)
    if value in {".", ".."} or (is_from_metadata and not _is_part(value)):
        raise _value_error(name, repr(value[:60]), "one part of a path, without a slash")
    return value


def as_url_part(name: str, value: str) -> str:
    """Return a value for an HTTP URL, percent-encoded.

    Raises:
        InvalidRequestError: As for a key.
    """
    return quote(as_key_part(name, value), safe="/" if name == "folder" else "")


def _checked(name: str, value: str) -> str:
    if name.startswith(META) and len(value) > LONGEST_VALUE:
        raise _value_error(name, f"{len(value)} characters", f"at most {LONGEST_VALUE} characters")
    return value


def _is_part(value: str) -> bool:
    return value.isprintable() and "/" not in value and "\\" not in value


def _value_error(name: str, problem: str, allowed: str) -> InvalidRequestError:
    header = OWN_METADATA + name.removeprefix(META)
    field = header if name.startswith(META) else "key"
    message = f"the value of {{{name}}}: {problem} is not allowed; allowed: {allowed}"
    return InvalidRequestError(message, field=field, allowed=allowed)
