"""Records and index entries of many succeeded jobs, made without running the jobs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from aigc.jobs.accept import fingerprint
from aigc.jobs.job import Attempt, Job, OutputLocation, Source, StoredImage
from aigc.jobs.ledger.images import image_set
from aigc.tasks.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_END = datetime(2026, 11, 1, tzinfo=timezone.utc)
SUBJECTS = (
    *("a lighthouse in a storm", "a cat on a window sill", "a bowl of oranges", "雪山下的湖"),
    *("a red bicycle", "an old harbour at dawn", "a forest in autumn", "两只猫在屋顶上"),
)
MODELS = (("GG", "3.0"), ("Kling", "2.1"), ("Hunyuan", "3.0"))
FOLDERS = ("calls/2026-11-20/", "shop/shoes/", "shop/bags/", "wedding/")
SOURCES = (
    Source(type="call", name="default"),
    Source(type="upload", name="anime", bucket="inbox-1250000000", key="anime/cat.png"),
    Source(type="call", name="shop"),
)


def finished_job(number: int, *, images: int = 1, end: datetime | None = None) -> Job:
    """Make a job; the number decides its prompt, model, folder and source."""
    end = end or FIRST_END + timedelta(seconds=60 * number)
    model_name, model_version = MODELS[number % len(MODELS)]
    prompt = f"{SUBJECTS[number % len(SUBJECTS)]}, number {number}"
    task: dict[str, Any] = {
        "model_name": model_name,
        "model_version": model_version,
        "prompt": prompt,
    }
    source = SOURCES[number % len(SOURCES)]
    if source.type == "upload":
        task |= {"file_infos": [{"type": "Url", "url": f"cos://{source.bucket}/{source.key}"}]}
    folder = FOLDERS[number % len(FOLDERS)]
    job_id = f"{number:032x}"
    return Job(
        id=job_id,
        kind="vod.image",
        lane="vod.image",
        state="succeeded",
        revision=4,
        marker=f"lanes/vod.image/waiting/{job_id}",
        created_at=end - timedelta(seconds=30),
        updated_at=end + timedelta(seconds=2),
        source=source,
        task=task,
        fingerprint=fingerprint(KINDS["vod.image"].model.model_validate(task)),
        output_location=OutputLocation(prefix=folder, name=job_id),
        attempts=(Attempt(number=1, session_id=f"x-{job_id}-1", finished_at=end, task_id="t"),),
        images=tuple(
            StoredImage(
                key=f"{folder}{job_id}-{image}.png",
                content_type="image/png",
                width=1024,
                height=768,
                size=1_500_000,
            )
            for image in range(1, images + 1)
        ),
    )


def objects_of(job: Job) -> Iterator[tuple[str, bytes]]:
    """Yield the ledger's objects that list the images of a succeeded job."""
    task = KINDS[job.kind].model.model_validate(job.task)
    yield f"jobs/{job.id}.json", job.model_dump_json(exclude_none=True).encode()
    yield image_set(job, task.model_label(), task.prompt_text()).key, b"{}"
