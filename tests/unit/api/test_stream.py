"""A call to the stream waits for a change and is answered with server-sent events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fakes import START, ClockWithEvents
from tests.unit.api.test_progress import finished, submitted
from tests.unit.api.test_submit import IMAGE

if TYPE_CHECKING:
    from tests.unit.api.client import Answer, Client


def stream(client: Client, request_id: str, known: str = "", **more: Any) -> Answer:
    headers = {"Last-Event-ID": known} if known else {}
    return client.get(f"{IMAGE}/requests/{request_id}/status/stream", headers=headers, **more)


def events(answer: Answer) -> list[dict[str, Any]]:
    """Read the events as a client of server-sent events does."""
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = []
    for block in answer.body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in fields:
            events.append(fields | {"data": json.loads(fields["data"])})
    return events


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


def test_client_that_reconnects_gets_only_new_events(client: Client) -> None:
    request_id = submitted(client)
    [first] = events(stream(client, request_id))

    answer = stream(client, request_id, known=first["id"])

    assert events(answer) == []
    assert answer.body == "retry: 1000\n\n"
    assert waited(client) == 40


def test_events_that_a_client_missed_are_sent_at_once(client: Client) -> None:
    submitted(client)
    request_id = submitted(client)
    [first] = events(stream(client, request_id))
    started = waited(client)
    client.send("PUT", f"{IMAGE}/requests/{request_id}/cancel")

    [event] = events(stream(client, request_id, known=first["id"]))

    assert event["data"]["status"] == "COMPLETED"
    assert waited(client) == started


def test_the_end_is_sent_at_once_and_then_nothing_more(client: Client) -> None:
    request_id = finished(client)

    [event] = events(stream(client, request_id))
    after = stream(client, request_id, known=event["id"])

    assert event["data"]["status"] == "COMPLETED"
    assert (after.status, after.body) == (204, None)
    assert waited(client) == 0


def test_event_equals_the_status(client: Client) -> None:
    request_id = finished(client)

    [event] = events(stream(client, request_id, query={"logs": "1"}))
    status = client.get(f"{IMAGE}/requests/{request_id}/status", query={"logs": "1"})

    assert event["data"] == status.body


def test_no_line_of_the_log_comes_twice(client: Client) -> None:
    request_id = submitted(client)
    vendor = client.world.vendor
    [first] = events(stream(client, request_id, query={"logs": "1"}))
    vendor.finish(vendor.tasks[0])
    client.world.clock.pass_time(2)

    [last] = events(stream(client, request_id, known=first["id"], query={"logs": "1"}))
    status = client.get(f"{IMAGE}/requests/{request_id}/status", query={"logs": "1"})

    assert [line["message"] for line in last["data"]["logs"]] == ["succeeded"]
    assert first["data"]["logs"] + last["data"]["logs"] == status.body["logs"]


def test_client_that_knows_no_event_of_ours_gets_the_whole_log(client: Client) -> None:
    request_id = finished(client)

    [event] = events(stream(client, request_id, known="yesterday", query={"logs": "1"}))

    assert len(event["data"]["logs"]) == 3


def test_call_on_a_shortened_path_is_held_until_the_end(client: Client) -> None:
    first = submitted(client)
    request_id = submitted(client)
    vendor = client.world.vendor
    client.world.clock = clock = ClockWithEvents(5, lambda: vendor.finish(vendor.tasks[0]))
    clock.add(10, lambda: client.get(f"{IMAGE}/requests/{first}"))
    clock.add(30, lambda: vendor.finish(vendor.tasks[1]))

    answer = client.get(f"/tencent-vod/v1/requests/{request_id}/status/stream", query={"logs": "1"})

    queued, ended = [event["data"] for event in events(answer)]
    assert (queued["status"], ended["status"]) == ("IN_QUEUE", "COMPLETED")
    assert 30 <= waited(client) <= 33
    messages = [line["message"] for line in queued["logs"] + ended["logs"]]
    assert messages == ["accepted as vod.image", "attempt 1 sent: task-2", "succeeded"]


def test_head_is_not_held(client: Client) -> None:
    request_id = submitted(client)

    answer = client.send("HEAD", f"{IMAGE}/requests/{request_id}/status/stream")

    assert answer.status == 200
    assert waited(client) == 0


def test_stream_of_an_unknown_request_is_not_found(client: Client) -> None:
    assert stream(client, "nobody").status == 404
