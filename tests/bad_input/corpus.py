"""The corpus: broken and hostile input as data, so that whoever finds more of it adds a line."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("corpus")

Case = dict[str, Any]


def corpus(name: str) -> Case:
    """Read `corpus/<name>.json`: what it is called → what it is."""
    cases: Case = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return cases


def grown(value: Any) -> Any:
    """Write out what a case only describes: `{"repeat": ["a", 3]}` is `aaa`."""
    if isinstance(value, list):
        return [grown(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"repeat"}:
        text, times = value["repeat"]
        return text * times
    if value.keys() == {"parts"}:
        return "".join(_repeated(text, times) for text, times in value["parts"])
    return {name: grown(inner) for name, inner in value.items()}


def data(case: Case) -> bytes:
    """Make the bytes of a case: from text, Base64, or parts that repeat."""
    if "base64" in case:
        return base64.b64decode(case["base64"], validate=True)
    if "bytes" in case:
        return b"".join(bytes.fromhex(part) * times for part, times in case["bytes"])
    text = case["text"] if "text" in case else grown({"parts": case["parts"]})
    return str(text).encode()


def changed(event: Case, changes: Case) -> Case:
    """Return an event with some of its values replaced, each named by its dotted path."""
    event = copy.deepcopy(event)
    for path, value in changes.items():
        *outer, last = path.split(".")
        target = event
        for name in outer:
            target = target[name]
        target[last] = grown(value)
    return event


def _repeated(text: str, times: int) -> str:
    """Repeat a text; a `#` in it counts."""
    if "#" in text:
        return "".join(text.replace("#", str(number)) for number in range(times))
    return text * times
