"""Conditions of a rule: globs, sizes, types, metadata, and rules that continue."""

from __future__ import annotations

from typing import Any

import pytest

from aigc.uploads.conditions import glob_matches, own_metadata
from aigc.uploads.rules import Rules
from tests.unit.uploads.test_rules import a_rule, an_upload, applied, refused, rule


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("*.jpg", "cat.jpg", True),
        ("*.jpg", "photos/cat.jpg", False),
        ("photos/*.jpg", "photos/cat.jpg", True),
        ("photos/*.jpg", "photos/2026/cat.jpg", False),
        ("photos/**/*.jpg", "photos/cat.jpg", True),
        ("photos/**/*.jpg", "photos/2026/11/cat.jpg", True),
        ("**/raw/*", "a/b/raw/cat.jpg", True),
        ("**/raw/*", "a/raw/b/cat.jpg", False),
        ("photos/**", "photos/a/b", True),
        ("photos/**", "other/a", False),
        ("cat-[0-9][0-9].png", "cat-07.png", True),
        ("cat-?.png", "cat-12.png", False),
        ("cat.JPG", "cat.jpg", False),
        ("**/**/x", "a/x", True),
    ],
)
def test_glob_matches_whole_keys(pattern: str, key: str, *, matches: bool) -> None:
    assert glob_matches(pattern, key) is matches


def test_glob_of_many_wildcards_takes_no_exponential_time() -> None:
    pattern = "/".join(["**", "*a*a*a*a*"] * 20)

    assert not glob_matches(pattern, "/".join(["a" * 40] * 20) + "/b")


@pytest.mark.parametrize(
    ("changes", "key", "listens_on"),
    [
        ({"prefix": "", "glob": "photos/2026-*/*.jpg"}, "photos/2026-11/a.jpg", "photos/2026-"),
        ({"prefix": "anime/", "glob": ["anime/a/**", "anime/b/**"]}, "anime/a/x", "anime/"),
        ({"prefix": "anime/faces", "glob": "**/*.jpg"}, "anime/faces/x.jpg", "anime/faces"),
    ],
)
def test_rule_listens_on_the_prefix_that_all_of_its_keys_share(
    changes: dict[str, Any], key: str, listens_on: str
) -> None:
    wanted = rule(**changes)

    assert wanted.listens_on == listens_on
    assert wanted.may_match_key(key)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prefix": "other/"}, "prefix: its key does not begin with 'other/'"),
        ({"suffix": [".jpg", ".webp"]}, "suffix: its key does not end with .jpg or .webp"),
        ({"glob": "anime/*/*.png"}, "glob: its key does not match anime/*/*.png"),
        ({"min_bytes": 1001}, "min_bytes: it has 1000 bytes, less than 1001"),
        ({"max_bytes": 999}, "max_bytes: it has 1000 bytes, more than 999"),
        ({"content_type": "image/jpeg"}, "content_type: it is image/png, not image/jpeg"),
        ({"metadata": {"style": "*"}}, "metadata: style is missing, not '*'"),
        ({"metadata": {"mood": ["sad", "grim"]}}, "metadata: mood is 'calm', not 'sad' or 'grim'"),
    ],
)
def test_rule_names_the_unmet_condition(changes: dict[str, Any], reason: str) -> None:
    assert rule(**changes).mismatch(an_upload(mood="calm")) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"glob": "anime/*"},
        {"min_bytes": 1000, "max_bytes": 1000},
        {"content_type": ["image/webp", "image/png"]},
        {"metadata": {"mood": "c*"}},
        {"metadata": {"mood": ["sad", "calm"]}},
    ],
)
def test_rule_matches_an_upload_that_meets_its_conditions(changes: dict[str, Any]) -> None:
    assert rule(**changes).mismatch(an_upload(mood="calm")) == ""


def test_own_metadata_is_decoded_and_foreign_headers_are_left_out() -> None:
    headers = {
        "X-Cos-Meta-Aigc-Style": "%E6%B0%B4%E5%A2%A8 ",
        "x-cos-meta-owner": "me",
        "content-type": "image/png",
    }

    assert own_metadata(headers) == {"style": "水墨"}


def test_rules_behind_one_that_continues_match_too() -> None:
    rules = Rules.parse(
        {
            "rule": [
                a_rule("small", max_bytes=10, results="{rule}/{folder}"),
                a_rule("one", results="{rule}/{folder}", **{"continue": True}),
                a_rule("two", results="{rule}/{folder}"),
                a_rule("never", results="{rule}/{folder}", metadata={"style": "ink"}, prefix=""),
            ]
        }
    )

    selection = rules.select(an_upload())

    assert [applying.name for applying in selection.applied] == ["one", "two"]
    assert {passed.name: reason for passed, reason in selection.skipped} == {
        "small": "max_bytes: it has 1000 bytes, more than 10",
        "never": "the rule two applies and does not continue",
    }


@pytest.mark.parametrize(
    "early",
    [
        {"glob": "anime/**/*.png"},
        {"min_bytes": 10},
        {"max_bytes": 500},
        {"content_type": ["image/png"]},
        {"metadata": {"style": "ink"}},
        {"continue": True, "results": "{rule}/{folder}"},
    ],
)
def test_rule_with_a_condition_hides_none_without_it(early: dict[str, Any]) -> None:
    rules = Rules.parse({"rule": [a_rule("early", **early), a_rule("late")]})
    small = an_upload("anime/a.jpg", content_type="image/jpeg", size=1)
    large = an_upload("anime/a.jpg", content_type="image/jpeg", size=1000)

    assert "late" in applied(rules, small) + applied(rules, large)


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ({"glob": "anime/*.png"}, {"glob": "anime/*.png"}),
        ({"min_bytes": 10}, {"min_bytes": 20}),
        ({"max_bytes": 20}, {"max_bytes": 20, "min_bytes": 5}),
        ({"content_type": ["image/png", "image/webp"]}, {"content_type": "image/png"}),
        ({"metadata": {"style": ["ink", "oil"]}}, {"metadata": {"style": "ink", "mood": "*"}}),
        ({}, {"glob": "anime/*.png", "metadata": {"style": "ink"}}),
        ({"prefix": "photos/"}, {"prefix": "", "glob": "photos/*.png"}),
    ],
)
def test_rule_whose_conditions_imply_an_earlier_ones_is_refused(
    early: dict[str, Any], late: dict[str, Any]
) -> None:
    assert "match an earlier rule (early)" in refused(
        a_rule("early", **early), a_rule("late", **late)
    )


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"glob": "/anime/*"}, ["glob", "slash"]),
        ({"glob": "anime/**.jpg"}, ["glob", "whole folders"]),
        ({"glob": "other/*.jpg"}, ["a glob matches no key that begins with 'anime/'"]),
        ({"min_bytes": 5, "max_bytes": 4}, ["min_bytes is more than max_bytes"]),
        ({"content_type": "image/gif"}, ["content_type", "'image/jpeg', 'image/png'"]),
        ({"metadata": {"Style": "ink"}}, ["metadata", "'Style'", "a-z, 0-9 and -"]),
        ({"metadata": {"style": []}}, ["metadata", "matches nothing"]),
        ({"priority": 11}, ["priority", "11", "less than or equal to 10"]),
    ],
)
def test_wrong_condition_is_refused(changes: dict[str, Any], parts: list[str]) -> None:
    message = refused(a_rule(**changes))

    assert [part for part in parts if part not in message] == []
