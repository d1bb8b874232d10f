"""The list of batches has each batch of the inbox with its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aigc.sweeping import sweep
from aigc.uploads.batches.records import INDEX
from aigc.wire import with_fields
from tests.fakes import StoreFault
from tests.jobs import KilledError
from tests.unit.api.test_keys import put_key, with_key
from tests.unit.uploads.test_batches import a_line, finish_all, jsonl, upload

if TYPE_CHECKING:
    from tests.unit.api.client import Client


def batches(client: Client, **query: str) -> dict[str, Any]:
    answer = client.get("/v1/batches", query=query)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def process_upload(client: Client, name: str, *lines: Any) -> None:
    upload(client.world, jsonl(*lines), f"batches/{name}.jobs.jsonl")
    client.world.clock.pass_time(1)


def names(page: dict[str, Any]) -> list[str]:
    return [batch["object_key"] for batch in page["batches"]]


def test_batch_has_its_progress(client: Client) -> None:
    client.world.settings = with_fields(client.world.settings, results_prefix="site/")
    process_upload(client, "spring", a_line(1), "{broken", a_line(3))

    [fresh] = batches(client)["batches"]
    sweep(client.world.runtime())
    [swept] = batches(client)["batches"]
    finish_all(client.world)
    [ended] = batches(client)["batches"]

    folder = "site/batches/spring.jobs.jsonl/"
    assert fresh == {
        "batch_id": fresh["batch_id"],
        "object_key": "batches/spring.jobs.jsonl",
        "rule": "batches",
        "created_at": "2026-11-20T12:00:00+00:00",
        "lines": 3,
        "is_read": True,
        "is_complete": False,
        "states": {},
        "problem": "",
        "bucket": "results-1250000000",
        "report_key": f"{folder}spring.report.jsonl",
        "sheet_key": f"{folder}spring.html",
    }
    assert sum(swept["states"].values()) == 3
    assert swept["states"]["refused"] == 1
    assert ended["is_complete"]
    assert ended["states"] == {"succeeded": 2, "refused": 1}
    assert ended["report_key"] in client.world.results.objects


def test_pages_list_each_batch_once_the_newest_first(client: Client) -> None:
    for name in "abcde":
        process_upload(client, name, a_line(1))

    page = batches(client, limit="2")
    listed = names(page)
    while page["cursor"]:
        page = batches(client, limit="2", cursor=page["cursor"])
        listed += names(page)

    assert listed == [f"batches/{name}.jobs.jsonl" for name in "edcba"]


def test_page_costs_a_listing_and_a_read_for_each_batch(client: Client) -> None:
    for name in "abc":
        process_upload(client, name, a_line(1))
    batches(client)
    client.world.store.requests.clear()

    batches(client, limit="2")

    assert [request.split("/")[0] for request in client.world.store.requests] == [
        "list batch-index",
        "get batches",
        "get batches",
    ]


def test_batch_whose_creator_died_is_listed_once(client: Client) -> None:

    client.world.store.faults = [StoreFault("put open-batches/", KilledError())]
    with pytest.raises(KilledError):
        process_upload(client, "spring", a_line(1))
    client.world.clock.pass_time(1)
    assert batches(client)["batches"] == []

    process_upload(client, "spring", a_line(1))

    assert names(batches(client)) == ["batches/spring.jobs.jsonl"]
    assert len(client.world.ledger_keys(INDEX)) == 2


@pytest.mark.parametrize("query", [{"cursor": "../x"}, {"prefix": "a"}], ids=str)
def test_wrong_query_is_refused(client: Client, query: dict[str, str]) -> None:
    answer = client.get("/v1/batches", query=query)

    assert answer.status == 400
    assert answer.body["field"] == next(iter(query))


def test_key_that_sees_only_its_own_jobs_sees_no_batches(client: Client) -> None:
    narrow = with_key(client, put_key(client.world, "narrow", own_only=True))

    assert narrow.get("/v1/batches").status == 403
