"""Rules with conditions, options and templates, and batches, with real processes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aigc_cli import cli
from tests.e2e.stack import Stack, running, wait_for
from tests.fakes import image_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = Path(__file__).with_name("rules_of_the_features.toml")
META = "x-cos-meta-aigc-"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running("--speed", "30", "--timeout", "10", "--rules", str(RULES)) as stack:
        yield stack


def jobs_of(stack: Stack, key: str, count: int = 1) -> dict[str, dict[str, Any]]:
    """Wait until an upload has so many jobs that have all succeeded; return them by rule."""

    def ended() -> dict[str, dict[str, Any]]:
        jobs = [job for job in stack.jobs() if job["source"]["key"] == key]
        return {
            job["source"]["name"]: job
            for job in jobs
            if len(jobs) == count and all(each["state"] == "succeeded" for each in jobs)
        }

    return dict(wait_for(ended))


def keys_of(job: dict[str, Any]) -> list[str]:
    return [image["key"] for image in job["images"]]


def test_upload_that_two_rules_match_becomes_two_jobs(stack: Stack) -> None:
    key = "styled/2026/my cat.png"
    stack.upload(
        key,
        image_bytes(),
        **{f"{META}style": "oil%20on%20canvas", f"{META}client": "Ann", f"{META}mood": "%E9%9D%99"},
    )

    jobs = jobs_of(stack, key, count=2)

    styled, again = jobs["styled"], jobs["again"]
    assert styled["task"]["prompt"] == "my cat in 2026 as oil on canvas, 静"
    assert styled["task"]["file_infos"][1]["url"].endswith("/styles/oil%20on%20canvas.png")
    assert styled["priority"] == 4
    assert keys_of(styled) == ["styled/oil on canvas/styled/2026/my cat-1.png"]
    assert again["task"]["prompt"] == "a sketch for Ann"
    assert keys_of(again) == [f"again/styled/2026/my cat-{again['id'][:12]}-1.png"]


def test_upload_without_the_metadata_of_a_template_becomes_no_job_of_that_rule(
    stack: Stack,
) -> None:
    stack.upload("styled/nameless.png", image_bytes(), **{f"{META}style": "ink"})

    job = jobs_of(stack, "styled/nameless.png")["styled"]

    assert keys_of(job) == ["styled/ink/styled/nameless-1.png"]
    wait_for(lambda: any("x-cos-meta-aigc-client" in line for line in stack.log))


def test_upload_that_meets_no_condition_becomes_no_job(stack: Stack) -> None:
    stack.upload("styled/cat.webp", image_bytes())

    wait_for(lambda: any("styled/cat.webp" in line for line in stack.log))

    assert not any(job["source"]["key"] == "styled/cat.webp" for job in stack.jobs())


def test_person_wears_the_clothes_that_metadata_chooses(stack: Stack) -> None:
    stack.upload("people/eve.png", image_bytes(), **{f"{META}coat": "red"})
    stack.upload("people/adam.png", image_bytes())

    clothes = {
        key: jobs_of(stack, key)["try-on"]["task"]["scene_info"]["ai_try_on_config"]
        for key in ("people/eve.png", "people/adam.png")
    }

    urls = {key: config["clothes_file_infos"][0]["url"] for key, config in clothes.items()}
    assert urls["people/eve.png"].endswith("/coats/red.png")
    assert urls["people/adam.png"].endswith("/coats/blue.png")


def test_rule_sets_the_number_of_images_and_distinct_names(stack: Stack) -> None:
    stack.upload("views/cup.png", image_bytes())
    stack.upload("views/cup.jpg", image_bytes(40, 40))

    jobs = [jobs_of(stack, key)["views"] for key in ("views/cup.png", "views/cup.jpg")]

    assert [keys_of(job) for job in jobs] == [
        [f"views/cup.png-{number}.png" for number in (1, 2)],
        [f"views/cup.jpg-{number}.png" for number in (1, 2)],
    ]


def test_trial_shows_the_request_that_the_vendor_then_gets(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "styled/a/boat.png"
    arguments = ["--size", "1000", "--meta", "style=ink", "--meta", "client=Bo"]
    stack.upload(key, image_bytes(), **{f"{META}style": "ink", f"{META}client": "Bo"})
    status = cli.main(["rules", "test", key, "--rules", str(RULES), "--json", *arguments])
    shown = {job["rule"]: job for job in json.loads(capsys.readouterr().out)["jobs"]}

    jobs = jobs_of(stack, key, count=2)

    prompts = {task["session_context"]: task["prompt"] for task in stack.tasks()}
    assert status == 0
    assert prompts[jobs["styled"]["id"]] == shown["styled"]["request"]["params"]["Prompt"]
    assert keys_of(jobs["styled"])[0].startswith(shown["styled"]["results"])


def copy(stack: Stack, source: str, target: str) -> None:
    """Copy an object of the inbox, with metadata of another program."""
    bucket = stack.connection["buckets"]["inbox"]
    stack.cos().copy_object(
        Bucket=bucket,
        Key=target,
        CopySource={"Bucket": bucket, "Key": source, "Region": stack.connection["region"]},
        CopyStatus="Replaced",
        Metadata={"x-cos-meta-camera": "X100"},
    )


def test_copy_is_an_upload_to_a_rule_that_names_the_event(stack: Stack) -> None:
    stack.upload("other/source.png", image_bytes())
    copy(stack, "other/source.png", "copies/target.png")

    assert jobs_of(stack, "copies/target.png").keys() == {"copies"}


def test_each_upload_of_the_same_content_is_a_job_of_a_rule_that_repeats(stack: Stack) -> None:
    stack.upload("repeated/cup.png", image_bytes())
    [first] = [jobs_of(stack, "repeated/cup.png")["repeated"]]

    time.sleep(1.1)  # COS shows the time of an object in seconds
    stack.upload("repeated/cup.png", image_bytes())

    def keys() -> list[str] | None:
        jobs = [job for job in stack.jobs() if job["source"]["key"] == "repeated/cup.png"]
        is_done = len(jobs) == 2 and all(job["state"] == "succeeded" for job in jobs)
        return [key for job in jobs for key in keys_of(job)] if is_done else None

    names = wait_for(keys)
    assert len(set(names)) == 2
    assert keys_of(first)[0] in names


def lines_of(path: Path, *prompts: str) -> Path:
    """Write a batch whose second line is wrong."""
    lines = [
        {"custom_id": f"row {number}", "kind": "vod.image", "body": body}
        for number, prompt in enumerate(prompts, start=1)
        for body in [{"model_name": "GG", "model_version": "3.0", "prompt": prompt}]
    ]
    lines[1]["body"] = {"model_name": "GG", "model_version": "3.0", "prompt": "x", "colour": "red"}
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def test_file_in_the_inbox_becomes_a_report_and_a_contact_sheet(
    stack: Stack, tmp_path: Path
) -> None:
    file = lines_of(tmp_path / "spring.jobs.jsonl", "a boat", "wrong", "<b>a house</b>")
    folder = "batches/2026/spring.jobs.jsonl/"
    stack.upload("batches/2026/spring.jobs.jsonl", file.read_bytes())
    stack.upload("batches/2026/spring.jobs.jsonl", file.read_bytes())  # the same batch

    def report() -> list[dict[str, Any]] | None:
        if f"{folder}spring.report.jsonl" not in stack.results(folder):
            return None
        text = stack.result(f"{folder}spring.report.jsonl").decode()
        lines = [json.loads(line) for line in text.splitlines()]
        return lines if [line["state"] for line in lines].count("succeeded") == 2 else None

    first, second, third = wait_for(report)
    assert [first["custom_id"], second["custom_id"]] == ["row 1", "row 2"]
    assert "colour" in second["error"]["message"]
    [image] = third["images"]
    assert image["key"] in stack.results(folder)
    description = json.loads(stack.result(third["description"]))
    assert description["source"]["custom_id"] == "row 3"
    page = stack.result(f"{folder}spring.html").decode()
    assert "&lt;b&gt;a house&lt;/b&gt;" in page
    [listed] = stack.get("/v1/batches").json()["batches"]
    assert (listed["lines"], listed["report_key"]) == (3, f"{folder}spring.report.jsonl")
    jobs = [job for job in stack.jobs() if job["source"]["key"].startswith("batches/")]
    assert sorted(job["source"]["line"] for job in jobs) == [1, 3]


@pytest.mark.usefixtures("here")
def test_batches_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["batch", "list"])

    assert status == 0
    assert capsys.readouterr().out.split()[:4] == ["FILE", "SINCE", "LINES", "STATE"]


def test_file_is_run_through_the_api_and_again_without_paying(
    here: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lines_of(tmp_path / "calls.jobs.jsonl", "a tree", "wrong", "a hill")
    arguments = ["batch", "run", str(file), "--out", str(tmp_path / "out")]

    statuses = [cli.main(arguments) for _ in range(2)]

    assert statuses == [1, 1]
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("line 2: colour: there is no such field")
    assert second == "1 refused, 2 succeeded"
    text = (tmp_path / "calls.jobs.jsonl.report.jsonl").read_text()
    report = [json.loads(line) for line in text.splitlines()]
    assert [line["state"] for line in report] == ["succeeded", "refused", "succeeded"]
    assert (tmp_path / "out" / report[2]["images"][0]["key"]).exists()
    assert report[2]["images"][0]["key"] in (tmp_path / "out" / "calls.html").read_text()
    calls = [job for job in here.jobs() if job["source"]["type"] == "call"]
    assert sorted(job["source"]["custom_id"] for job in calls) == ["row 1", "row 3"]
    assert {job["priority"] for job in calls} == {-10}
