"""The outcome of each object of the inbox, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aigc.triggers.cos import CosEvent
from aigc.uploads.events import process
from aigc.uploads.rules import DeployedRules, Rules
from tests.captured import captured
from tests.fakes import image_bytes
from tests.unit.api.test_keys import put_key, with_key

if TYPE_CHECKING:
    from tests.unit.api.client import Client

TASK = {"model_name": "GG", "model_version": "3.0", "prompt": "a lighthouse"}
RULES = Rules.parse(
    {"rule": [{"name": "any", "prefix": "photos/", "kind": "vod.image", "task": TASK}]}
)


@pytest.fixture(autouse=True)
def _deployed(client: Client) -> None:
    client.world.memory.of(DeployedRules).rules = RULES


def upload(client: Client, key: str, data: bytes | None = None, *, event: bool = True) -> None:
    """Put an object in the inbox, and deliver its event."""
    world = client.world
    world.inbox.put(key, image_bytes() if data is None else data, "image/png")
    record = captured("cos/put")
    record["Records"][0]["cos"]["cosObject"] |= {"key": f"/1250000000/inbox/{key}", "url": ""}
    if event:
        process(CosEvent.parse(record), RULES, world.runtime())


def uploads(client: Client, **query: str) -> dict[str, Any]:
    answer = client.get("/v1/uploads", query=query)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def test_upload_names_its_job(client: Client) -> None:
    upload(client, "photos/cat.png")

    [account] = uploads(client)["uploads"]

    [job] = account.pop("jobs")
    assert client.get(f"/v1/jobs/{job['request_id']}").body["source"]["key"] == "photos/cat.png"
    assert (job["rule"], job["state"]) == ("any", "running")
    assert account == {
        "key": "photos/cat.png",
        "size": len(image_bytes()),
        "etag": account["etag"],
        "uploaded_at": "2026-11-20T12:00:00+00:00",
        "outcome": "job",
        "reason": None,
        "detail": "",
    }


def test_job_of_an_upload_has_its_present_state(client: Client) -> None:
    upload(client, "photos/cat.png")
    upload(client, "photos/dog.png")
    first, second = (account["jobs"][0] for account in uploads(client)["uploads"])
    client.send("PUT", f"/tencent-vod/v1/aigc-image/requests/{second['request_id']}/cancel")

    states = [account["jobs"][0]["state"] for account in uploads(client)["uploads"]]

    assert [first["state"], second["state"]] == ["running", "queued"]
    assert states == ["running", "cancelled"]


@pytest.mark.parametrize("record", [None, b"{"])
def test_state_of_a_job_without_a_readable_record_is_null(
    client: Client, record: bytes | None
) -> None:
    upload(client, "photos/cat.png")
    [job] = uploads(client)["uploads"][0]["jobs"]
    key = f"jobs/{job['request_id']}.json"
    client.world.store.delete(key)
    if record is not None:
        client.world.store.put(key, record)

    [account] = uploads(client)["uploads"]

    assert (account["outcome"], account["jobs"][0]["state"]) == ("job", None)


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        ("photos/a.png", b"%PDF-1.7", "not_an_image"),
        ("photos/a.png", b"", "empty"),
        ("photos/a.png", bytes(20 * 2**20 + 1), "too_large"),
        ("other/a.png", None, "no_rule"),
    ],
)
def test_upload_without_a_job_has_a_reason(
    client: Client, key: str, data: bytes | None, reason: str
) -> None:
    upload(client, key, data)

    [account] = uploads(client, object_key=key)["uploads"]

    assert (account["outcome"], account["reason"], account["jobs"]) == ("none", reason, [])
    assert account["detail"]


def test_upload_whose_event_was_lost_is_pending(client: Client) -> None:
    upload(client, "photos/cat.png", event=False)

    [account] = uploads(client)["uploads"]

    assert (account["outcome"], account["reason"]) == ("pending", None)


def test_inbox_is_listed_in_order_a_page_at_a_time(client: Client) -> None:
    keys = [f"photos/{number} a!.png" for number in range(5)]
    for key in keys:
        upload(client, key)
    page = uploads(client, limit="2")
    listed = page["uploads"]
    while page["cursor"]:
        page = uploads(client, limit="2", cursor=page["cursor"])
        listed += page["uploads"]

    assert [account["key"] for account in listed] == keys


def test_inbox_is_filtered_by_prefix_and_outcome(client: Client) -> None:
    upload(client, "photos/cat.png")
    upload(client, "photos/dog.png", b"no image")
    upload(client, "other.png")

    assert [a["key"] for a in uploads(client, prefix="photos/")["uploads"]] == [
        "photos/cat.png",
        "photos/dog.png",
    ]
    assert [a["key"] for a in uploads(client, outcome="none")["uploads"]] == [
        "other.png",
        "photos/dog.png",
    ]
    assert uploads(client, object_key="photos/bird.png")["uploads"] == []


@pytest.mark.parametrize(("field", "value"), [("outcome", "lost"), ("cursor", "é")])
def test_wrong_filter_is_refused(client: Client, field: str, value: str) -> None:
    answer = client.get("/v1/uploads", query={field: value})

    assert (answer.status, answer.body["field"]) == (400, field)


def test_key_that_sees_only_its_own_jobs_sees_no_uploads(client: Client) -> None:
    narrow = with_key(client, put_key(client.world, "narrow", own_only=True))

    answer = narrow.get("/v1/uploads")

    assert (answer.status, answer.body["error_type"]) == (403, "forbidden")
