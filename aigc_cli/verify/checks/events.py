"""Checks of events: uploads that invoke a function, and what SCF does when it fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aigc.triggers.cos import CosEvent
from aigc_cli.verify.check import Group, expect, wait_for
from aigc_cli.verify.world import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.triggers.cos import ObjectCreated
    from aigc_cli.verify.world import World

group = Group("events")

DELIVERED_WITHIN_S = 120
REPEATED_WITHIN_S = 200
"""One repeat comes after a minute; a function that times out needs its time twice."""

ODD_KEYS = {
    "a space": "a b.png",
    "a plus sign": "a+b.png",
    "a percent sign": "a%b.png",
    "an encoded space": "a%20b.png",
    "Chinese": "猫.png",
    "a quotation mark": "a'b\".png",
}


def _upload(world: World, name: str, **headers: str) -> str:
    """Put an object that invokes the probe; return its key."""
    world.watch_events()
    key = f"{EVENTS}{name}"
    answer = world.account.cos(
        "PUT", world.bucket, key, headers={"Content-Type": "image/png", **headers}, body=b"image"
    )
    expect(answer.status == 200, f"the upload of {name!r} was answered {answer}")
    return key


def _created(world: World, text: str, what: str, count: int = 1) -> list[ObjectCreated]:
    """Wait for events that contain a text, and parse them as the upload function does."""

    def arrived() -> list[ObjectCreated] | None:
        created = [
            item
            for note in world.seen(text)
            for item in CosEvent.parse(note["event"]).created
            if item.key.startswith(EVENTS)
            and text in "\0".join((item.key, item.event_name, *item.other_keys))
        ]
        return created if len(created) >= count else None

    created = wait_for(arrived, DELIVERED_WITHIN_S, what)
    name = created[0].event_name.rpartition(":")[2].lower()
    world.sample(f"cos_{name}", world.seen(text)[0]["event"])
    return created


@group.check(
    "arrive",
    assumption="Each upload invokes the function once, within two minutes.",
    document="583/9707",
    used_by="how soon an upload becomes a job; the sweep finds what no event reports",
    otherwise="Jobs of uploads start when the sweep finds them.",
)
def arrive(world: World) -> str:
    """Upload 20 objects."""
    _upload_failing(world)
    started = time.monotonic()
    for number in range(20):
        _upload(world, f"arrive-{number:02}.png")
    created = _created(world, "arrive-", "20 events arrive", 20)
    keys = [item.key for item in created]
    expect(len(set(keys)) == 20, f"{len(set(keys))} of 20 objects")
    order = "in order" if keys == sorted(keys) else "in another order"
    repeats = len(keys) - 20
    return f"within {time.monotonic() - started:.1f} s, {order}, {repeats} repeated"


@group.check(
    "keys",
    assumption="The object of an event is found under its key or its other reading, also with"
    " spaces, `+`, `%` and Chinese.",
    used_by="uploads: an object that is not found is processed by the sweep instead",
    otherwise="Such uploads start later. Report the form that was seen.",
)
def keys(world: World) -> str:
    """Upload objects with odd names."""
    forms: dict[str, str] = {}
    for what, name in ODD_KEYS.items():
        marker = f"x-{len(forms)}-"
        key = _upload(world, f"{marker}{name}")
        [created, *_] = _created(world, marker, f"the event of a key with {what}")
        expect(
            key in {created.key, *created.other_keys},
            f"{key!r} arrived as {created.key!r} or one of {created.other_keys!r}",
        )
        forms[what] = "plain" if created.key == key else "other reading"
    return ", ".join(f"{what}: {form}" for what, form in forms.items())


@group.check(
    "long-key",
    assumption="An object with a key of 850 bytes raises an event with the whole key.",
    used_by="uploads with long names",
    otherwise="The sweep processes such uploads.",
)
def long_key(world: World) -> str:
    """Upload an object with the longest key."""
    name = "long-" + "k" * (850 - len(EVENTS) - len("long-"))
    key = _upload(world, name)
    [created, *_] = _created(world, "long-k", "the event of the longest key")
    expect(created.key == key, f"the event has {len(created.key)} characters")
    return "850 bytes"


@group.check(
    "metadata",
    assumption="`meta` of an event has the object's `x-cos-meta-*` headers.",
    document="583/9707",
    used_by="nothing: metadata is read from the object",
    otherwise="Nothing changes.",
)
def metadata(world: World) -> str:
    """Upload an object with metadata."""
    _upload(world, "metadata.png", **{"x-cos-meta-aigc-prompt": "a%20cat"})
    [created, *_] = _created(world, "metadata.png", "the event")
    seen = {name: text for name, text in created.meta.items() if name.startswith("x-cos-meta-")}
    expect(seen.get("x-cos-meta-aigc-prompt") == "a%20cat", f"seen: {seen}")
    return "the header is there"


def _names(world: World, text: str) -> str:
    created = _created(world, text, "an event")
    return ", ".join(sorted({item.event_name for item in created}))


@group.check(
    "copy",
    assumption="A copy raises `cos:ObjectCreated:Copy`, also onto the object itself.",
    document="583/9707",
    used_by='rules: copies count only with `events = ["Copy"]`',
    otherwise="A copy is processed as an upload; the same content under the same key is one job.",
)
def copy(world: World) -> str:
    """Copy an object into the watched prefix."""
    world.watch_events()
    world.account.cos("PUT", world.bucket, "source.png", body=b"image")
    host = world.host
    headers = {"x-cos-copy-source": f"{host}/source.png"}
    answer = world.account.cos("PUT", world.bucket, f"{EVENTS}copied.png", headers=headers)
    expect(answer.status == 200, f"the copy was answered {answer}")
    names = _names(world, "copied.png")
    expect(names == "cos:ObjectCreated:Copy", f"seen: {names}")
    return names


@group.check(
    "multipart",
    assumption="An upload in parts raises one event, `cos:ObjectCreated:CompleteMultipartUpload`.",
    document="583/9707",
    used_by="large uploads",
    otherwise="Several events are one job.",
)
def multipart(world: World) -> str:
    """Upload an object in one part."""
    world.watch_events()
    key = f"{EVENTS}parts.png"
    world.upload_in_one_part(key)
    names = _names(world, "parts.png")
    expect(names == "cos:ObjectCreated:CompleteMultipartUpload", f"seen: {names}")
    return names


@group.check(
    "overlap",
    assumption="A second trigger on the bucket whose prefix lies inside the first one's is"
    " refused.",
    document="583/9707",
    used_by="`pulumi up`: the program refuses overlapping rules before",
    otherwise="The local cloud is stricter than SCF.",
)
def overlap(world: World) -> str:
    """Create a trigger inside another one's prefix."""
    world.watch_events()
    host = world.host
    code = world.account.refusal(
        "scf",
        "CreateTrigger",
        FunctionName=world.probe,
        TriggerName=host,
        Type="cos",
        TriggerDesc=(
            f'{{"bucketUrl": "{host}", "event": "cos:ObjectCreated:Put",'
            f' "filter": {{"Prefix": "{EVENTS}inside/"}}}}'
        ),
        Enable="OPEN",
    )
    expect(code, "it was accepted")
    return code


def _upload_failing(world: World) -> None:
    """Upload what makes the function fail, once: the repeats come while other checks run."""

    def upload() -> bool:
        for way in _FAILURES:
            _upload(world, f"fail-{way}.png")
        return True

    world.shared("failing", upload)


def _deliveries(world: World, way: str) -> int:
    """Return how often an event was delivered whose function fails in some way."""
    _upload_failing(world)
    name = f"fail-{way}.png"
    wait_for(lambda: len(world.seen(name)) > 1, REPEATED_WITHIN_S, "the event is repeated")
    return len(world.seen(name))


_FAILURES: Mapping[str, str] = {
    "raise": "raises",
    "exit": "ends its process",
    "timeout": "exceeds its timeout",
}


def _retry_check(way: str, what: str) -> None:
    @group.check(
        f"retry-{way}",
        assumption=f"An event whose function {what} is delivered again after a minute, as often"
        " as `RetryNum` says.",
        document="583/41138",
        used_by="uploads: an event that fails is not lost at once",
        otherwise="The sweep processes the upload.",
    )
    def retry(world: World) -> str:
        """Let the function fail."""
        return f"delivered {_deliveries(world, way)} times with RetryNum 1"


for _way, _what in _FAILURES.items():
    _retry_check(_way, _what)
