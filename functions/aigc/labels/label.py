"""The implicit label of TC260: its fields, and how an existing label is completed."""

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
"""Generated, possibly generated, suspected to be generated."""

MAX_TEXT = 16 * 2**10
"""Characters of a label; one has a few hundred."""

# XML has no code for some of these, and editors show none of them.
_NOT_IN_XML = re.compile("[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

Fields = dict[str, Any]


class LabelError(AigcError):
    """A file cannot be labelled; the message names the reason."""


class Producer(NamedTuple):
    """The service that produces an image, and its number of the file."""

    name: str
    file_id: str


def complete(existing: Fields, producer: Producer) -> Fields:
    """Return a label with all fields: existing values stay, empty ones are filled.

    A label of another producer stays that producer's: this service passes the image on, so it
    becomes the propagator if there is none.
    """
    label = {**dict.fromkeys(FIELDS, ""), **existing}
    label["Label"] = label["Label"] or GENERATED
    if not label["ContentProducer"]:
        _name(label, "ContentProducer", "ProduceID", producer)
    elif label["ContentProducer"] != producer.name and not label["ContentPropagator"]:
        _name(label, "ContentPropagator", "PropagateID", producer)
    return label


def _name(label: Fields, name: str, number: str, producer: Producer) -> None:
    label[name] = producer.name
    label[number] = label[number] or producer.file_id


def label_text(label: Fields) -> str:
    """Write a label as JSON that XML can hold."""
    text = json.dumps(label, ensure_ascii=False, separators=(",", ":"))
    return _NOT_IN_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def parse_label(text: str) -> Fields:
    """Read a label, also one inside `{"AIGC": …}` as some writers put it.

    Raises:
        LabelError: It is too long, or not a JSON object.
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
    """Return what a label lacks; empty for a complete label."""
    missing = [f"{name} is missing" for name in FIELDS if name not in label]
    empty = [f"{name} is empty" for name in REQUIRED if name in label and not label[name]]
    value = label.get("Label")
    if value and str(value) not in LABEL_VALUES:
        empty.append(f"Label is {str(value)[:20]!r}; allowed: {', '.join(LABEL_VALUES)}")
    return missing + empty
