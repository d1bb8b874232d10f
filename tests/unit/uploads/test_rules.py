"""Rules are checked before they are deployed, and the first that matches an upload wins."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aigc.errors import InvalidRequestError
from aigc.uploads.conditions import UploadFacts
from aigc.uploads.rules import Rules, RulesError, load_rules, packaged_rules

if TYPE_CHECKING:
    from aigc.tasks.kind import Task
    from aigc.uploads.rule import Rule

ROOT = Path(__file__).parents[3]
TODAY = datetime(2026, 11, 20, tzinfo=timezone.utc)
TASK: dict[str, Any] = {"model_name": "GG", "model_version": "3.0", "prompt": "in anime style"}
JOB = "0" * 32


def an_upload(
    key: str = "anime/a.png", size: int = 1000, content_type: str = "image/png", **meta: str
) -> UploadFacts:
    return UploadFacts(
        bucket="inbox-1250000000", key=key, size=size, content_type=content_type, metadata=meta
    )


def task_of(wanted: Rule, upload: UploadFacts | None = None) -> Task:
    return wanted.task_for(upload or an_upload(), job_id=JOB, today=TODAY)


def location_of(wanted: Rule, upload: UploadFacts | str) -> str:
    upload = an_upload(upload) if isinstance(upload, str) else upload
    location = wanted.output_location(upload, job_id=JOB, today=TODAY)
    return f"{location.prefix}{location.name}"


def applied(rules: Rules, upload: UploadFacts) -> list[str]:
    return [rule.name for rule in rules.select(upload).applied]


def a_rule(name: str = "anime", **changes: Any) -> dict[str, Any]:
    return {"name": name, "prefix": "anime/", "kind": "vod.image", "task": TASK} | changes


def rule(**changes: Any) -> Rule:
    return Rules.parse({"rule": [a_rule(**changes)]}).rule[0]


def refused(*rules: dict[str, Any]) -> str:
    with pytest.raises(RulesError) as caught:
        Rules.parse({"rule": list(rules)})
    return str(caught.value)


def test_rules_of_the_repository_are_three_kinds() -> None:
    rules = load_rules(ROOT / "rules.toml")

    kinds = [rule.kind for rule in rules.rule]

    assert kinds == ["vod.image", "vod.scene_image", "mps.image"]


def test_rules_travel_as_json(tmp_path: Path) -> None:
    rules = load_rules(ROOT / "rules.toml")
    packaged = tmp_path / "rules.json"
    packaged.write_text(rules.packaged(), encoding="utf-8")

    assert packaged_rules(packaged) == rules


def test_package_without_rules_has_none(tmp_path: Path) -> None:
    assert packaged_rules(tmp_path / "rules.json").rule == ()


def test_first_rule_that_fits_wins() -> None:
    rules = Rules.parse(
        {
            "rule": [
                a_rule("faces", prefix="anime/faces/"),
                a_rule("anime"),
                a_rule("all", prefix=""),
            ]
        }
    )

    keys = ["anime/faces/a.png", "anime/a.png", "b.png"]

    assert [applied(rules, an_upload(key)) for key in keys] == [["faces"], ["anime"], ["all"]]


def test_upload_without_a_matching_rule_has_none() -> None:
    rules = Rules.parse({"rule": [a_rule()]})

    assert applied(rules, an_upload("elsewhere/a.png")) == []
    assert not rules.may_match("elsewhere/a.png")


def test_keys_of_the_functions_concern_no_rule() -> None:
    rules = Rules.parse({"rule": [a_rule(prefix="")]})

    assert applied(rules, an_upload(".aigc/a.png")) == []
    assert not rules.may_match(".aigc/a.png")


@pytest.mark.parametrize(
    ("key", "fits"),
    [("anime/a.jpg", True), ("anime/A.JPG", True), ("anime/a.png", False), ("anime/jpg", False)],
)
def test_suffix_fits_in_any_case(key: str, *, fits: bool) -> None:
    assert rule(suffix=[".jpg"]).may_match_key(key) is fits


@pytest.mark.parametrize(
    ("results", "prefix"),
    [
        (None, "anime/2026/"),
        ("done", "done/"),
        ("done/{rule}/{date}/", "done/anime/2026-11-20/"),
        ("{folder}{job}", f"anime/2026/{JOB}/"),
        ("{folder}/drawn", "anime/2026/drawn/"),
    ],
)
def test_results_are_stored_below_the_rules_prefix(results: str | None, prefix: str) -> None:
    wanted = rule(results=results, results_name="{stem}", replaces="name")

    location = wanted.output_location(
        an_upload("anime/2026/my cat.tar.jpg"), job_id=JOB, today=TODAY
    )

    assert location.prefix == prefix
    assert location.name == "my cat.tar"


def test_results_of_an_upload_without_folder_or_ending_lie_at_the_top() -> None:
    assert location_of(rule(prefix=""), "cat") == "cat"


def test_results_of_a_hidden_file_keep_its_name() -> None:
    assert location_of(rule(prefix="", suffix=[".jpg"]), ".jpg") == ".jpg"


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("vod.image", TASK),
        (
            "vod.scene_image",
            {"scene_info": {"type": "product_image", "product_image_config": {"prompt": "old"}}},
        ),
        ("mps.image", {"model_name": "Hunyuan", "model_version": "3.0", "prompt": "old"}),
    ],
)
def test_upload_enters_the_task_with_its_own_prompt(kind: str, task: dict[str, Any]) -> None:
    wanted = rule(kind=kind, task=task)

    made = task_of(wanted, an_upload(prompt="a woodcut"))

    assert made.inputs() == ("cos://inbox-1250000000/anime/a.png",)
    assert made.prompt_text() == "a woodcut"


def test_prompt_of_the_rule_serves_where_the_upload_has_none() -> None:
    assert task_of(rule()).prompt_text() == "in anime style"


@pytest.mark.parametrize(
    ("kind", "output"), [("vod.image", "output_config"), ("mps.image", "extra_parameters")]
)
def test_a_rule_can_request_a_visible_label(kind: str, output: str) -> None:
    wanted = rule(kind=kind, task=TASK | {output: {"logo_add": True}})

    assert task_of(wanted).visible_label() is True


def test_further_references_of_the_rule_stand_behind_the_upload() -> None:
    style = {"type": "Url", "url": "https://example.com/style.png"}
    wanted = rule(task=TASK | {"file_infos": [style]})

    made = task_of(wanted)

    assert made.inputs() == (an_upload().url, "https://example.com/style.png")


def test_prompt_for_a_scene_that_takes_none_is_refused() -> None:
    wanted = rule(kind="vod.scene_image", task={"scene_info": {"type": "outpainting"}})

    with pytest.raises(InvalidRequestError, match="outpainting has no prompt"):
        task_of(wanted, an_upload(prompt="a woodcut"))


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"prefix": "/anime"}, ["rule anime: prefix", "'/anime'", "slash"]),
        ({"prefix": ".aigc/x"}, ["rule anime: prefix", ".aigc/"]),
        ({"suffix": [""]}, ["rule anime: suffix", "leave `suffix` out"]),
        ({"results": "/abs"}, ["rule anime: results", "slash"]),
        ({"results": ".aigc/mps"}, ["rule anime: results", ".aigc/"]),
        ({"colour": "red"}, ["rule anime: colour", "'red'", "allowed: name, type, prefix"]),
        ({"task": {}}, ["rule anime: task: model_name", "required"]),
        ({"task": TASK | {"promt": "x"}}, ["rule anime: task: promt", "did you mean prompt"]),
    ],
)
def test_wrong_rule_is_named_with_field_value_and_what_is_allowed(
    changes: dict[str, Any], parts: list[str]
) -> None:
    message = refused(a_rule(**changes))

    assert [part for part in parts if part not in message] == []


def test_rule_without_a_name_is_named_by_its_number() -> None:
    nameless = a_rule()
    del nameless["name"]

    assert refused(a_rule("first"), nameless).startswith("rule number 2: name")


def test_two_rules_of_one_name_are_refused() -> None:
    assert "used twice" in refused(a_rule(), a_rule(prefix="other/"))


@pytest.mark.parametrize(
    "hidden",
    [
        a_rule("late", prefix="anime/faces/"),
        a_rule("late", suffix=[".png"]),
        a_rule("late", prefix="anime/", suffix=[".PNG", ".jpg"]),
    ],
)
def test_unreachable_rule_is_refused(hidden: dict[str, Any]) -> None:
    message = refused(a_rule("early"), hidden)

    assert "rule late" in message
    assert "match an earlier rule (early)" in message


def test_rule_hidden_by_several_names_them_all() -> None:
    message = refused(
        a_rule("png", suffix=[".png"]),
        a_rule("jpg", suffix=[".jpg"]),
        a_rule("late", suffix=[".png", ".jpg"]),
    )

    assert "match an earlier rule (png and jpg)" in message


def test_rule_that_is_partly_reachable_is_accepted() -> None:
    rules = Rules.parse(
        {"rule": [a_rule("png", suffix=[".png"]), a_rule("rest", suffix=[".png", ".jpg"])]}
    )

    assert applied(rules, an_upload("anime/a.jpg")) == ["rest"]


def test_two_buckets_are_never_a_circle() -> None:
    Rules.parse({"rule": [a_rule()]}).check_buckets("inbox-1", "results-1")


@pytest.mark.parametrize("results", [None, "anime/done/", "{date}/", "ani{rule}"])
def test_results_that_would_be_uploads_again_are_refused(results: str | None) -> None:
    rules = Rules.parse({"rule": [a_rule(results=results, replaces="name")]})

    with pytest.raises(RulesError, match="another bucket"):
        rules.check_buckets("same-1", "same-1")


def test_results_beside_what_rules_listen_on_may_share_the_bucket() -> None:
    rules = Rules.parse({"rule": [a_rule(results="done/{date}/{folder}")]})

    rules.check_buckets("same-1", "same-1")


def test_broken_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text("[[rule]\n", encoding="utf-8")

    with pytest.raises(RulesError, match=r"rules\.toml is not TOML.*line 1"):
        load_rules(path)


def test_file_that_holds_no_rules_table_is_refused() -> None:
    with pytest.raises(RulesError, match="rules"):
        Rules.parse({"rules": []})
