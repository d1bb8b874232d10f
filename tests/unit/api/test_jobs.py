"""Jobs are listed, the newest first, and described completely, without secrets."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from aigc.api import jobs
from aigc.api.routes import answer
from aigc.errors import ThrottledError
from aigc.jobs.accept import Order, accept
from aigc.jobs.job import Source
from aigc.prices import Prices
from aigc.tasks.kinds import KINDS
from aigc.triggers.http import HttpRequest
from tests.fakes import an_id, an_output_location, image_bytes
from tests.unit.api.client import KEY
from tests.unit.api.test_progress import failed, finished, submitted
from tests.unit.api.test_submit import BODIES, IMAGE, MPS, SCENE

if TYPE_CHECKING:
    from tests.unit.api.client import Answer, Client


def listed(client: Client, **query: str) -> list[str]:
    answer = client.get("/v1/jobs", query=query)
    assert answer.status == 200
    return [job["request_id"] for job in answer.body["jobs"]]


def a_second_later(client: Client, path: str = IMAGE, **more: Any) -> str:
    client.world.clock.pass_time(1)
    return submitted(client, path, **more)


def uploaded(client: Client, rule: str) -> str:
    client.world.clock.pass_time(1)
    runtime = client.world.runtime()
    task = KINDS["vod.image"].model.model_validate(BODIES[IMAGE])
    source = Source(type="upload", name=rule, bucket="inbox-1250000000", key="anime/cat.jpg")
    order = Order(
        id=an_id(), kind="vod.image", task=task, source=source, output_location=an_output_location()
    )
    return accept(order, runtime).job.id


# The list


def test_newest_comes_first(client: Client) -> None:
    ids = [a_second_later(client, path) for path in (IMAGE, SCENE, MPS)]

    assert listed(client) == ids[::-1]


def test_job_in_the_list_is_described(client: Client) -> None:
    request_id = finished(client)
    client.get(f"{IMAGE}/requests/{request_id}")

    [job] = client.get("/v1/jobs").body["jobs"]

    assert job["kind"] == "vod.image"
    assert job["state"] == "succeeded"
    assert job["images"] == 1
    assert (job["model"], job["prompt"]) == ("GG 3.0", "a lighthouse")
    assert job["source"]["name"] == "default"
    assert job["error"] is None
    assert job["job_url"] == f"{client.base_url}/v1/jobs/{request_id}"


def test_list_of_nothing_is_empty(client: Client) -> None:
    assert client.get("/v1/jobs").body == {"jobs": [], "cursor": None}


def test_list_is_filtered_by_kind(client: Client) -> None:
    a_second_later(client)
    scene = a_second_later(client, SCENE)

    assert listed(client, kind="vod.scene_image") == [scene]


def test_list_is_filtered_by_state(client: Client) -> None:
    running = a_second_later(client)
    waiting = a_second_later(client)

    assert listed(client, state="queued") == [waiting]
    assert listed(client, state="running") == [running]
    assert listed(client, state="failed") == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("call", ["mine", "other"]),
        ("upload", ["anime", "sketch"]),
        ("call:default", ["mine"]),
        ("upload:sketch", ["sketch"]),
    ],
)
def test_list_is_filtered_by_source(client: Client, source: str, found: list[str]) -> None:
    other = client.post(MPS, BODIES[MPS], Authorization="Key other-key").body["request_id"]
    ids = {
        "other": other,
        "mine": a_second_later(client, MPS),
        "sketch": uploaded(client, "sketch"),
        "anime": uploaded(client, "anime"),
    }

    assert listed(client, source=source) == [ids[name] for name in found]


def pages(client: Client, **query: str) -> list[list[str]]:
    """Follow the cursors to the end."""
    found: list[list[str]] = []
    cursor = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        page = client.get("/v1/jobs", query=query | more).body
        found.append([job["request_id"] for job in page["jobs"]])
        cursor = page["cursor"]
    return found


def test_pages_hold_every_job_once(client: Client) -> None:
    ids = [a_second_later(client) for _ in range(7)]

    found = pages(client, limit="3")

    assert [len(page) for page in found] == [3, 3, 1]
    assert [one for page in found for one in page] == ids[::-1]


def test_new_jobs_do_not_move_a_page(client: Client) -> None:
    ids = [a_second_later(client) for _ in range(4)]
    first = client.get("/v1/jobs", query={"limit": "2"}).body
    a_second_later(client)

    second = listed(client, limit="2", cursor=first["cursor"])

    assert second == ids[1::-1]


def test_a_page_reads_a_bounded_number_of_records(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOST_READ", 2)
    oldest = a_second_later(client)
    client.world.vendor.finish(client.world.vendor.tasks[0])
    client.get(f"{IMAGE}/requests/{oldest}")
    for _ in range(4):
        a_second_later(client)

    found = pages(client, state="succeeded")

    assert found == [[], [], [oldest]]


def test_index_of_many_pages_is_read_to_its_end(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "INDEX_PAGE", 2)
    ids = [a_second_later(client) for _ in range(5)]

    assert listed(client) == ids[::-1]


def test_entry_without_a_job_is_ignored_and_later_removed(client: Client) -> None:
    request_id = submitted(client)
    client.world.store.delete(f"jobs/{request_id}.json")

    assert listed(client) == []
    assert client.world.ledger_keys("index/")

    client.world.clock.pass_time(76)
    assert listed(client) == []
    assert client.world.ledger_keys("index/") == []


def test_record_that_cannot_be_read_does_not_hide_the_others(client: Client) -> None:
    broken = submitted(client)
    client.world.store.put(f"jobs/{broken}.json", b"{}")
    request_id = a_second_later(client)

    assert listed(client) == [request_id]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "done"),
        ("kind", "vod.movie"),
        ("source", "elsewhere"),
        ("source", "call:"),
        ("foo", "1"),
        ("limit", ["1", "2"]),
        ("limit", ""),
        ("limit", "101"),
        ("limit", "many"),
        ("cursor", "x"),
        ("cursor", base64.urlsafe_b64encode(b"../jobs/").decode()),
    ],
)
def test_wrong_filter_is_named(client: Client, name: str, value: object) -> None:
    answer = client.get("/v1/jobs", query={name: value})

    assert answer.status == 400
    assert answer.body["error_type"] == "invalid_request"
    assert answer.body["field"] == name
    assert answer.body["allowed"]


def test_throttled_ledger_is_answered_as_such(client: Client) -> None:
    class Busy(type(client.world.store)):  # type: ignore[misc]
        def list(self, *_: object) -> None:
            raise ThrottledError("list index/", code="SlowDown")

    client.world.store = Busy(client.world.clock)

    assert client.get("/v1/jobs").status == 429


# Why jobs wait


def waits(client: Client) -> list[dict[str, Any] | None]:
    return [job["wait"] for job in client.get("/v1/jobs").body["jobs"]]


def a_wait(reason: str, position: int | None, **more: str) -> dict[str, Any]:
    return {"reason": reason, "position": position, "until": None, "ceiling": None, **more}


def test_list_shows_which_jobs_wait_for_a_full_lane(client: Client) -> None:
    for _ in range(3):
        a_second_later(client)

    assert waits(client) == [a_wait("lane_full", 1), a_wait("lane_full", 0), None]


def test_list_shows_which_jobs_wait_for_a_paused_lane(client: Client) -> None:
    client.world.vendor.refused["Create"] = "FailedOperation.UserArrears"
    a_second_later(client)
    client.world.memory = type(client.world.memory)()  # another instance reads the pause

    assert waits(client) == [a_wait("paused", 0, until="2026-11-20T12:01:01+00:00")]


def test_list_shows_which_jobs_wait_for_the_vendor(client: Client) -> None:
    client.world.vendor.next_creates = ["throttle"] * 4
    request_id = a_second_later(client)

    [wait] = waits(client)

    assert wait is not None
    assert (wait["reason"], wait["position"]) == ("backoff", 0)
    assert wait["until"] > client.get(f"/v1/jobs/{request_id}").body["updated_at"]


def test_list_shows_which_jobs_wait_for_a_ceiling(client: Client) -> None:
    ceiling = {"scope": "stack", "period": "day", "images": 1}
    client.world.prices = Prices.parse({"ceiling": [ceiling]})
    a_second_later(client)
    over = a_second_later(client)
    expected = a_wait(
        "over_budget", None, until="2026-11-21T00:00:00+00:00", ceiling="stack/day/images"
    )

    assert waits(client) == [expected, None]
    assert client.get(f"/v1/jobs/{over}").body["wait"] == expected


def test_list_reads_each_lane_once_however_much_waits(client: Client) -> None:
    for _ in range(6):
        a_second_later(client)
    client.world.store.requests.clear()

    client.get("/v1/jobs")

    listings = [made for made in client.world.store.requests if made.startswith("list lanes/")]
    assert listings == ["list lanes/vod.image/"]


# One job


def job_of(client: Client, request_id: str) -> Answer:
    return client.get(f"/v1/jobs/{request_id}")


def test_job_has_its_attempts_and_its_images(client: Client) -> None:
    request_id = finished(client)

    answer = job_of(client, request_id)

    assert answer.status == 200
    assert answer.body["state"] == "succeeded"
    [attempt] = answer.body["attempts"]
    assert (attempt["task_id"], attempt["request_id"]) == ("task-1", "request-of-task-1")
    assert attempt["vendor_status"] == "FINISH"
    [image] = answer.body["images"]
    assert image["file_name"] == f"{request_id}-1.png"
    location = {"bucket": "results-1250000000", "prefix": "calls/2026-11-20/", "name": request_id}
    assert answer.body["place"] == location
    assert answer.body["source"]["request_id"] == "invocation-1"


def test_failed_job_has_its_error(client: Client) -> None:
    request_id = failed(client, "ModelGenerateFailed")

    body = job_of(client, request_id).body

    assert body["error"]["type"] == "task_failed"
    assert body["attempts"][0]["error"]["code"] == "ModelGenerateFailed"


def test_job_of_an_upload_names_the_object(client: Client) -> None:
    request_id = uploaded(client, "anime")

    source = job_of(client, request_id).body["source"]

    assert (source["type"], source["name"]) == ("upload", "anime")
    assert (source["bucket"], source["key"]) == ("inbox-1250000000", "anime/cat.jpg")


def test_no_secret_of_an_input_is_answered(client: Client) -> None:
    encoded = base64.b64encode(image_bytes()).decode()
    inputs = [{"url": "https://example.com/a.png?q-signature=secret"}, {"base64": encoded}]
    request_id = submitted(client, file_infos=inputs)

    answer = job_of(client, request_id)

    assert answer.body["task"]["file_infos"][0]["url"] == "https://example.com/a.png"
    assert "secret" not in str(answer.body)
    assert encoded not in str(answer.body)


def submitted_with_webhook(client: Client) -> str:
    client.world.settings = client.world.settings.model_copy(
        update={"webhook_secrets": (SecretStr(f"whsec_{base64.b64encode(bytes(32)).decode()}"),)}
    )
    return submitted(client, webhook_url="https://example.com/hook?token=secret")


def test_pending_webhook_is_shown_without_its_secrets(client: Client) -> None:
    request_id = submitted_with_webhook(client)

    webhook = job_of(client, request_id).body["webhook"]

    assert webhook == {"url": "https://example.com/hook", "state": "pending", "tries": []}


def test_delivered_webhook_is_shown_with_its_tries(client: Client) -> None:
    request_id = submitted_with_webhook(client)
    client.world.vendor.finish(client.world.vendor.tasks[0])

    webhook = job_of(client, request_id).body["webhook"]

    assert (webhook["url"], webhook["state"]) == ("https://example.com/hook", "delivered")
    assert [one["status"] for one in webhook["tries"]] == [200]


def test_job_that_does_not_exist_is_not_found(client: Client) -> None:
    assert job_of(client, "nobody").status == 404


def test_a_page_gets_on_however_little_time_there_is(client: Client) -> None:
    for _ in range(2):
        client.post(IMAGE, BODIES[IMAGE])
        client.world.clock.pass_time(1)
    hurried = HttpRequest(method="GET", path="/v1/jobs", headers={"authorization": f"Bearer {KEY}"})

    page = answer(hurried, client.world.runtime(seconds=1)).body

    assert isinstance(page, dict)
    assert len(page["jobs"]) == 1
    assert page["cursor"]
