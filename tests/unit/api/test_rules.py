"""Rules are listed, and links into their folders are made, charged and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aigc.prices import Prices
from aigc.uploads.rules import DeployedRules, Rules
from tests.unit.api.test_keys import put_key, with_key

if TYPE_CHECKING:
    from tests.unit.api.client import Answer, Client

TASK = {"model_name": "GG", "model_version": "3.0", "prompt": "as an anime"}
RULES = Rules.parse(
    {
        "rule": [
            {
                "name": "styled",
                "prefix": "styled/",
                "kind": "vod.image",
                "task": TASK | {"prompt": "in {meta.style}"},
            },
            {
                "name": "anime",
                "prefix": "anime/",
                "suffix": [".jpg", ".png"],
                "max_bytes": 5000,
                "kind": "vod.image",
                "task": TASK,
            },
            {"name": "batches", "type": "batch"},
            {
                "name": "both",
                "glob": "both/*",
                "kind": "vod.image",
                "task": TASK,
                "continue": True,
                "results_name": "{name}-{rule}",
            },
            {
                "name": "repeated",
                "prefix": "repeated/",
                "kind": "vod.image",
                "task": TASK,
                "repeat": True,
            },
            {"name": "poster", "kind": "mps.image", "task": {"prompt": "a poster"}},
        ]
    }
)
MD5 = "CY9rzUYh03PK3k6DJie09g=="
CAT = {
    "file_name": "cat.jpg",
    "content_type": "image/jpeg",
    "size": 4000,
    "content_md5": MD5,
}


@pytest.fixture(autouse=True)
def _rules(client: Client) -> None:
    client.world.memory.of(DeployedRules).rules = RULES
    client.world.prices = Prices.parse(
        {"currency": "CNY", "price": [{"model": "GG", "per_image": "0.25"}]}
    )


def link(client: Client, rule: str = "anime", **changes: Any) -> Answer:
    return client.post(f"/v1/rules/{rule}/uploads", CAT | changes)


def test_rules_are_listed_with_conditions_and_costs(client: Client) -> None:
    rules = {rule["name"]: rule for rule in client.get("/v1/rules").body["rules"]}

    assert list(rules) == [rule.name for rule in RULES.rule]
    anime = rules["anime"]
    assert (anime["kind"], anime["model"], anime["folder"]) == ("vod.image", "GG 3.0", "anime/")
    assert (anime["suffix"], anime["max_bytes"]) == ([".jpg", ".png"], 5000)
    assert anime["estimate"]["cost"] == "0.25"
    assert rules["styled"]["needs"] == ["style"]
    assert rules["both"]["folder"] == "both/"
    assert (rules["batches"]["may_upload"], rules["batches"]["estimate"]) == (False, None)
    assert rules["poster"]["estimate"]["cost"] is None


def test_a_link_is_for_one_key_type_size_and_content_and_replaces_nothing(client: Client) -> None:
    answer = link(client)

    assert answer.status == 200
    assert answer.body["key"] == "anime/cat.jpg"
    assert answer.body["headers"] == {
        "Content-Type": "image/jpeg",
        "Content-Length": "4000",
        "Content-MD5": MD5,
        "x-cos-forbid-overwrite": "true",
    }
    assert "inbox-1250000000" in answer.body["upload_url"]
    assert "x-cos-forbid-overwrite=true" in answer.body["upload_url"]
    assert answer.body["account_url"].endswith("/v1/uploads?object_key=anime%2Fcat.jpg")
    assert [estimate["cost"] for estimate in answer.body["estimates"]] == ["0.25"]


def test_metadata_becomes_headers_that_the_rule_reads(client: Client) -> None:
    answer = link(client, "styled", metadata={"style": "水墨"}, folder="today")

    assert answer.body["key"] == "styled/today/cat.jpg"
    assert answer.body["headers"]["x-cos-meta-aigc-style"] == "%E6%B0%B4%E5%A2%A8"


@pytest.mark.parametrize(
    ("rule", "changes", "field"),
    [
        ("anime", {"file_name": "cat.webp", "content_type": "image/webp"}, "file_name"),
        ("anime", {"size": 5001}, "size"),
        ("styled", {}, "x-cos-meta-aigc-style"),
        ("styled", {"metadata": {"Style": "ink"}}, "metadata.Style"),
        ("styled", {"metadata": {"style": "x" * 2000}}, "metadata"),
        ("anime", {"folder": "../other"}, "folder"),
        ("anime", {"file_name": "a/b.jpg"}, "file_name"),
        ("anime", {"content_md5": "098f6bcd4621d373cade4e832627b4f6"}, "content_md5"),
        ("batches", {"file_name": "a.jobs.csv"}, "rule"),
        ("batches", {}, "file_name"),
        ("poster", {"folder": "anime"}, "file_name"),
        ("anime", {"file_names": "a.jpg"}, "file_names"),
    ],
)
def test_an_upload_that_the_rule_refuses_gets_no_link(
    client: Client, rule: str, changes: dict[str, Any], field: str
) -> None:
    answer = link(client, rule, **changes)

    assert (answer.status, answer.body["field"]) == (422, field)


def test_an_object_with_the_name_is_not_replaced(client: Client) -> None:
    client.world.inbox.put("anime/cat.jpg", b"another's")

    assert link(client).status_and_type == (409, "already_exists")
    assert link(client, folder="mine").body["key"] == "anime/mine/cat.jpg"


def test_a_rule_that_does_not_exist_is_not_found(client: Client) -> None:
    assert link(client, "none").status_and_type == (404, "not_found")


def test_a_key_that_sees_only_its_own_jobs_has_no_part_in_the_inbox(client: Client) -> None:
    narrow = with_key(client, put_key(client.world, own_only=True))

    assert narrow.get("/v1/rules").status_and_type == (403, "forbidden")
    assert link(narrow).status_and_type == (403, "forbidden")


def test_a_link_counts_as_the_jobs_that_the_upload_becomes(client: Client) -> None:
    mps = with_key(client, put_key(client.world, "mps", kinds=["mps.image"]))
    daily = with_key(client, put_key(client.world, "daily", jobs_per_day=3))
    poor = with_key(client, put_key(client.world, "poor", budget_per_month="0.3"))
    client.world.inbox.put("anime/old.jpg", b"old")

    assert link(mps).status_and_type == (403, "forbidden")
    assert link(mps, "both").status_and_type == (403, "forbidden")
    rules = {rule["name"]: rule["may_upload"] for rule in mps.get("/v1/rules").body["rules"]}
    assert rules == dict.fromkeys(rules, False) | {"poster": True}
    assert link(daily, "both").status == 200  # two jobs, the second by the rule poster
    assert link(daily, file_name="old.jpg").status_and_type == (
        409,
        "already_exists",
    )  # costs nothing
    assert link(daily, "both").status_and_type == (429, "quota_exceeded")
    assert link(daily).status == 200
    assert link(poor, "both").status_and_type == (403, "price_unknown")
    assert link(poor).status == 200
    assert link(poor).status_and_type == (429, "budget_exceeded")


def test_a_limited_key_gets_no_link_that_makes_a_job_of_each_put(client: Client) -> None:
    daily = with_key(client, put_key(client.world, "daily", jobs_per_day=3))
    rules = {rule["name"]: rule["may_upload"] for rule in daily.get("/v1/rules").body["rules"]}

    assert (rules["repeated"], rules["anime"]) == (False, True)
    assert link(daily, "repeated").status_and_type == (422, "invalid_request")
    assert link(client, "repeated").status == 200
