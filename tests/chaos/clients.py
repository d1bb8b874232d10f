"""The callers of a chaos run, and the receiver of its webhooks.

A caller follows the documentation: after a lost answer or an error of the platform it repeats the
call with the same Idempotency-Key.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from qcloud_cos import CosClientError, CosServiceError

from aigc.signing import signed_headers
from aigc_cli.upload import cos_client
from localcloud.server import Response, Server
from tests.chaos.plan import ENDPOINTS

if TYPE_CHECKING:
    from typing_extensions import Self

    from aigc_cli.local_stack import LocalStack
    from localcloud.server import Request
    from tests.chaos.plan import Plan, PlannedJob

CALLERS = 12
TRIES = 40
"""Tries of one call before its caller gives up; the job may exist all the same."""

TIMEOUT_S = 30
"""The timeout of a try: longer than a function may run."""

_FINAL = frozenset({400, 401, 403, 404, 409, 413, 415, 422})
"""Statuses that a repeat would not change: they come from the API, not from the platform."""


@dataclass(slots=True)
class CallerLog:
    """The answers to all callers; several threads write it."""

    request_ids: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Number of the planned job → every request id in answers to its calls."""
    refused: dict[int, str] = field(default_factory=dict)
    """Number of the planned job → the API's error."""
    unanswered: set[int] = field(default_factory=set)
    """Planned jobs whose callers got no answer, or could not upload."""
    cancelled: set[str] = field(default_factory=set)
    """Ids of requests whose cancel was answered with `cancelled`."""
    calls: int = 0
    """The number of HTTP requests."""


class Clients:
    """All callers; each planned job has a thread until it is accepted."""

    def __init__(self, stack: LocalStack, photo: bytes, webhook_url: str) -> None:
        self.log = CallerLog()
        self._stack = stack
        self._cos = cos_client(stack.connection)
        self._photo = photo
        self._webhook_url = webhook_url
        self._lock = threading.Lock()
        self._local = threading.local()

    def carry_out(self, plan: Plan) -> None:
        """Make all uploads and calls, as fast as the answers arrive."""
        with ThreadPoolExecutor(CALLERS) as pool:
            for job in [pool.submit(self._run_job, planned) for planned in plan.jobs]:
                job.result()

    def _run_job(self, planned: PlannedJob) -> None:
        if planned.is_upload:
            self._upload(planned)
            return
        request_id = self._call_at_once(planned)
        if planned.cancel_after_s is not None and request_id:
            time.sleep(planned.cancel_after_s / self._stack.cloud.clock.speed)
            self._cancel(planned, request_id)

    def _upload(self, planned: PlannedJob) -> None:
        bucket = self._stack.outputs.buckets["inbox"]
        metadata = {"x-cos-meta-aigc-prompt": planned.prompt}
        for _ in range(TRIES):
            with contextlib.suppress(CosClientError, CosServiceError):
                self._cos.put_object(
                    Bucket=bucket, Key=planned.upload_key, Body=self._photo, Metadata=metadata
                )
                return
        with self._lock:
            self.log.unanswered.add(planned.number)

    def _call_at_once(self, planned: PlannedJob) -> str:
        """Make the call and its repeats at the same time; return the request id of the first."""
        if not planned.repeats:
            return self._call(planned)
        with ThreadPoolExecutor(1 + planned.repeats) as pool:
            return next(iter(pool.map(self._call, [planned] * (1 + planned.repeats))))

    def _call(self, planned: PlannedJob) -> str:
        answer = self._answered_request("POST", ENDPOINTS[planned.kind], planned)
        with self._lock:
            if answer is None:
                self.log.unanswered.add(planned.number)
                return ""
            if not answer.ok:
                self.log.refused[planned.number] = answer.text
                return ""
            request_id = str(answer.json()["request_id"])
            self.log.request_ids[planned.number].add(request_id)
            return request_id

    def _cancel(self, planned: PlannedJob, request_id: str) -> None:
        path = f"{ENDPOINTS[planned.kind]}/requests/{request_id}/cancel"
        answer = self._answered_request("PUT", path)
        if answer is not None and answer.ok and answer.json().get("state") == "cancelled":
            with self._lock:
                self.log.cancelled.add(request_id)

    def _answered_request(
        self, method: str, path: str, planned: PlannedJob | None = None
    ) -> requests.Response | None:
        """Repeat a request until the API answers; return None if it never does."""
        headers = {"Authorization": f"Bearer {self._stack.api_key}"}
        if planned is not None:
            headers["Idempotency-Key"] = planned.prompt
        url = f"{self._stack.outputs.endpoint}/{path}"
        body = None if planned is None else planned.body(self._webhook_url)
        for number in range(TRIES):
            with self._lock:
                self.log.calls += 1
            with contextlib.suppress(requests.RequestException):
                answer = self._session().request(
                    method, url, json=body, headers=headers, timeout=TIMEOUT_S
                )
                if answer.ok or answer.status_code in _FINAL:
                    return answer
            time.sleep(min(0.05 * 2**number, 1))
        return None

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        session: requests.Session = self._local.session
        return session


@dataclass(slots=True)
class WebhookLog:
    """The webhooks that the receiver got."""

    messages: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Request id → the ids of its accepted messages."""
    unsigned: list[str] = field(default_factory=list)
    """Ids of requests whose webhooks had a wrong signature."""
    refused: int = 0
    """Messages that were answered with an error."""


class Receiver:
    """Receives webhooks, checks their signatures, and fails at a configured rate."""

    def __init__(self, secret: str, seed: int, failure_rate: float) -> None:
        self.log = WebhookLog()
        self._secret = secret
        self._failure_rate = failure_rate
        self._rng = random.Random(seed)  # noqa: S311  no secret
        self._lock = threading.Lock()
        self._server = Server(0, self._take)

    @property
    def url(self) -> str:
        """The address for webhooks."""
        return f"http://127.0.0.1:{self._server.port}/webhooks"

    def calm(self) -> None:
        """Stop failing."""
        self._failure_rate = 0

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _take(self, request: Request) -> Response:
        request_id = str(json.loads(request.body)["request_id"])
        with self._lock:
            if self._rng.random() < self._failure_rate:
                self.log.refused += 1
                return Response(HTTPStatus.SERVICE_UNAVAILABLE)
            self.log.messages[request_id].append(request.headers["webhook-id"])
            if not self._is_signed(request):
                self.log.unsigned.append(request_id)
        return Response(HTTPStatus.NO_CONTENT)

    def _is_signed(self, request: Request) -> bool:
        at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), timezone.utc)
        message_id = request.headers["webhook-id"]
        expected = signed_headers(
            request.body, message_id=message_id, at=at, secrets=[self._secret]
        )
        return request.headers["webhook-signature"] == expected["webhook-signature"]
