"""Creates objects for every operation: content, index entry and event."""

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

_PUT_EVENTS = frozenset({"Put", "Copy"})  # both are the operation PutObject
MAX_KEY = 850  # bytes; https://cloud.tencent.com/document/product/436/13324


class Writer:
    """Writes objects for every operation that creates one."""

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
        """Write the object that a call names, and publish the event of its creation.

        Args:
            call: The call; its bucket must exist.
            content: The object's bytes.
            attributes: Its headers, access list and tags.
            event: `Put`, `Post`, `Copy` or `CompleteMultipartUpload`.
            etag: The ETag of an object that was joined from parts; empty for the content's MD5.

        Raises:
            CosError: There is no such bucket, or the key exists and the call forbids overwriting.
        """
        bucket, key = self._store.bucket(call.target.bucket), call.target.key
        if len(key.encode()) > MAX_KEY:
            raise CosError("InvalidURI", f"The key is longer than {MAX_KEY} bytes.")
        unless_exists = call.forbids_overwrite and not bucket.is_versioned
        is_race = unless_exists and event in _PUT_EVENTS and self._raced(bucket, key)
        stored = describe(key, content, self._clock.now(), attributes.headers)
        stored = replace(stored, etag=etag or stored.etag, acl=attributes.acl, tags=attributes.tags)
        self._store.put(bucket, stored, content, unless_exists=unless_exists and not is_race)
        self._announce(call, stored, bucket.region, event)
        return stored

    def _raced(self, bucket: Bucket, key: str) -> bool:
        """Look at the key, then wait, where a `race` fault says so; return whether one did.

        The write that follows must not look again, so that concurrent creators all succeed.
        """
        seconds = self._faults.take_seconds("cos.PutObject", "race")
        if seconds is None:
            return False
        self._store.check_absent(bucket, key)
        self._clock.wait_real(seconds)
        return True

    def _announce(self, call: Call, stored: StoredObject, region: str, event: str) -> None:
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
