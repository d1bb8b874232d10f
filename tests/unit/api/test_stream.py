"""A call for news is held until there are some, and answered with events."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.fakes import START, ManualClock
from tests.unit.api.test_progress import finished, submitted
from tests.unit.api.test_submit import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.api.client import Answer, Client


class ClockWithEvents(ManualClock):
    """Something happens at a second of its own."""

    def __init__(self, second: float, happens: Callable[[], Any]) -> None:
        super().__init__()
        self._second = second
        self._happens = happens

    def sleep(self, seconds: float) -> None:
        before = self.moment
        super().sleep(seconds)
        if before < START + timedelta(seconds=self._second) <= self.moment:
            self._happens()


def stream(client: Client, request_id: str, known: str = "", **more: Any) -> Answer:
    headers = {"Last-Event-ID": known} if known else {}
    return client.get(f"{IMAGE}/requests/{request_id}/status/stream", headers=headers, **more)


def events(answer: Answer) -> list[dict[str, Any]]:
    """Read the events as a client of server-sent events does."""
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    found = []
    for block in answer.body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in fields:
            found.append(fields | {"data": json.loads(fields["data"])})
    return found


def waited(client: Client) -> float:
    return (client.world.clock.now() - START).total_seconds()


def test_call_is_held_until_the_request_ends(client: Client) -> None:
    request_id = submitted(client)
    vendor = client.world.vendor
    client.world.clock = ClockWithEvents(4, lambda: vendor.finish(vendor.tasks[0]))

    seen = events(stream(client, request_id))

    assert [event["data"]["status"] for event in seen] == ["IN_PROGRESS", "COMPLETED"]
    assert 4 <= waited(client) <= 6


def test_call_without_news_ends_after_twenty_seconds(client: Client) -> None:
    request_id = submitted(client)

    seen = events(stream(client, request_id))

    assert [event["data"]["status"] for event in seen] == ["IN_PROGRESS"]
    assert waited(client) == 20


def test_client_that_reconnects_is_told_only_what_is_new(client: Client) -> None:
    request_id = submitted(client)
    [first] = events(stream(client, request_id))

    answer = stream(client, request_id, known=first["id"])

    assert events(answer) == []
    assert answer.body == "retry: 1000\n\n"
    assert waited(client) == 40


def test_news_that_a_client_missed_come_at_once(client: Client) -> None:
    submitted(client)
    request_id = submitted(client)
    [first] = events(stream(client, request_id))
    started = waited(client)
    client.send("PUT", f"{IMAGE}/requests/{request_id}/cancel")

    [event] = events(stream(client, request_id, known=first["id"]))

    assert event["data"]["status"] == "COMPLETED"
    assert waited(client) == started


def test_end_is_told_at_once_and_then_nothing_more(client: Client) -> None:
    request_id = finished(client)

    [event] = events(stream(client, request_id))
    after = stream(client, request_id, known=event["id"])

    assert event["data"]["status"] == "COMPLETED"
    assert (after.status, after.body) == (204, None)
    assert waited(client) == 0


def test_event_is_what_the_status_says(client: Client) -> None:
    request_id = finished(client)

    [event] = events(stream(client, request_id, query={"logs": "1"}))
    status = client.get(f"{IMAGE}/requests/{request_id}/status", query={"logs": "1"})

    assert event["data"] == status.body


def test_head_is_not_held(client: Client) -> None:
    request_id = submitted(client)

    answer = client.send("HEAD", f"{IMAGE}/requests/{request_id}/status/stream")

    assert answer.status == 200
    assert waited(client) == 0


def test_stream_of_nobody_is_not_found(client: Client) -> None:
    assert stream(client, "nobody").status == 404
