"""The function that `aigc verify-cloud` deploys. It runs in SCF, from a zip of its own.

It records its events and does what they request: it fails in different ways, answers in unusual
forms, or calls the cloud with the credentials of its role.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from aigc.cloud.api3 import CloudApi
from aigc.cloud.cos import CosBucket
from aigc.errors import CloudError
from aigc.tasks.kind import ApiCall

SLEEP_S = 60
"""Longer than the timeout of the function."""


def main_handler(event: dict[str, Any], context: dict[str, Any]) -> Any:
    """Record the event and do what it requests."""
    if "calls" in event:
        return [_call(call) for call in event["calls"]]
    if event.get("httpMethod") and not str(event["path"]).startswith("/seen/"):
        return _http(event, context)
    _record(event, context)
    _fail(json.dumps(event))
    return {"statusCode": 200, "body": "{}"}


def _record(event: dict[str, Any], context: dict[str, Any]) -> None:
    record = {"event": event, "context": context, "at": time.time()}
    key = f"seen/{time.time_ns()}-{uuid.uuid4().hex}.json"
    _bucket(os.environ["BUCKET"]).put(key, json.dumps(record).encode())


def _fail(event: str) -> None:
    if "fail-raise" in event:
        raise RuntimeError("the event requests a failure")
    if "fail-timeout" in event:
        time.sleep(SLEEP_S)
    if "fail-exit" in event:
        os._exit(3)


def _http(event: dict[str, Any], context: dict[str, Any]) -> Any:
    """Answer a call of the Function URL in the form that the path names."""
    path = str(event["path"]).strip("/")
    if path == "binary":
        return _answer(base64.b64encode(bytes(range(256))).decode(), isBase64Encoded=True)
    if path == "gzip":
        packed = base64.b64encode(gzip.compress(b"packed " * 100)).decode()
        return _answer(packed, isBase64Encoded=True, headers={"Content-Encoding": "gzip"})
    if path == "large":
        return _answer("x" * int(event["queryString"]["bytes"]))
    if path == "headers":
        return _answer("", statusCode=201, headers={"X-One": "1", "Cache-Control": "max-age=60"})
    if path == "raise":
        raise RuntimeError("the event requests a failure")
    if path == "environment":
        return _answer(json.dumps(_environment(context)))
    return _answer(json.dumps(event))


def _answer(body: str, **fields: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": body, "headers": {"X-Probe": "1"}, **fields}


def _environment(context: dict[str, Any]) -> dict[str, Any]:
    """Describe the instance, without the values of its variables."""
    return {
        "names": sorted(os.environ),
        "python": list(sys.version_info[:3]),
        "code_is_read_only": not _can_write(Path(__file__).parent),
        "tmp_is_writable": _can_write(Path("/tmp")),  # noqa: S108  SCF's only writable folder
        "context": sorted(context),
    }


def _can_write(folder: Path) -> bool:
    file = folder / f"probe-{uuid.uuid4().hex}"
    try:
        file.write_text("")
    except OSError:
        return False
    file.unlink()
    return True


def _call(call: dict[str, Any]) -> str:
    """Send a call with the credentials of the role; return the error code, empty on success."""
    try:
        if "bucket" in call:
            _cos(call)
        else:
            _api(call)
    except CloudError as error:
        return error.code or type(error).__name__
    return ""


def _api(call: dict[str, Any]) -> None:
    api = CloudApi(site="cn", protocol=os.environ["PROTOCOL"])
    api.call(
        ApiCall(
            service=call["service"],
            version=call["version"],
            action=call["action"],
            params=call["params"],
        )
    )


def _cos(call: dict[str, Any]) -> None:
    bucket = _bucket(call["bucket"])
    key = call["key"]
    operations = {
        "PutObject": lambda: bucket.put(key, b"{}"),
        "GetObject": lambda: _required(bucket.get(key)),
        "HeadObject": lambda: _required(bucket.metadata(key)),
        "GetBucket": lambda: bucket.list(key),
        "DeleteObject": lambda: bucket.delete(key),
        "DeleteMultipleObjects": lambda: bucket.delete(key, f"{key}-2"),
        "GetBucketVersioning": bucket.is_versioned,
    }
    operations[call["action"]]()


def _required(content: object) -> None:
    """Raise an error for an absent object, for which the adapter returns None."""
    if content is None:
        raise CloudError("get", code="absent")


def _bucket(name: str) -> CosBucket:
    return CosBucket(name, region=os.environ["REGION"], protocol=os.environ["PROTOCOL"])
