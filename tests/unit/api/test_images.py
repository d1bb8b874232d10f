"""Images are listed, the newest first, by filters that the keys of their index contain."""

from __future__ import annotations

import base64
import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aigc.api import images
from aigc.errors import RefusedError
from aigc.jobs.job import JobError, Source
from aigc.jobs.ledger.images import LONGEST_KEY, image_set, image_sets, words_of
from aigc.jobs.replay import replay
from aigc.jobs.restore import restore
from aigc.jobs.transitions import fail
from aigc.sweeping import sweep
from aigc.wire import with_fields
from tests.finished_jobs import FIRST_END, SUBJECTS, finished_job, objects_of
from tests.unit.api.test_keys import put_key, with_key
from tests.unit.api.test_progress import failed, finished

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aigc.jobs.job import Job
    from tests.unit.api.client import Client


def put_jobs(client: Client, jobs: Iterable[Job]) -> None:
    for job in jobs:
        for key, body in objects_of(job):
            client.world.store.put(key, body)


def page(client: Client, **query: str) -> dict[str, Any]:
    answer = client.get("/v1/images", query=query)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def numbers(client: Client, **query: str) -> list[int]:
    """Follow the cursors to the end; return the numbers of the jobs, one for each image."""
    listed: list[int] = []
    cursor = ""
    while cursor is not None:
        body = page(client, **query, **({"cursor": cursor} if cursor else {}))
        listed += [int(image["request_id"], 16) for image in body["images"]]
        cursor = body["cursor"]
    return listed


# What is listed


def test_the_image_of_a_job_is_listed_as_soon_as_the_job_succeeds(client: Client) -> None:
    request_id = finished(client)
    assert page(client) == {"images": [], "cursor": None}
    client.get(f"/v1/jobs/{request_id}")

    [image] = page(client)["images"]

    key = f"calls/2026-11-20/{request_id}-1.png"
    signed = f"https://results-1250000000.cos.example/{key}?expires=3600"
    assert image == {
        "request_id": request_id,
        "number": 1,
        "key": key,
        "url": signed,
        "preview_url": f"{signed}&{images.PREVIEW}",
        "description_url": signed.replace("-1.png", ".json"),
        "content_type": "image/png",
        "width": image["width"],
        "height": image["height"],
        "file_name": f"{request_id}-1.png",
        "file_size": image["file_size"],
        "labels": image["labels"],
        "kind": "vod.image",
        "model": "GG 3.0",
        "prompt": "a lighthouse",
        "source": image["source"],
        "created_at": "2026-11-20T12:00:00+00:00",
        "ended_at": image["ended_at"],
        "input": None,
        "job_url": f"{client.base_url}/v1/jobs/{request_id}",
    }
    assert image["source"]["name"] == "default"


def test_a_job_that_failed_has_no_image(client: Client) -> None:
    client.get(f"/v1/jobs/{failed(client, 'InternalError')}")

    assert page(client)["images"] == []
    assert client.world.ledger_keys("images/") == []


@pytest.mark.parametrize("changed", [("~call~", "~robot~"), ("~1~", "~many~"), ("0-", "0-a~")])
def test_a_key_that_is_no_entry_is_ignored(client: Client, changed: tuple[str, str]) -> None:
    put_jobs(client, [finished_job(0)])
    [key] = client.world.ledger_keys("images/")
    client.world.store.put(key.replace(*changed, 1), b"{}")

    assert numbers(client) == [0]


def test_newest_comes_first_and_a_long_prompt_is_shortened(client: Client) -> None:
    jobs = [finished_job(number) for number in range(3)]
    jobs.append(with_fields(finished_job(3), task={**finished_job(3).task, "prompt": "x" * 1000}))
    put_jobs(client, jobs)

    assert numbers(client) == [3, 2, 1, 0]
    assert page(client)["images"][0]["prompt"] == "x" * 300


def test_without_previews_the_url_is_that_of_the_image(client: Client) -> None:
    client.world.settings = with_fields(client.world.settings, previews="none")
    put_jobs(client, [finished_job(1)])

    [image] = page(client)["images"]

    assert image["preview_url"] == image["url"]
    assert image["input"]["preview_url"] == image["input"]["url"]


def test_an_upload_is_listed_with_the_image_it_started_from(client: Client) -> None:
    put_jobs(client, [finished_job(1)])

    [image] = page(client)["images"]

    url = "https://inbox-1250000000.cos.example/anime/cat.png?expires=3600"
    assert image["input"] == {
        "bucket": "inbox-1250000000",
        "key": "anime/cat.png",
        "url": url,
        "preview_url": f"{url}&{images.PREVIEW}",
    }


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("cos://results-1250000000/.aigc/inputs/0123456789abcdef/cat.png", True),
        ("cos://results-1250000000/calls/2026-11-20/of-another-key-1.png", False),
        ("cos://inbox-1250000000/of-another-person.png", False),
        ("https://example.com/cat.png", False),
    ],
)
def test_only_an_input_that_was_uploaded_for_a_call_is_signed(
    client: Client, url: str, *, is_shown: bool
) -> None:
    job = finished_job(0)
    task = {**job.task, "file_infos": [{"type": "Url", "url": url}]}
    put_jobs(client, [with_fields(job, task=task)])

    [image] = page(client)["images"]

    assert (image["input"] is not None) == is_shown


# Pages


def test_pages_hold_every_image_once_and_split_the_images_of_a_job(client: Client) -> None:
    put_jobs(client, (finished_job(number, images=3) for number in range(7)))
    listed: list[tuple[str, int]] = []
    sizes: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        body = page(client, limit="4", **({"cursor": cursor} if cursor else {}))
        listed += [(image["request_id"], image["number"]) for image in body["images"]]
        sizes.append(len(body["images"]))
        cursor = body["cursor"]

    assert listed == [(f"{n:032x}", image) for n in range(6, -1, -1) for image in (1, 2, 3)]
    assert sizes == [4, 4, 4, 4, 4, 1]


def test_new_images_do_not_move_a_page(client: Client) -> None:
    put_jobs(client, (finished_job(number) for number in range(4)))
    first = page(client, limit="2")
    put_jobs(client, [finished_job(4)])

    second = page(client, limit="2", cursor=first["cursor"])

    assert [int(image["request_id"], 16) for image in second["images"]] == [1, 0]


def test_a_page_costs_one_listing_and_a_record_for_each_image(client: Client) -> None:
    put_jobs(client, (finished_job(number) for number in range(2500)))
    requests = client.world.store.requests
    requests.clear()

    assert len(page(client, limit="40")["images"]) == 40

    assert [request for request in requests if request.startswith("list")] == ["list images/"]
    assert len([request for request in requests if request.startswith("get jobs/")]) <= 42


def test_records_of_a_page_are_read_ten_at_a_time(client: Client) -> None:
    put_jobs(client, (finished_job(number) for number in range(100)))
    world = client.world
    world.parallel = world.store.round_trips.parallel
    before = world.store.round_trips.count

    page(client, limit="40")

    assert world.store.round_trips.count - before <= 1 + 5


def test_a_call_is_bounded_even_if_nothing_matches(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PAGE", 20)
    put_jobs(client, (finished_job(number) for number in range(450)))
    requests = client.world.store.requests
    requests.clear()

    body = page(client, q="zebra")

    assert body["images"] == []
    assert body["cursor"]
    assert requests.count("list images/") == images.MOST_LISTINGS
    assert not [request for request in requests if request.startswith("get jobs/")]
    assert numbers(client, q="zebra") == []
    assert numbers(client, q="number 7,") == numbers(client, q="7")


def test_a_call_that_runs_out_of_time_returns_what_it_has(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PAGE", 20)
    monkeypatch.setattr(images, "ANSWER_S", 1e9)
    put_jobs(client, (finished_job(number) for number in range(50)))

    body = page(client, q="lighthouse")

    assert len(body["images"]) == 3
    assert body["cursor"]


# Filters


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "mps.image"}, []),
        ({"model": "Kling 2.1"}, range(1, 24, 3)),
        ({"source": "call:shop"}, range(2, 24, 3)),
        ({"source": "upload:anime"}, range(1, 24, 3)),
        ({"folder": "shop/"}, [n for n in range(24) if n % 4 in {1, 2}]),
        ({"folder": "shop/sh"}, range(1, 24, 4)),
        ({"q": "LIGHTHOUSE storm"}, range(0, 24, 8)),
        ({"q": "猫"}, range(7, 24, 8)),
        ({"q": "light 16"}, [16]),
        ({"q": "light", "source": "call:shop"}, [8]),
    ],
)
def test_images_are_filtered(
    client: Client, query: dict[str, str], expected: Iterable[int]
) -> None:
    put_jobs(client, (finished_job(number) for number in range(24)))

    assert numbers(client, **query) == sorted(expected, reverse=True)
    assert numbers(client, **query, limit="1") == sorted(expected, reverse=True)


def test_images_are_filtered_by_day(client: Client) -> None:
    ends = [FIRST_END + timedelta(hours=12 * number) for number in range(6)]
    put_jobs(client, (finished_job(number, end=moment) for number, moment in enumerate(ends)))

    assert numbers(client, since="2026-11-02") == [5, 4, 3, 2]
    assert numbers(client, until="2026-11-02") == [3, 2, 1, 0]
    assert numbers(client, since="2026-11-02", until="2026-11-02") == [3, 2]
    assert numbers(client, since="2026-11-04") == []
    assert numbers(client, until="2026-11-02", limit="1") == [3, 2, 1, 0]


def test_the_folder_is_that_of_the_whole_bucket(client: Client) -> None:
    client.world.settings = with_fields(client.world.settings, results_prefix="site/images/")
    put_jobs(client, [finished_job(1)])

    assert numbers(client, folder="site/") == [1]
    assert numbers(client, folder="site/images/shop/") == [1]
    assert numbers(client, folder="shop/") == []
    assert page(client)["images"][0]["key"].startswith("site/images/shop/shoes/")


def test_a_filter_longer_than_the_key_is_compared_with_the_record(client: Client) -> None:
    folder = "~" * 100 + "/"
    model = "m" * 200
    jobs = []
    for number, end_of_folder in enumerate(("a/", "b/")):
        job = finished_job(number)
        location = with_fields(job.output_location, prefix=f"{folder}{end_of_folder}")
        task = {**job.task, "model_name": f"{model}{number}"}
        jobs.append(with_fields(job, output_location=location, task=task))
    put_jobs(client, jobs)

    assert numbers(client, folder=f"{folder}a") == [0]
    assert numbers(client, model=f"{model}1 2.1") == [1]
    assert all(len(key.encode()) <= LONGEST_KEY for key in client.world.ledger_keys("images/"))


def test_a_key_sees_only_its_own_images_if_it_is_limited_to_them(client: Client) -> None:
    put_jobs(client, (finished_job(number) for number in range(9)))
    key = put_key(client.world, "shop", own_only=True)

    assert numbers(with_key(client, key)) == [8, 5, 2]
    assert numbers(with_key(client, key), source="upload") == []
    assert numbers(with_key(client, put_key(client.world, "press"))) == [*range(8, -1, -1)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "vod.movie"),
        ("since", "yesterday"),
        ("limit", "101"),
        ("cursor", "x"),
        ("cursor", base64.urlsafe_b64encode(b"1/../jobs").decode()),
        ("state", "succeeded"),
    ],
)
def test_a_wrong_filter_is_named(client: Client, name: str, value: str) -> None:
    answer = client.get("/v1/images", query={name: value})

    assert (answer.status, answer.body["field"]) == (400, name)
    assert answer.body["allowed"]


# The index


def test_the_key_of_an_entry_is_read_as_it_was_written() -> None:
    job = finished_job(3)
    source = Source(type="call", name="a~b %/猫")
    job = with_fields(
        job, source=source, output_location=with_fields(job.output_location, prefix="a b/~%7E/猫/")
    )

    entry = image_set(job, "Model ~ 1/2%", SUBJECTS[3])

    [parsed] = image_sets([entry.key])
    assert parsed == entry
    assert parsed.is_of(job)


def test_words_of_a_prompt_are_kept_once_and_as_many_as_fit() -> None:
    prompt = "The cat, the CAT: ein Straßenkater — 猫! " + " ".join(f"word{n}" for n in range(400))

    entry = image_set(finished_job(0), "GG 3.0", prompt)

    assert words_of("The cat, the CAT: Straße") == ["the", "cat", "strasse"]
    [parsed] = image_sets([entry.key])
    assert parsed.words.startswith("the_cat_ein_strassenkater_猫_word0_word1")
    assert LONGEST_KEY - 3 <= len(entry.key.encode()) <= LONGEST_KEY


def test_a_text_that_cos_refuses_in_a_key_does_not_keep_a_job_from_ending(client: Client) -> None:
    class Picky(type(client.world.store)):  # type: ignore[misc]
        def put(self, key: str, *more: Any) -> None:
            if "lighthouse" in key:
                raise RefusedError(f"put {key}", code="InvalidURI")
            super().put(key, *more)

    client.world.store = Picky(client.world.clock)
    request_id = finished(client)
    client.get(f"/v1/jobs/{request_id}")

    assert [image["request_id"] for image in page(client)["images"]] == [request_id]
    assert page(client, q="lighthouse")["images"] == []


def test_two_names_of_one_end_count_once() -> None:
    entry = image_set(finished_job(0), "GG 3.0", "a cat")
    renamed = dataclasses.replace(entry, words="a_dog")

    assert [*image_sets([entry.key, renamed.key])] == [entry]


def test_a_job_that_was_restored_is_listed_once(client: Client) -> None:
    world = client.world
    request_id = finished(client)
    job = world.runtime().ledger.records.read(request_id)
    assert job is not None
    bad = JobError(type="result_unusable", message="no image")
    ended = job.finish_attempt(world.clock.now(), "FINISH", ("https://example.com/1.png",))
    fail(ended, bad, world.runtime())

    assert restore(request_id, world.runtime()) is not None
    world.clock.pass_time(1)
    sweep(world.runtime())

    assert [image["request_id"] for image in page(client)["images"]] == [request_id]


def test_an_entry_of_a_failed_job_is_ignored_and_a_replay_is_listed_once(
    client: Client,
) -> None:
    """The invocation dies between the entry and the record; later tries fail; a replay succeeds."""
    world = client.world
    request_id = finished(client)
    records = world.runtime().ledger.records
    job = records.read(request_id)
    assert job is not None
    early = job.finish_attempt(world.clock.now(), "FINISH", ("https://example.com/1.png",))
    world.store.put(image_set(early, "GG 3.0", "a lighthouse").key, b"{}")
    fail(early, JobError(type="task_failed", message="no image"), world.runtime())
    assert page(client)["images"] == []

    world.clock.pass_time(60)
    replayed = replay(request_id, world.runtime(), pays_again=True)
    assert replayed is not None
    world.vendor.finish(world.vendor.tasks[-1])
    client.get(f"/v1/jobs/{request_id}")

    assert len(world.ledger_keys("images/")) == 2
    assert [image["request_id"] for image in page(client)["images"]] == [request_id]


def test_a_record_that_cannot_be_read_does_not_hide_the_others(client: Client) -> None:
    put_jobs(client, (finished_job(number) for number in range(3)))
    client.world.store.put(f"jobs/{1:032x}.json", b"{}")
    of_a_later_version = with_fields(finished_job(2), kind="vod.video")
    key = f"jobs/{of_a_later_version.id}.json"
    client.world.store.put(key, of_a_later_version.model_dump_json().encode())

    assert numbers(client) == [0]
