"""The timer's tick and VOD's callbacks."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone

import pytest

from aigc.errors import BadEventError
from aigc.triggers.timer import TimerEvent
from aigc.triggers.vod_callback import EndedTask, Signature, VodCallback
from tests.captured import captured

JOB = "019ab0c1d2e3f405162738495a6b7c8d"
NOW = 1795176000


def pushed(name: str) -> bytes:
    return json.dumps(captured(f"vod_callback/{name}")).encode()


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324  what VOD signs with


def test_tick_is_read() -> None:
    tick = TimerEvent.parse(captured("timer/minute"))

    assert tick.trigger == "every-minute"
    assert tick.time == datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize("name", ["image_finished", "scene_image_failed"])
def test_callback_names_the_task_and_its_job(name: str) -> None:
    callback = VodCallback.parse(pushed(name))

    assert isinstance(callback.task, EndedTask)
    assert callback.task.session_context == JOB
    assert callback.task.session_id == f"{JOB}-1"
    assert callback.task.task_id.startswith("1500000001-")


def test_callback_is_known_by_its_object_and_not_by_its_type() -> None:
    event = captured("vod_callback/scene_image_finished")
    event["EventType"] = "SceneAigcImageTaskComplete"

    assert VodCallback.parse(json.dumps(event).encode()).task is not None


def test_event_of_something_else_has_no_task() -> None:
    callback = VodCallback.parse(b'{"EventType":"NewFileUpload","FileUploadEvent":{"FileId":"1"}}')

    assert callback.event_type == "NewFileUpload"
    assert callback.task is None


def test_captured_signature_is_valid_until_it_expires() -> None:
    signature = VodCallback.parse(pushed("image_finished")).signature

    assert signature is not None
    assert signature.is_valid("callbackkey", now=NOW)
    assert not signature.is_valid("callbackkey", now=NOW + 3600)
    assert not signature.is_valid("another", now=NOW)


def test_signature_in_capitals_is_valid() -> None:
    signature = Signature(md5(f"key{NOW}").upper(), NOW)

    assert signature.is_valid("key", now=NOW)


def test_signature_is_also_found_in_the_query() -> None:
    query = {"Sign": (md5(f"key{NOW}"),), "T": (str(NOW),)}

    signature = VodCallback.parse(b"{}", query).signature

    assert signature == Signature(md5(f"key{NOW}"), NOW)


def test_signature_with_other_characters_is_refused_and_not_an_error() -> None:
    assert not Signature("猫", NOW).is_valid("key", now=NOW)


def test_query_that_is_no_signature_is_refused() -> None:
    with pytest.raises(BadEventError, match="T"):
        VodCallback.parse(b"{}", {"Sign": ("x",), "T": ("soon",)})
