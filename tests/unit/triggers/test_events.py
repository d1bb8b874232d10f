"""Every captured event is read by the model of its source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aigc.triggers.cos import CosEvent
from aigc.triggers.http import HttpRequest
from aigc.triggers.timer import TimerEvent
from aigc.triggers.vod_callback import VodCallback
from tests.captured import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

PARSERS: dict[str, Callable[[bytes], object]] = {
    "api_gateway": lambda raw: HttpRequest.parse(json.loads(raw)),
    "function_url": lambda raw: HttpRequest.parse(json.loads(raw)),
    "cos": lambda raw: CosEvent.parse(json.loads(raw)),
    "timer": lambda raw: TimerEvent.parse(json.loads(raw)),
    "vod_callback": VodCallback.parse,
}
CAPTURED = sorted(EVENTS.rglob("*.json"))


def test_captured_events_are_read_by_the_model_of_their_source() -> None:
    for path in CAPTURED:
        assert PARSERS[path.parent.name](path.read_bytes()) is not None, path


def test_each_source_has_a_captured_event() -> None:
    sources = {path.parent.name for path in CAPTURED}

    assert sources == set(PARSERS)
