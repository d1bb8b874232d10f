"""`aigc demo`: uploads and calls become images on the local cloud."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import requests
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from aigc.jobs.job import Job
from aigc_cli import options
from aigc_cli.local_stack import ROOT, local_stack
from aigc_cli.output import JsonOption, print_json
from aigc_cli.package import local_package
from aigc_cli.upload import cos_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qcloud_cos import CosS3Client

    from aigc_cli.local_stack import LocalStack

SAMPLES = ROOT / "aigc_cli" / "samples"
RESULTS = ROOT / "demo-results"
SPEED = 5.0
TIMEOUT_S = 120

UPLOADS = {
    "anime/cat.jpg": SAMPLES / "cat.jpg",
    "product/coffee.jpg": SAMPLES / "coffee.jpg",
    "sketch/rocket.jpg": SAMPLES / "rocket.jpg",
}
CALLS: dict[str, dict[str, Any]] = {
    "tencent-vod/v1/aigc-image": {
        "model_name": "GG",
        "model_version": "3.0",
        "prompt": "a lighthouse in the fog, watercolour",
        "output_config": {"aspect_ratio": "16:9"},
        "result": {"prefix": "calls/", "name": "lighthouse"},
    },
    "tencent-vod/v1/aigc-scene-image": {
        "scene_info": {
            "type": "product_image",
            "product_image_config": {"prompt": "on a wooden table in morning light"},
        },
        "file_infos": [{"type": "Url", "url": "https://example.com/bottle.png"}],
        "result": {"prefix": "calls/", "name": "bottle"},
    },
    "tencent-mps/v1/aigc-image": {
        "model_name": "Hunyuan",
        "model_version": "3.0",
        "prompt": "a paper boat on a river of stars",
        "result": {"prefix": "calls/", "name": "boat"},
    },
}


@dataclass
class Demo:
    """Sends the requests of the demonstration to a stack and reads its buckets."""

    stack: LocalStack
    cos: CosS3Client

    def upload_all(self) -> None:
        """Upload the sample images under the prefixes of the rules."""
        bucket = self.stack.connection["buckets"]["inbox"]
        for key, path in UPLOADS.items():
            self.cos.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    def call_all(self) -> None:
        """Call each endpoint once."""
        for endpoint, body in CALLS.items():
            url = f"{self.stack.connection['gateway']}/{endpoint}"
            headers = {"Authorization": f"Bearer {self.stack.api_key}"}
            requests.post(url, json=body, headers=headers, timeout=60).raise_for_status()

    def jobs(self) -> list[Job]:
        """Return the jobs in the ledger, the oldest first."""
        bucket = self.stack.connection["buckets"]["ledger"]
        listing = self.cos.list_objects(Bucket=bucket, Prefix="jobs/").get("Contents", [])
        jobs = [Job.model_validate_json(self.read("ledger", listed["Key"])) for listed in listing]
        return sorted(jobs, key=lambda job: job.created_at)

    def read(self, bucket: str, key: str) -> bytes:
        """Return the content of an object of one of the stack's buckets."""
        name = self.stack.connection["buckets"][bucket]
        answer = self.cos.get_object(Bucket=name, Key=key)
        data: bytes = answer["Body"].get_raw_stream().read()
        return data

    def save(self, jobs: Sequence[Job], folder: Path) -> None:
        """Save the images and their JSON files into a folder."""
        if folder == RESULTS:  # another folder may contain files of the user
            shutil.rmtree(folder, ignore_errors=True)
        for job in jobs:
            for key in [image.key for image in job.images]:
                target = folder / key
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.read("results", key))
            if job.images:
                description = f"{job.output_location.prefix}{job.output_location.name}.json"
                (folder / description).write_bytes(self.read("results", description))


app = typer.Typer(add_completion=False)


@app.command()
def main(
    results: Annotated[
        Path,
        typer.Option(
            parser=options.folder,
            metavar="FOLDER",
            help="Where the images go.",
            show_default="demo-results",
        ),
    ] = RESULTS,
    no_console: options.NoConsole = False,
    as_json: JsonOption = False,
) -> int:
    """Run the main job once on a local cloud: three uploads and three calls become images.

    The status is 0 only if every job succeeded.

    Example: aigc demo --results images
    """
    console = Console(stderr=as_json)
    started = time.monotonic()
    log: list[str] = []
    console.print("starting the local cloud and deploying the Pulumi program into it …")
    package = local_package(with_console=not no_console)
    with local_stack(speed=SPEED, on_log=log.append, package=package) as stack:
        demo = Demo(stack, cos_client(stack.connection))
        console.print(f"uploading {len(UPLOADS)} photographs, calling {len(CALLS)} endpoints …")
        console.print(f"(tasks run {SPEED:g} times faster here than in the cloud)")
        demo.upload_all()
        demo.call_all()
        jobs = _watch(demo, console, len(UPLOADS) + len(CALLS))
        demo.save(jobs, results)
    has_succeeded = all(job.state == "succeeded" for job in jobs)
    _print_summary(console, jobs, results, time.monotonic() - started)
    if as_json:
        print_json({"folder": str(results), "jobs": [_described(job) for job in jobs]})
    if not has_succeeded:
        print("\n".join(log), file=sys.stderr)
    return 0 if has_succeeded and len(jobs) == len(UPLOADS) + len(CALLS) else 1


def _watch(demo: Demo, console: Console, expected: int) -> list[Job]:
    """Show the jobs until all have ended, at most for `TIMEOUT_S` seconds."""
    deadline = time.monotonic() + TIMEOUT_S
    printed: dict[str, str] = {}
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            jobs = demo.jobs()
            live.update(_table(jobs))
            if not console.is_terminal:
                _print_changes(console, jobs, printed)
            has_ended = len(jobs) == expected and all(job.has_ended for job in jobs)
            if has_ended or time.monotonic() > deadline:
                return jobs
            time.sleep(0.5)


def _print_changes(console: Console, jobs: Sequence[Job], printed: dict[str, str]) -> None:
    """Print a line for each job whose state has changed, if the output is not a terminal."""
    for job in jobs:
        if printed.get(job.id) != job.state:
            printed[job.id] = job.state
            console.print(f"{job.id[:14]} {job.kind}: {job.state}", highlight=False)


def _table(jobs: Sequence[Job]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))  # it fits 80 columns
    for name in ("KIND", "FROM", "STATE", "S", "RESULT"):
        table.add_column(name, overflow="fold", justify="right" if name == "S" else "left")
    for job in jobs:
        table.add_row(*_row(job))
    return table


def _row(job: Job) -> Iterator[str]:
    yield job.kind
    yield job.source.key or "call"
    yield job.state
    yield f"{(job.updated_at - job.created_at).total_seconds():.1f}"
    yield job.error.message if job.error else "\n".join(image.key for image in job.images)


def _described(job: Job) -> dict[str, Any]:
    return {
        "request_id": job.id,
        "kind": job.kind,
        "state": job.state,
        "images": [image.key for image in job.images],
    }


def _print_summary(console: Console, jobs: Sequence[Job], folder: Path, seconds: float) -> None:
    console.print(_table(jobs))
    succeeded = sum(job.state == "succeeded" for job in jobs)
    console.print(f"{succeeded} of {len(UPLOADS) + len(CALLS)} jobs succeeded in {seconds:.0f} s")
    console.print(f"the images are in {folder}")
    console.print("`make local` keeps this cloud running, with a console for your browser")
