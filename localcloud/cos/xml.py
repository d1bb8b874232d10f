"""XML as COS writes and reads it."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from localcloud.cos.errors import CosError

_HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 cannot hold at all; a client that has such keys asks for encoding-type=url.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def document(root: str, content: object) -> bytes:
    """Write a document: a mapping becomes elements, a list repeats its element.

    A name may be followed by attributes, as in a start tag.
    """
    return (_HEADER + _element(root, content)).encode()


def _element(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, dict):
        inner = "".join(_element(child, item) for child, item in value.items())
    elif isinstance(value, bool):
        inner = str(value).lower()
    else:
        inner = _FORBIDDEN.sub("\ufffd", escape(str(value)))
    return f"<{name}>{inner}</{name.partition(' ')[0]}>"


def parse(body: bytes) -> ET.Element:
    """Read a document and forget its namespaces, which clients set or leave out.

    Raises:
        CosError: It is not well formed.
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
