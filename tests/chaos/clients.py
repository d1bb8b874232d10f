"""Who asks during a run of chaos: callers that ask again, give up waiting, and are told by webhook.

A caller does what the documentation tells him to: whatever answer does not come, or is an error,
he asks again with the same Idempotency-Key.
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
from localcloud.server import Response, Server
from ops.upload import cos_client
from tests.chaos.plan import ENDPOINTS

if TYPE_CHECKING:
    from typing_extensions import Self

    from localcloud.server import Request
    from ops.local_stack import LocalStack
    from tests.chaos.plan import Plan, Wish

CALLERS = 12
TRIES = 40
"""Of one call, before its caller gives up; what he asked for may be done all the same."""

TIMEOUT_S = 30
"""How long a caller waits for an answer: longer than a function may run."""

_FINAL = frozenset({400, 401, 403, 404, 409, 413, 415, 422})
"""Answers to which asking again would bring the same: ours, never the platform's."""


@dataclass(slots=True)
class Heard:
    """What callers were told; kept by threads at once."""

    request_ids: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Number of the wish → every id that it was accepted under."""
    refused: dict[int, str] = field(default_factory=dict)
    """Wishes that were answered with an error of our own."""
    given_up: set[int] = field(default_factory=set)
    """Wishes whose callers never got an answer, or could not upload."""
    cancelled: set[str] = field(default_factory=set)
    """Requests that were answered to be cancelled already."""
    calls: int = 0
    """HTTP requests that it all took."""


class Clients:
    """All of them, each wish in a thread until it is accepted."""

    def __init__(self, stack: LocalStack, photo: bytes, webhook_url: str) -> None:
        self.heard = Heard()
        self._stack = stack
        self._cos = cos_client(stack.connection)
        self._photo = photo
        self._webhook_url = webhook_url
        self._lock = threading.Lock()
        self._local = threading.local()

    def carry_out(self, plan: Plan) -> None:
        """Ask for everything, as fast as the answers come."""
        with ThreadPoolExecutor(CALLERS) as pool:
            for done in [pool.submit(self._ask, wish) for wish in plan.wishes]:
                done.result()

    def _ask(self, wish: Wish) -> None:
        if wish.is_upload:
            self._upload(wish)
            return
        request_id = self._call_at_once(wish)
        if wish.cancel_after_s is not None and request_id:
            time.sleep(wish.cancel_after_s / self._stack.cloud.clock.speed)
            self._cancel(wish, request_id)

    def _upload(self, wish: Wish) -> None:
        bucket = self._stack.outputs.buckets["inbox"]
        metadata = {"x-cos-meta-aigc-prompt": wish.prompt}
        for _ in range(TRIES):
            with contextlib.suppress(CosClientError, CosServiceError):
                self._cos.put_object(
                    Bucket=bucket, Key=wish.upload_key, Body=self._photo, Metadata=metadata
                )
                return
        with self._lock:
            self.heard.given_up.add(wish.number)

    def _call_at_once(self, wish: Wish) -> str:
        """Ask as often as the wish says, all at the same time."""
        if not wish.repeats:
            return self._call(wish)
        with ThreadPoolExecutor(1 + wish.repeats) as pool:
            return next(iter(pool.map(self._call, [wish] * (1 + wish.repeats))))

    def _call(self, wish: Wish) -> str:
        answer = self._answer("POST", ENDPOINTS[wish.kind], wish)
        with self._lock:
            if answer is None:
                self.heard.given_up.add(wish.number)
                return ""
            if not answer.ok:
                self.heard.refused[wish.number] = answer.text
                return ""
            request_id = str(answer.json()["request_id"])
            self.heard.request_ids[wish.number].add(request_id)
            return request_id

    def _cancel(self, wish: Wish, request_id: str) -> None:
        path = f"{ENDPOINTS[wish.kind]}/requests/{request_id}/cancel"
        answer = self._answer("PUT", path)
        if answer is not None and answer.ok and answer.json().get("state") == "cancelled":
            with self._lock:
                self.heard.cancelled.add(request_id)

    def _answer(self, method: str, path: str, wish: Wish | None = None) -> requests.Response | None:
        """Ask until there is an answer of the API; None where there never was one."""
        headers = {"Authorization": f"Bearer {self._stack.api_key}"}
        if wish is not None:
            headers["Idempotency-Key"] = wish.prompt
        url = f"{self._stack.outputs.endpoint}/{path}"
        body = None if wish is None else wish.body(self._webhook_url)
        for number in range(TRIES):
            with self._lock:
                self.heard.calls += 1
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
class Told:
    """What came by webhook."""

    messages: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Request id → the ids of the messages that told of its end, those that were taken."""
    unsigned: list[str] = field(default_factory=list)
    """Requests whose webhooks nobody could have trusted."""
    refused: int = 0
    """Messages that were answered with an error."""


class Receiver:
    """Takes webhooks in, checks their signatures, and fails as often as it is told to."""

    def __init__(self, secret: str, seed: int, failure_rate: float) -> None:
        self.told = Told()
        self._secret = secret
        self._failure_rate = failure_rate
        self._chance = random.Random(seed)  # noqa: S311  no secret
        self._lock = threading.Lock()
        self._server = Server(0, self._take)

    @property
    def url(self) -> str:
        """Where webhooks are to go."""
        return f"http://127.0.0.1:{self._server.port}/told"

    def calm(self) -> None:
        """Fail no more."""
        self._failure_rate = 0

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _take(self, request: Request) -> Response:
        request_id = str(json.loads(request.body)["request_id"])
        with self._lock:
            if self._chance.random() < self._failure_rate:
                self.told.refused += 1
                return Response(HTTPStatus.SERVICE_UNAVAILABLE)
            self.told.messages[request_id].append(request.headers["webhook-id"])
            if not self._is_signed(request):
                self.told.unsigned.append(request_id)
        return Response(HTTPStatus.NO_CONTENT)

    def _is_signed(self, request: Request) -> bool:
        at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), timezone.utc)
        message_id = request.headers["webhook-id"]
        expected = signed_headers(
            request.body, message_id=message_id, at=at, secrets=[self._secret]
        )
        return request.headers["webhook-signature"] == expected["webhook-signature"]
