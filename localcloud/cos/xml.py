"""Writes and reads the XML documents of COS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from localcloud.cos.errors import CosError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'
# Characters that XML 1.0 does not allow; a client with such keys sends encoding-type=url.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_SPECIAL = re.compile(f"[&<>]|{_FORBIDDEN.pattern}")


class Markup(str):
    """Elements as XML text, which a document includes unchanged."""

    __slots__ = ()


def document(root: str, content: object) -> bytes:
    """Return a document: a mapping becomes elements, a list repeats its element.

    A name may contain attributes, as in a start tag.
    """
    return (_HEADER + _element(root, content)).encode()


def elements(content: Mapping[str, object]) -> Markup:
    """Return elements as XML text, for a document that repeats them."""
    return Markup("".join(_element(name, value) for name, value in content.items()))


def _element(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join([_element(name, item) for item in value])
    if isinstance(value, Markup):
        inner: str = value
    elif isinstance(value, dict):
        inner = "".join([_element(child, item) for child, item in value.items()])
    elif isinstance(value, bool):
        inner = str(value).lower()
    else:
        text = str(value)
        inner = _escaped(text) if _SPECIAL.search(text) else text
    return f"<{name}>{inner}</{name.partition(' ')[0]}>"


def _escaped(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", escape(text))


def parse(body: bytes) -> ET.Element:
    """Parse a document and remove its namespaces, which only some clients set.

    Raises:
        CosError: The document is not well formed.
    """
    try:
        root = ET.fromstring(body)  # noqa: S314  the sender is the developer's own client
    except ET.ParseError as error:
        raise CosError(
            "MalformedXML", f"The XML you provided was not well-formed: {error}"
        ) from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
