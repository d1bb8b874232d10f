"""A stack with a full gallery: entries are written into the ledger, without running jobs."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from PIL import Image

from aigc.wire import with_fields
from aigc_cli.local_stack import ROOT, local_stack, wait_until_active
from tests.finished_jobs import finished_job, objects_of
from tests.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aigc.jobs.job import Job, StoredImage
    from aigc_cli.local_stack import LocalStack
    from localcloud.core import Caller

ENTRIES = size(4_000, full=25_000)
MINUTES_APART = 7
SAMPLES = sorted((ROOT / "aigc_cli" / "samples").glob("*.jpg"))


@dataclass
class Gallery:
    """A running stack, and the requests that its gateway made to the ledger."""

    stack: LocalStack
    ledger: Counter[str] = field(default_factory=Counter)
    """Operation of COS → number of requests."""

    @property
    def url(self) -> str:
        """The address of the view."""
        return f"{self.stack.outputs.endpoint}/console#/gallery"


@contextlib.contextmanager
def full_gallery(entries: int = ENTRIES) -> Iterator[Gallery]:
    """Run a stack whose ledger has so many jobs that succeeded."""
    with local_stack(speed=20) as stack:
        gallery = Gallery(stack)
        _fill(gallery, entries)
        _count_requests(gallery)
        yield gallery


def _fill(gallery: Gallery, entries: int) -> None:
    stack, now = gallery.stack, datetime.now(timezone.utc)
    images = list(_put_samples(stack))
    for number in range(entries):
        end = now - timedelta(minutes=MINUTES_APART * (entries - number))
        job = _in_stack(finished_job(number, end=end), images[number % len(images)], stack)
        for key, body in objects_of(job):
            stack.cloud.cos.write(stack.outputs.buckets["ledger"], key, body, "application/json")


def _put_samples(stack: LocalStack) -> Iterator[StoredImage]:
    """Write the photographs into the buckets; each job has one of them as its image."""
    buckets, image = stack.outputs.buckets, finished_job(0).images[0]
    for path in SAMPLES:
        content = path.read_bytes()
        with Image.open(path) as photograph:
            width, height = photograph.size
            kept = _enlarged(photograph)
        stack.cloud.cos.write(buckets["results"], f"samples/{path.name}", content, "image/jpeg")
        stack.cloud.cos.write(buckets["inbox"], f"kept/{path.name}", kept, "image/jpeg")
        yield with_fields(
            image,
            key=f"samples/{path.name}",
            content_type="image/jpeg",
            width=width,
            height=height,
            size=len(content),
        )


def _enlarged(photograph: Image.Image) -> bytes:
    """Return a photograph with more pixels, as a camera makes it."""
    content = io.BytesIO()
    photograph.resize((4 * photograph.width, 4 * photograph.height)).save(content, "JPEG")
    return content.getvalue()


def _in_stack(job: Job, image: StoredImage, stack: LocalStack) -> Job:
    """Let the job's image, and the file that it was made of, be where they are in the stack."""
    job = with_fields(job, images=(image,))
    if job.source.type != "upload":
        return job
    bucket, key = stack.outputs.buckets["inbox"], image.key.replace("samples/", "kept/")
    task = {**job.task, "file_infos": [{"type": "Url", "url": f"cos://{bucket}/{key}"}]}
    return with_fields(job, task=task, source=with_fields(job.source, bucket=bucket, key=key))


def _count_requests(gallery: Gallery) -> None:
    """Count what the gateway's role asks of the ledger's bucket."""
    stack = gallery.stack
    role = wait_until_active(stack.cloud, stack.outputs.functions["gateway"])["Role"]
    ledger, allow = f":{stack.outputs.buckets['ledger']}/", stack.cloud.authorize

    def count(caller: Caller, action: str, resource: str) -> None:
        if caller.role == role and ledger in resource:
            gallery.ledger[action.rpartition(":")[2]] += 1
        allow(caller, action, resource)

    stack.cloud.authorize = count
