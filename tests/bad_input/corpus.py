"""The corpus: broken and hostile input as data; a new case is one more line."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("corpus")

Case = dict[str, Any]


def corpus(name: str) -> Case:
    """Read `corpus/<name>.json`: name of a case → case."""
    cases: Case = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return cases


def expanded(value: Any) -> Any:
    """Expand the parts of a value that a case describes: `{"repeat": ["a", 3]}` becomes `aaa`."""
    if isinstance(value, list):
        return [expanded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"repeat"}:
        text, times = value["repeat"]
        return text * times
    if value.keys() == {"parts"}:
        return "".join(_repeated(text, times) for text, times in value["parts"])
    return {name: expanded(inner) for name, inner in value.items()}


def data(case: Case) -> bytes:
    """Return the bytes of a case, which has text, Base64, bytes or parts."""
    if "base64" in case:
        return base64.b64decode(case["base64"], validate=True)
    if "bytes" in case:
        return b"".join(bytes.fromhex(part) * times for part, times in case["bytes"])
    text = case["text"] if "text" in case else expanded({"parts": case["parts"]})
    return str(text).encode()


def with_changes(event: Case, changes: Case) -> Case:
    """Return an event with some values replaced; a dotted path names each value."""
    event = copy.deepcopy(event)
    for path, value in changes.items():
        *outer, last = path.split(".")
        target = event
        for name in outer:
            target = target[name]
        target[last] = expanded(value)
    return event


def _repeated(text: str, times: int) -> str:
    """Repeat a text; each `#` becomes the number of the repetition."""
    if "#" in text:
        return "".join(text.replace("#", str(number)) for number in range(times))
    return text * times
