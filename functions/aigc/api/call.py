"""A call of the API with its context, and the URLs that answers contain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aigc.api.errors import HttpError
from aigc.api.keys import ANONYMOUS, Caller
from aigc.logs import note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aigc.api.openapi.schemas import Links
    from aigc.jobs.job import Job
    from aigc.jobs.runtime import Runtime
    from aigc.triggers.http import HttpRequest

ENDPOINTS: Mapping[str, str] = {
    "tencent-vod/v1/aigc-image": "vod.image",
    "tencent-vod/v1/aigc-scene-image": "vod.scene_image",
    "tencent-mps/v1/aigc-image": "mps.image",
}
"""The path under which each kind of task is submitted."""

FAL_REQUEST_ID = "X-Fal-Request-Id"
"""The response header from which fal.ai's clients read the request id."""

_PATHS = {kind: path for path, kind in ENDPOINTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that matched a route."""

    request: HttpRequest
    runtime: Runtime
    caller: Caller = ANONYMOUS
    """The caller, known by its key."""
    path: Mapping[str, str] = field(default_factory=dict)
    """The variable parts of the path."""

    @property
    def base_url(self) -> str:
        """The configured URL of the service, or the one that the caller used."""
        return self.runtime.settings.public_url.rstrip("/") or self.request.base_url

    @property
    def is_shortened(self) -> bool:
        """Whether the path leaves out the last part of the endpoint.

        fal.ai's JavaScript client builds such paths; the URLs in answers are always complete.
        """
        return self.path["endpoint"] not in ENDPOINTS

    def links(self, job: Job) -> Links:
        """Return the id of a job and its three URLs."""
        url = f"{self.base_url}/{_PATHS[job.kind]}/requests/{job.id}"
        return {
            "request_id": job.id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
        }

    def check_owner(self, job: Job | None) -> Job:
        """Return the job if it belongs to the endpoint of the path and the caller may see it.

        Some clients remove the last part of the endpoint, hence `/tencent-vod/v1` alone.

        Raises:
            HttpError: There is no such job.
        """
        endpoint = self.path["endpoint"]
        is_of_endpoint = job is not None and f"{_PATHS[job.kind]}/".startswith(f"{endpoint}/")
        if job is None or not is_of_endpoint or not self.caller.may_see(job.source):
            raise HttpError(404, "not_found", f"/{endpoint} has no request {self.path['id'][:80]}")
        note(job=job.id)
        return job
