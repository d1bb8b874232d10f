"""Checks inside a function which actions its role permits; the requests cost nothing.

`aigc doctor` invokes each function with the diagnosis request (`aigc.triggers.diagnosis`). Such an
event can be sent only through SCF's API, by an account that may invoke the function.

A request for an object or a task that does not exist shows whether the action is denied. Two
actions are not tried: creating a task costs money, and a written result would remain.
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
    """An action as policies name it, its bucket if it is of COS, and a request that needs it."""

CODE = Path(__file__).resolve().parents[1]
"""The folder into which SCF unpacks the zip."""

MISSING = "doctor/missing"
"""A key that exists in no bucket."""

DENIED_CODES = ("UnauthorizedOperation", "AuthFailure", "AccessDenied")
NOT_FOUND_CODES = ("ResourceNotFound", "InvalidParameter", "NoSuchKey")
"""Beginnings of the error codes of permitted requests for something that does not exist."""


def diagnose(runtime: Runtime) -> dict[str, Any]:
    """Try each action; return the outcomes and the digest of the code."""
    return {
        "digest": digest(_files()),
        "actions": [
            {"action": action, "on": bucket, **_outcome(request)}
            for action, bucket, request in (*_vendor_requests(runtime), *_cos_requests(runtime))
        ],
    }


def digest(files: Mapping[str, bytes]) -> str:
    """Return the digest of files, which are given as path → content."""
    hasher = hashlib.sha256()
    for path, content in sorted(files.items()):
        hasher.update(f"{path}\0{len(content)}\0".encode() + content)
    return hasher.hexdigest()


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
        if error.code.startswith(NOT_FOUND_CODES):
            return {"outcome": "granted", "code": error.code}
        is_denied = error.code.startswith(DENIED_CODES)
        return {"outcome": "denied" if is_denied else "unclear", "code": error.code}
    return {"outcome": "granted", "code": ""}


def _vendor_requests(runtime: Runtime) -> Iterator[Request]:
    vod, mps = KINDS["vod.image"], KINDS["mps.image"]
    application, now = runtime.settings.sub_app_id, int(runtime.now().timestamp())
    calls = (
        vod.describe(f"{application}-AigcImage-{'0' * 32}t", application),
        vod.abort(f"{application}-AigcImage-{'0' * 32}t", application),
        vod.list_tasks(application, now, ""),
        mps.describe(f"4-AigcImage-{'0' * 32}", application),
    )
    for call in filter(None, calls):
        yield f"{call.service}:{call.action}", "", functools.partial(runtime.upstream.call, call)


def _cos_requests(runtime: Runtime) -> Iterator[Request]:
    ledger, results = runtime.ledger.bucket, runtime.buckets.results
    key = f"doctor/{uuid.uuid4().hex}"
    yield "name/cos:PutObject", "ledger", lambda: ledger.put(key, b"{}")
    yield "name/cos:GetObject", "ledger", lambda: ledger.get(key)
    yield "name/cos:GetBucket", "ledger", lambda: ledger.list(key, "", 1)
    yield "name/cos:DeleteObject", "ledger", lambda: ledger.delete(key)
    yield "name/cos:DeleteMultipleObjects", "ledger", lambda: ledger.delete(key, MISSING)
    yield "name/cos:GetObject", "results", lambda: results.get(MISSING)
    yield "name/cos:GetBucket", "results", lambda: results.list(MISSING, "", 1)
    yield "name/cos:DeleteObject", "results", lambda: results.delete(f"{STAGING}{MISSING}")
    yield "name/cos:GetObject", "inbox", lambda: runtime.buckets.inbox.peek(MISSING, 1)
    yield "name/cos:GetBucket", "inbox", lambda: runtime.buckets.inbox.list(MISSING, "", 1)
