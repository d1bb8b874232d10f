"""Uploads whose events are lost, the commands that show uploads, and the backfill."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.e2e.stack import SAMPLES, Stack, command, wait_for

if TYPE_CHECKING:
    import pytest

PHOTO = (SAMPLES / "cat.jpg").read_bytes()
FOLDER = "anime/uploads/"


def shown(key: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    status, output = command(f"uploads show {key} --json", capsys)
    assert status == 0
    return dict(json.loads(output))


def jobs_of(stack: Stack, key: str) -> list[str]:
    return [job["id"] for job in stack.jobs() if job["source"]["key"] == key]


def reason_of(stack: Stack, key: str) -> str | None:
    [upload] = stack.get(f"/v1/uploads?object_key={key}").json()["uploads"]
    reason: str | None = upload["reason"]
    return reason


def test_lost_uploads_are_found_and_reported(
    here: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_for(lambda: here.ledger("inbox/deployed.json"))  # the sweep knows since when rules exist
    lost, quick, bad = (f"{FOLDER}{name}.jpg" for name in ("lost", "quick", "bad"))
    here.fault("cos.event", "drop", times=1)
    here.upload(lost, PHOTO)
    here.upload(bad, b"no image")
    here.upload(quick, PHOTO)
    wait_for(lambda: jobs_of(here, quick))
    wait_for(lambda: reason_of(here, bad) == "not_an_image")

    wait_for(lambda: jobs_of(here, lost))  # the sweep processes it
    wait_for(lambda: f"{lost}.json" in here.results(FOLDER))

    account = shown(lost, capsys)
    assert (account["outcome"], [job["request_id"] for job in account["jobs"]]) == (
        "job",
        jobs_of(here, lost),
    )
    wait_for(lambda: all(job["state"] == "succeeded" for job in shown(lost, capsys)["jobs"]))
    _, listed = command(f"uploads list --prefix {lost}", capsys)
    assert f"{jobs_of(here, lost)[0]} succeeded (anime)" in listed
    _, listed = command(f"uploads list --prefix {FOLDER} --outcome none", capsys)
    assert [line.split()[0] for line in listed.splitlines()[1:]] == [bad]

    status, _ = command(f"uploads redo {lost}", capsys)
    assert status == 0
    assert len(shown(lost, capsys)["jobs"]) == len(jobs_of(here, lost)) == 2
    _, estimate = command(f"backfill --prefix {FOLDER} --dry-run", capsys)
    assert "anime" in estimate  # the file that is no image has no job
    _, output = command(f"backfill --prefix {FOLDER} --yes", capsys)
    assert "1 objects without a job" in output


def test_copy_onto_itself_is_not_paid(here: Stack) -> None:
    key = f"{FOLDER}copied.jpg"
    here.upload(key, PHOTO)
    wait_for(lambda: jobs_of(here, key))
    bucket = here.connection["buckets"]["inbox"]
    source = {"Bucket": bucket, "Key": key, "Region": here.connection["region"]}

    here.cos().copy_object(
        Bucket=bucket,
        Key=key,
        CopySource=source,
        CopyStatus="Replaced",
        Metadata={"x-cos-meta-camera": "X100"},
    )
    here.upload(key, PHOTO)
    wait_for(lambda: sum("upload_taken" in line and "copied" in line for line in here.log) >= 2)

    assert len(jobs_of(here, key)) == 1
