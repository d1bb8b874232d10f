"""COS: authenticates a request, authorizes it, applies faults and carries out its operation."""

from __future__ import annotations

import base64
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from localcloud.core import ApiError
from localcloud.cos import cors, forms, signing, xml
from localcloud.cos.acl import owner_of
from localcloud.cos.attributes import attributes_of
from localcloud.cos.buckets import BucketOperations
from localcloud.cos.calls import Call, Operation, Target, http_time, operation
from localcloud.cos.errors import CosError
from localcloud.cos.events import Events, ObjectCreated
from localcloud.cos.multipart import Uploads
from localcloud.cos.objects import ObjectOperations, checksums
from localcloud.cos.parts import MultipartOperations
from localcloud.cos.routing import find_operation
from localcloud.cos.store import Store
from localcloud.cos.writer import Writer
from localcloud.faults import REQUEST_FAULTS, argument
from localcloud.server import LostReplyError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from localcloud.core import Account, Caller, Clock, Keys
    from localcloud.cos.store import Bucket, StoredObject
    from localcloud.faults import Faults

# The operations without a signature, by the ACL of the bucket or of the object.
_PUBLIC = {
    "public-read": {"GetObject", "HeadObject"},
    "public-read-write": {"GetObject", "HeadObject", "PutObject", "PostObject", "GetBucket"},
}


class Cos:
    """The object storage of the account."""

    def __init__(  # noqa: PLR0913  its collaborators
        self,
        folder: Path,
        *,
        account: Account,
        keys: Keys,
        clock: Clock,
        faults: Faults,
        authorize: Callable[[Caller, str, str], None],
    ) -> None:
        self._account = account
        self._keys = keys
        self._clock = clock
        self._faults = faults
        self._authorize = authorize
        self._store = Store(folder)
        self._events = Events(clock, faults)
        self._writer = Writer(
            self._store, self._events, account=account, clock=clock, faults=faults
        )
        owner = owner_of(account)
        buckets = BucketOperations(self._store, account, clock, faults)
        objects = ObjectOperations(self._store, self._writer, owner)
        multipart = MultipartOperations(self._store, self._writer, Uploads(), owner, clock)
        self._post = Operation("PostObject", self._post_form)
        self._on_service = {
            ("GET", ""): operation("GetService", buckets.list_buckets, "region marker max-keys")
        }
        self._on_bucket = {
            **buckets.operations,
            **multipart.on_bucket,
            ("POST", ""): self._post,
        }
        self._on_object = {**objects.operations, **multipart.on_object}

    @property
    def operations(self) -> set[str]:
        """The names of all operations, as policies and faults use them."""
        tables = (self._on_service, self._on_bucket, self._on_object)
        return {operation.name for table in tables for operation in table.values()}

    def subscribe(self, listener: Callable[[ObjectCreated], None]) -> None:
        """Call a listener for each new object; the listener must return at once."""
        self._events.subscribe(listener)

    def close(self) -> None:
        """Close the journal; later changes are not stored."""
        self._store.close()

    # For the other services of this cloud, which need no signature

    def bucket(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            CosError: The bucket does not exist.
        """
        return self._store.bucket(name)

    def has_bucket(self, name: str) -> bool:
        """Whether the bucket exists."""
        return any(bucket.name == name for bucket in self._store.buckets())

    def read(self, bucket: str, key: str) -> bytes:
        """Return the content of an object.

        Raises:
            CosError: The bucket or the object does not exist.
        """
        return self._store.read(self._store.bucket(bucket), key)[1]

    def write(self, bucket: str, key: str, content: bytes, content_type: str) -> StoredObject:
        """Write an object for another service of the cloud; the bucket's events are published.

        Raises:
            CosError: The bucket does not exist.
        """
        region = self._store.bucket(bucket).region
        request = Request("PUT", "", f"/{key}", "", {"content-type": content_type}, content)
        target = Target(bucket=bucket, region=region, key=key)
        call = Call(request=request, target=target, caller=None, request_id=_request_id())
        return self._writer.write(call, content, attributes_of(call), event="Put")

    # For clients

    def answer(self, request: Request, target: Target) -> Response:
        """Carry out a request; the response to an error is an XML document."""
        request_id = _request_id()
        try:
            response = self._carry_out(request, target, request_id)
        except CosError as error:
            response = _error_response(error, request, request_id)
        except ApiError as error:
            response = _error_response(CosError("AccessDenied", error.message), request, request_id)
        common = {
            "Date": http_time(self._clock.now()),
            "Server": "tencent-cos",
            "x-cos-request-id": request_id,
            **self._cors(request, target),
        }
        return replace(response, headers={**common, **response.headers})

    def _carry_out(self, request: Request, target: Target, request_id: str) -> Response:
        if request.method == "OPTIONS":
            if not self._cors(request, target):
                raise CosError("AccessForbidden", "CORSResponse: This CORS request is not allowed.")
            return Response()
        operation = self._operation(request, target)
        caller = self._caller(request, target, operation)
        self._check_access(caller, operation.name, target)
        fault = self._apply_fault(f"cos.{operation.name}")
        call = Call(request=request, target=target, caller=caller, request_id=request_id)
        response = operation.run(call)
        if fault == "lost_reply":
            raise LostReplyError
        return response

    def _operation(self, request: Request, target: Target) -> Operation:
        if not target.bucket:
            return find_operation(self._on_service, request)
        return find_operation(self._on_object if target.key else self._on_bucket, request)

    def _caller(self, request: Request, target: Target, operation: Operation) -> Caller | None:
        now = self._clock.now()
        if operation is self._post:
            return forms.verify(forms.parse(request), target.bucket, self._keys, now)
        return signing.verify(request, "/" + target.key, self._keys, now)

    def _check_access(self, caller: Caller | None, operation: str, target: Target) -> None:
        if caller is not None:
            app_id = self._account.app_id
            resource = f"qcs::cos:{target.region}:uid/{app_id}:{target.bucket}/{target.key}"
            self._authorize(caller, f"name/cos:{operation}", resource)
        elif not self._is_public(operation, target):
            raise CosError("AccessDenied", "Access Denied.")

    def _is_public(self, operation: str, target: Target) -> bool:
        bucket = self._store.bucket(target.bucket) if target.bucket else None
        if bucket is None:
            return False
        stored = bucket.objects.get(target.key.encode())
        acl = stored.acl if stored is not None and stored.acl != "default" else bucket.acl
        return operation in _PUBLIC.get(acl, ())

    def _apply_fault(self, where: str) -> str | None:
        """Apply a fault before the operation and return it; a lost reply acts afterwards."""
        fault = self._faults.take(where, *REQUEST_FAULTS)
        if fault == "throttle":
            raise CosError("SlowDown", "Please reduce your request rate.")
        if fault == "http_500":
            raise CosError("InternalError", "We encountered an internal error. Please try again.")
        if fault is not None and fault.startswith("delay:"):
            time.sleep(float(argument(fault)) / self._clock.speed)
        return fault

    def _post_form(self, call: Call) -> Response:
        form = forms.parse(call.request)
        request = replace(call.request, headers={**call.request.headers, **form.fields})
        form_call = replace(call, request=request, target=replace(call.target, key=form.key))
        stored = self._writer.write(form_call, form.content, attributes_of(form_call), event="Post")
        status = form.fields.get("success_action_status", "")
        return Response(int(status) if status in {"200", "201"} else 204, headers=checksums(stored))

    def _cors(self, request: Request, target: Target) -> dict[str, str]:
        origin = request.headers.get("origin")
        if origin is None or not target.bucket:
            return {}
        try:
            rules = self._store.bucket(target.bucket).settings.get("cors", "")
        except CosError:
            return {}
        return cors.response_headers(rules, origin, request)


def _error_response(error: CosError, request: Request, request_id: str) -> Response:
    content = {
        "Code": error.code,
        "Message": error.message,
        "Resource": f"{request.host}{unquote(request.path)}",
        "RequestId": request_id,
        "TraceId": base64.b64encode(uuid.uuid4().bytes * 4).decode(),
    }
    body = xml.document("Error", content)
    return Response(error.status, body, {"Content-Type": "application/xml"})


def _request_id() -> str:
    return base64.b64encode(uuid.uuid4().hex.encode()).decode()
