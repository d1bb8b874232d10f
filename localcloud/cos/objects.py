"""Operations on whole objects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from localcloud.cos import acl, images, tagging, xml
from localcloud.cos.attributes import Attributes, attributes_of
from localcloud.cos.calls import Call, byte_range, http_time, operation, xml_time
from localcloud.server import Response

if TYPE_CHECKING:
    from localcloud.cos.routing import Operations
    from localcloud.cos.store import Bucket, Store, StoredObject
    from localcloud.cos.writer import Writer

_OVERRIDES = re.compile(r"response-(cache-control|content-[a-z]+|expires)")
XML = {"Content-Type": "application/xml"}


class ObjectOperations:
    """The operations on objects; `operations` maps method and sub-resource to them."""

    def __init__(self, store: Store, writer: Writer, owner: dict[str, str]) -> None:
        self._store = store
        self._writer = writer
        self._owner = owner
        self.operations: Operations = {
            ("PUT", ""): operation("PutObject", self._put),
            ("GET", ""): operation("GetObject", self._get),
            ("GET", images.OPERATION): operation("GetObject", self._get_processed),
            ("HEAD", ""): operation("HeadObject", self._head),
            ("DELETE", ""): operation("DeleteObject", self._delete),
            ("PUT", "acl"): operation("PutObjectACL", self._put_acl),
            ("GET", "acl"): operation("GetObjectACL", self._get_acl),
            ("PUT", "tagging"): operation("PutObjectTagging", self._put_tagging),
            ("GET", "tagging"): operation("GetObjectTagging", self._get_tagging),
            ("DELETE", "tagging"): operation("DeleteObjectTagging", self._delete_tagging),
        }

    def _bucket(self, call: Call) -> Bucket:
        return self._store.bucket(call.target.bucket)

    def _find(self, call: Call) -> StoredObject:
        return self._store.find(self._bucket(call), call.target.key)

    # Contents

    def _put(self, call: Call) -> Response:
        if call.header("copy-source"):
            return self._copy(call)
        stored = self._writer.write(call, call.checked_body(), attributes_of(call), event="Put")
        return Response(headers=checksums(stored))

    def _copy(self, call: Call) -> Response:
        source, content = read_source(self._store, call)
        requested = attributes_of(call)
        attributes = Attributes(
            headers=requested.headers if _replaces(call, "metadata") else source.headers,
            acl=requested.acl,
            tags=requested.tags if _replaces(call, "tagging") else source.tags,
        )
        stored = self._writer.write(call, content, attributes, event="Copy")
        result = {
            "ETag": f'"{stored.etag}"',
            "CRC64": stored.crc64,
            "LastModified": xml_time(stored.modified),
        }
        body = xml.document("CopyObjectResult", result)
        return Response(body=body, headers={**XML, **checksums(stored)})

    def _get(self, call: Call) -> Response:
        stored, content = self._store.read(self._bucket(call), call.target.key)
        overrides = {
            name.removeprefix("response-").title(): value
            for name, value in call.request.params.items()
            if _OVERRIDES.fullmatch(name)
        }
        headers = {**_headers(stored), **overrides}
        span = byte_range(call.request.headers.get("range", ""), len(content))
        if span is None:
            return Response(200, content, headers)
        first, last = span
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return Response(206, content[first : last + 1], headers)

    def _get_processed(self, call: Call) -> Response:
        """Return the processed image, or the object itself if it exceeds the limits."""
        [processing_param] = [
            name for name in call.request.params if name.startswith(images.OPERATION)
        ]
        processing = images.Processing.parse(processing_param)
        stored, content = self._store.read(self._bucket(call), call.target.key)
        processed = processing.apply(content)
        if processed is None:
            return Response(200, content, _headers(stored))
        modified = {"Last-Modified": http_time(stored.modified)}
        return Response(200, processed, {"Content-Type": "image/webp", **modified})

    def _head(self, call: Call) -> Response:
        stored = self._find(call)
        return Response(200, b"", {**_headers(stored), "Content-Length": str(stored.size)})

    def _delete(self, call: Call) -> Response:
        self._store.delete(self._bucket(call), call.target.key)
        return Response(204)

    # ACLs and tags

    def _put_acl(self, call: Call) -> Response:
        acl_name = acl.from_request(call, acl.OBJECT_ACLS, self._owner)
        self._store.update(self._bucket(call), call.target.key, acl=acl_name)
        return Response()

    def _get_acl(self, call: Call) -> Response:
        return acl.document(self._find(call).acl, self._owner)

    def _put_tagging(self, call: Call) -> Response:
        self._store.update(self._bucket(call), call.target.key, tags=tagging.from_body(call))
        return Response()

    def _get_tagging(self, call: Call) -> Response:
        return tagging.document(self._find(call).tags)

    def _delete_tagging(self, call: Call) -> Response:
        self._store.update(self._bucket(call), call.target.key, tags={})
        return Response(204)


def read_source(store: Store, call: Call) -> tuple[StoredObject, bytes]:
    """Read the object that `x-cos-copy-source` names.

    Raises:
        CosError: The bucket or the object does not exist.
    """
    host, _, key = call.header("copy-source").lstrip("/").partition("/")
    return store.read(store.bucket(host.partition(".cos")[0]), unquote(key))


def checksums(stored: StoredObject) -> dict[str, str]:
    """Return the headers by which a client checks the stored content."""
    crc64 = {} if stored.crc64 is None else {"x-cos-hash-crc64ecma": str(stored.crc64)}
    return {"ETag": f'"{stored.etag}"', **crc64}


def _headers(stored: StoredObject) -> dict[str, str]:
    return {
        **stored.headers,
        **checksums(stored),
        "Last-Modified": http_time(stored.modified),
        "Accept-Ranges": "bytes",
        "x-cos-acl": stored.acl,
        **({"x-cos-tagging-count": str(len(stored.tags))} if stored.tags else {}),
    }


def _replaces(call: Call, attribute: str) -> bool:
    return call.header(f"{attribute}-directive").lower().startswith("replace")
