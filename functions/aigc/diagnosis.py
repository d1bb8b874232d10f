"""What a function's role may do, tried from inside the function by requests that cost nothing.

`aigc doctor` invokes each function with the question of `aigc.triggers.diagnosis`. Only SCF's own
API can send such an event, with permission to invoke the function: a trigger's event has other
fields.

A request for something that does not exist shows whether an action is denied or permitted. Two
kinds of actions are not tried: creating a task, which is paid for, and writing a result, which
would stay.
"""

from __future__ import annotations

import functools
import hashlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc.errors import CloudError
from aigc.jobs.buckets import STAGING
from aigc.tasks.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aigc.jobs.runtime import Runtime

    Request = tuple[str, str, Callable[[], object]]
    """An action as policies name it, the bucket if it is COS's, and a request that needs it."""

CODE = Path(__file__).resolve().parents[1]
"""The folder into which SCF unpacks the zip."""

MISSING = "doctor/missing"
"""A key that exists in no bucket."""

DENIED = ("UnauthorizedOperation", "AuthFailure", "AccessDenied")
ASKED_FOR_NOTHING = ("ResourceNotFound", "InvalidParameter", "NoSuchKey")
"""Beginnings of the codes that answer a permitted request for something that does not exist."""


def diagnose(runtime: Runtime) -> dict[str, Any]:
    """Try each action; return the outcomes, and what identifies the code."""
    return {
        "digest": digest(_files()),
        "actions": [
            {"action": action, "on": bucket, **_outcome(request)}
            for action, bucket, request in (*_vendor_requests(runtime), *_cos_requests(runtime))
        ],
    }


def digest(files: Mapping[str, bytes]) -> str:
    """Identify code by its files: path → content."""
    whole = hashlib.sha256()
    for path, content in sorted(files.items()):
        whole.update(f"{path}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def _files() -> dict[str, bytes]:
    return {
        path.relative_to(CODE).as_posix(): path.read_bytes()
        for path in CODE.rglob("*")
        if path.is_file()
    }


def _outcome(request: Callable[[], object]) -> dict[str, str]:
    try:
        request()
    except CloudError as error:
        if error.code.startswith(ASKED_FOR_NOTHING):
            return {"outcome": "granted", "code": error.code}
        is_denied = error.code.startswith(DENIED)
        return {"outcome": "denied" if is_denied else "unclear", "code": error.code}
    return {"outcome": "granted", "code": ""}


def _vendor_requests(runtime: Runtime) -> Iterator[Request]:
    vod, mps = KINDS["vod.image"], KINDS["mps.image"]
    application, now = runtime.settings.sub_app_id, int(runtime.now().timestamp())
    calls = (
        vod.describe(f"{application}-AigcImage-{'0' * 32}t", application),
        vod.abort(f"{application}-AigcImage-{'0' * 32}t", application),
        vod.find(application, now, ""),
        mps.describe(f"4-AigcImage-{'0' * 32}", application),
    )
    for call in filter(None, calls):
        yield f"{call.service}:{call.action}", "", functools.partial(runtime.upstream.call, call)


def _cos_requests(runtime: Runtime) -> Iterator[Request]:
    ledger, results = runtime.ledger.bucket, runtime.buckets.results
    own = f"doctor/{uuid.uuid4().hex}"
    yield "name/cos:PutObject", "ledger", lambda: ledger.put(own, b"{}")
    yield "name/cos:GetObject", "ledger", lambda: ledger.get(own)
    yield "name/cos:GetBucket", "ledger", lambda: ledger.list(own, "", 1)
    yield "name/cos:DeleteObject", "ledger", lambda: ledger.delete(own)
    yield "name/cos:DeleteMultipleObjects", "ledger", lambda: ledger.delete(own, MISSING)
    yield "name/cos:GetObject", "results", lambda: results.get(MISSING)
    yield "name/cos:GetBucket", "results", lambda: results.list(MISSING, "", 1)
    yield "name/cos:DeleteObject", "results", lambda: results.delete(f"{STAGING}{MISSING}")
    yield "name/cos:GetObject", "inbox", lambda: runtime.buckets.inbox.peek(MISSING, 1)
    yield "name/cos:GetBucket", "inbox", lambda: runtime.buckets.inbox.list(MISSING, "", 1)
