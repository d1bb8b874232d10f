"""Creates objects for all operations: content, entry and event."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from localcloud.cos.errors import CosError
from localcloud.cos.events import ObjectCreated
from localcloud.cos.store import describe

if TYPE_CHECKING:
    from localcloud.core import Account, Clock
    from localcloud.cos.attributes import Attributes
    from localcloud.cos.calls import Call
    from localcloud.cos.events import Events
    from localcloud.cos.store import Bucket, Store, StoredObject
    from localcloud.faults import Faults

_PUT_EVENTS = frozenset({"Put", "Copy"})  # both events are of the operation PutObject
MAX_KEY = 850  # bytes; https://cloud.tencent.com/document/product/436/13324


class Writer:
    """Writes the objects that operations create, and publishes their events."""

    def __init__(
        self, store: Store, events: Events, *, account: Account, clock: Clock, faults: Faults
    ) -> None:
        self._store = store
        self._events = events
        self._account = account
        self._clock = clock
        self._faults = faults

    def write(
        self, call: Call, content: bytes, attributes: Attributes, *, event: str, etag: str = ""
    ) -> StoredObject:
        """Write the object of a call, and publish the event of its creation.

        Args:
            call: The call; its bucket must exist.
            content: The content of the object.
            attributes: Its headers, ACL and tags.
            event: `Put`, `Post`, `Copy` or `CompleteMultipartUpload`.
            etag: The ETag of a multipart upload; empty for the MD5 of the content.

        Raises:
            CosError: The bucket does not exist, or the key exists and the call forbids overwriting.
        """
        bucket, key = self._store.bucket(call.target.bucket), call.target.key
        if len(key.encode()) > MAX_KEY:
            raise CosError("InvalidURI", f"The key is longer than {MAX_KEY} bytes.")
        forbid_overwrite = call.forbids_overwrite and not bucket.is_versioned
        raced = forbid_overwrite and event in _PUT_EVENTS and self._apply_race(bucket, key)
        stored = describe(key, content, self._clock.now(), attributes.headers)
        stored = replace(stored, etag=etag or stored.etag, acl=attributes.acl, tags=attributes.tags)
        self._store.put(bucket, stored, content, forbid_overwrite=forbid_overwrite and not raced)
        self._publish(call, stored, bucket.region, event)
        return stored

    def _apply_race(self, bucket: Bucket, key: str) -> bool:
        """Apply a `race` fault: check the key, then wait. Return whether there was a fault.

        After the wait the key is not checked again, so that all concurrent creators succeed.
        """
        seconds = self._faults.take_seconds("cos.PutObject", "race")
        if seconds is None:
            return False
        self._store.check_absent(bucket, key)
        self._clock.wait_real(seconds)
        return True

    def _publish(self, call: Call, stored: StoredObject, region: str, event: str) -> None:
        meta = {
            name: value
            for name, value in stored.headers.items()
            if name == "Content-Type" or name.startswith("x-cos-meta-")
        }
        self._events.publish(
            ObjectCreated(
                bucket=call.target.bucket,
                region=region,
                app_id=self._account.app_id,
                key=stored.key,
                size=stored.size,
                event=f"cos:ObjectCreated:{event}",
                request_id=call.request_id,
                meta=meta,
                time=stored.modified,
                source_ip=call.request.source_ip,
            )
        )
