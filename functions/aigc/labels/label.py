"""The implicit label of TC260: its fields, and the completion of an existing label."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from aigc.errors import AigcError

FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
REQUIRED = ("Label", "ContentProducer", "ProduceID")
"""Fields that a complete label does not leave empty."""

GENERATED = "1"
LABEL_VALUES = (GENERATED, "2", "3")
"""1: generated, 2: possibly generated, 3: suspected to be generated."""

MAX_TEXT = 16 * 2**10
"""Highest number of characters of a label; a usual label has a few hundred."""

# XML cannot contain some of these characters, and editors do not show the others.
_NOT_IN_XML = re.compile("[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

Fields = dict[str, Any]


class LabelError(AigcError):
    """A file cannot be labelled; the message has the reason."""


class Producer(NamedTuple):
    """The service that produces an image, and the service's id of the file."""

    name: str
    file_id: str


def complete(existing: Fields, producer: Producer) -> Fields:
    """Return a label with all fields; existing values are kept, and empty ones are filled.

    If the label names another producer, this service passes the image on. It then becomes the
    propagator, unless there is one.
    """
    label = {**dict.fromkeys(FIELDS, ""), **existing}
    label["Label"] = label["Label"] or GENERATED
    if not label["ContentProducer"]:
        _set_service(label, "ContentProducer", "ProduceID", producer)
    elif label["ContentProducer"] != producer.name and not label["ContentPropagator"]:
        _set_service(label, "ContentPropagator", "PropagateID", producer)
    return label


def _set_service(label: Fields, name_field: str, id_field: str, service: Producer) -> None:
    label[name_field] = service.name
    label[id_field] = label[id_field] or service.file_id


def label_text(label: Fields) -> str:
    """Return a label as JSON that XML can contain."""
    text = json.dumps(label, ensure_ascii=False, separators=(",", ":"))
    return _NOT_IN_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def parse_label(text: str) -> Fields:
    """Return the fields of a label; some programs write it inside `{"AIGC": …}`.

    Raises:
        LabelError: The text is too long, or not a JSON object.
    """
    if len(text) > MAX_TEXT:
        raise LabelError(f"an AIGC label of {len(text)} characters; allowed: at most {MAX_TEXT}")
    try:
        label = json.loads(text)
    except (ValueError, RecursionError):
        label = None
    if isinstance(label, dict) and isinstance(label.get("AIGC"), dict):
        label = label["AIGC"]
    if not isinstance(label, dict):
        raise LabelError(f"an AIGC label {text[:40]!r}; allowed: a JSON object")
    return label


def problems(label: Fields) -> list[str]:
    """Return the problems of a label; none for a complete label."""
    missing = [f"{name} is missing" for name in FIELDS if name not in label]
    empty = [f"{name} is empty" for name in REQUIRED if name in label and not label[name]]
    value = label.get("Label")
    if value and str(value) not in LABEL_VALUES:
        empty.append(f"Label is {str(value)[:20]!r}; allowed: {', '.join(LABEL_VALUES)}")
    return missing + empty
