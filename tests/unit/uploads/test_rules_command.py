"""`aigc rules test` shows the request that would be made, and sends nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.uploads.inbox_object import read_object
from aigc.uploads.intake import process_upload
from aigc.uploads.rules import load_rules
from aigc_cli import cli
from tests.fakes import build_world, image_bytes

if TYPE_CHECKING:
    import pytest

FEATURES = Path(__file__).parents[2] / "e2e" / "rules_of_the_features.toml"
META = ("--size", "1000", "--meta", "style=ink", "--meta", "x-cos-meta-aigc-client=Ann Lee")
KEY = "styled/2026/cat.png"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()  # what was logged before
    status = cli.main(["rules", "test", *arguments, "--rules", str(FEATURES), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_request_is_the_one_that_the_upload_then_makes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = build_world()
    world.inbox.put(KEY, image_bytes())
    headers = {"x-cos-meta-aigc-style": "ink", "x-cos-meta-aigc-client": "Ann%20Lee"}
    world.inbox.headers[KEY] |= headers
    read = read_object(KEY, world.runtime())
    assert read is not None
    taken = process_upload(read, load_rules(FEATURES), world.runtime())
    ids = [job.id for job in taken.entry.jobs]
    ledger = world.settings.ledger_bucket

    status, trial = shown(capsys, KEY, *META)

    assert status == 0
    for job_id, job, task in zip(ids, trial["jobs"], world.vendor.tasks, strict=True):
        text = json.dumps(task.params, sort_keys=True)
        signed = "https://inbox-1250000000.cos.example/styled/2026/cat.png?expires=21600"
        for known, placeholder in (
            (job_id, "<job>"),
            (hashlib.sha256(ledger.encode()).hexdigest()[:10], "<ledger>"),
            ("results-1250000000", "<results-bucket>"),
            ("ap-guangzhou", "<region>"),
            (signed, f"cos://<inbox>/{KEY}"),
            ("1500000001", '"<sub-app-id>"'),
        ):
            text = text.replace(known, placeholder)
        assert json.loads(text) == job["request"]["params"]


def test_rules_that_do_not_match_are_named_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, trial = shown(capsys, KEY, "--size", "100001", "--meta", "client=Ann")

    assert status == 0
    assert [job["rule"] for job in trial["jobs"]] == ["again"]
    behind = ("try-on", "views", "copies", "repeated", "batches")
    assert trial["passed_over"] == {
        "styled": "max_bytes: it has 100001 bytes, more than 100000",
        **dict.fromkeys(behind, "the rule again applies and does not continue"),
    }


def test_missing_metadata_is_reported_and_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    status, trial = shown(capsys, KEY)

    assert status == 1
    [job] = trial["jobs"]
    assert job["rule"] == "again"
    assert "x-cos-meta-aigc-client" in job["refused"]


def test_text_has_request_results_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(
        ["rules", "test", KEY, "--rules", str(FEATURES), *META, "--type", "image/webp"]
    )

    text = capsys.readouterr().out
    assert status == 0
    assert "styled: passed over: content_type: it is image/webp, not image/png" in text
    assert "again: becomes a job of mps.image, priority 0" in text
    assert "results: again/styled/2026/cat-<job>-1.…" in text
    assert '"Prompt": "a sketch for Ann Lee"' in text
    assert "Nothing was sent." in text


def test_upload_that_no_rule_matches_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["rules", "test", "elsewhere/cat.png", "--rules", str(FEATURES)])

    assert status == 1
    assert "no rule matches elsewhere/cat.png" in capsys.readouterr().out


def test_check_prints_the_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    conditions = "styled/**/*.png, at most 100000 bytes, image/png, style = ink or oil*"

    status = cli.main(["rules", "check", str(FEATURES)])

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        f"styled: {conditions} → vod.image, and later rules",
        "again: styled/*.png → mps.image",
        "try-on: people/*, at least 1 bytes → vod.scene_image",
        "views: views/* → vod.scene_image",
        "copies: copies/*.png → vod.image",
        "repeated: repeated/*.png → vod.image",
        "batches: batches/*.jobs.jsonl|.jobs.csv → a job for each line",
    ]
