"""Operations on objects, the parts of large ones included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from localcloud.cos import xml
from localcloud.cos.buckets import acl_document
from localcloud.cos.calls import Call, Operation, http_time, url_of, xml_time
from localcloud.cos.errors import CosError
from localcloud.server import Response

if TYPE_CHECKING:
    from localcloud.core import Account
    from localcloud.cos.multipart import Uploads
    from localcloud.cos.store import Bucket, Store, StoredObject
    from localcloud.cos.writer import Writer

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_OVERRIDES = re.compile(r"response-(cache-control|content-[a-z]+|expires)")
_XML = {"Content-Type": "application/xml"}


class ObjectOperations:
    """What can be done with an object; `operations` names each by method and sub-resource."""

    def __init__(self, store: Store, writer: Writer, uploads: Uploads, account: Account) -> None:
        self._store = store
        self._writer = writer
        self._uploads = uploads
        self._account = account
        self.operations = {
            ("PUT", ""): Operation("PutObject", self._put),
            ("GET", ""): Operation("GetObject", self._get),
            ("HEAD", ""): Operation("HeadObject", self._head),
            ("DELETE", ""): Operation("DeleteObject", self._delete),
            ("GET", "acl"): Operation("GetObjectACL", self._get_acl),
            ("GET", "tagging"): Operation("GetObjectTagging", self._get_tagging),
            ("POST", "uploads"): Operation("InitiateMultipartUpload", self._initiate),
            ("PUT", "uploadId"): Operation("UploadPart", self._put_part),
            ("GET", "uploadId"): Operation("ListParts", self._list_parts),
            ("POST", "uploadId"): Operation("CompleteMultipartUpload", self._complete),
            ("DELETE", "uploadId"): Operation("AbortMultipartUpload", self._abort),
        }

    def _bucket(self, call: Call) -> Bucket:
        return self._store.bucket(call.target.bucket)

    # Whole objects

    def _put(self, call: Call) -> Response:
        if call.header("copy-source"):
            return self._copy(call)
        stored = self._writer.write(call, call.checked_body(), call.object_headers(), event="Put")
        return Response(headers={"ETag": f'"{stored.etag}"'})

    def _copy(self, call: Call) -> Response:
        source, content = self._source(call)
        replaces = call.header("metadata-directive").lower().startswith("replace")
        headers = call.object_headers() if replaces else source.headers
        stored = self._writer.write(call, content, headers, event="Copy")
        return _described("CopyObjectResult", stored)

    def _source(self, call: Call) -> tuple[StoredObject, bytes]:
        host, _, key = call.header("copy-source").lstrip("/").partition("/")
        return self._store.read(self._store.bucket(host.partition(".cos")[0]), unquote(key))

    def _get(self, call: Call) -> Response:
        stored, content = self._store.read(self._bucket(call), call.target.key)
        overrides = {
            name.removeprefix("response-").title(): value
            for name, value in call.request.params.items()
            if _OVERRIDES.fullmatch(name)
        }
        headers = {**_headers(stored), **overrides}
        wanted = _RANGE.fullmatch(call.request.headers.get("range", ""))
        if wanted is None or wanted[0] == "bytes=-":
            return Response(200, content, headers)
        first, last = _span(wanted, len(content))
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return Response(206, content[first : last + 1], headers)

    def _head(self, call: Call) -> Response:
        stored = self._store.find(self._bucket(call), call.target.key)
        return Response(200, b"", {**_headers(stored), "Content-Length": str(stored.size)})

    def _delete(self, call: Call) -> Response:
        self._store.delete(self._bucket(call), call.target.key)
        return Response(204)

    def _get_acl(self, call: Call) -> Response:
        stored = self._store.find(self._bucket(call), call.target.key)
        uin = self._account.uin
        return acl_document(stored.acl, {"ID": f"qcs::cam::uin/{uin}:uin/{uin}"})

    def _get_tagging(self, call: Call) -> Response:
        self._store.find(self._bucket(call), call.target.key)
        return Response(body=xml.document("Tagging", {"TagSet": {}}), headers=_XML)

    # In parts

    def _initiate(self, call: Call) -> Response:
        bucket = self._bucket(call)
        upload = self._uploads.begin(bucket.name, call.target.key, call.object_headers())
        content = {"Bucket": bucket.name, "Key": call.target.key, "UploadId": upload}
        return Response(body=xml.document("InitiateMultipartUploadResult", content), headers=_XML)

    def _put_part(self, call: Call) -> Response:
        number = call.number("partNumber", 0)
        if not call.header("copy-source"):
            etag = self._uploads.add(call.param("uploadId"), number, call.checked_body())
            return Response(headers={"ETag": f'"{etag}"'})
        source, content = self._source(call)
        wanted = _RANGE.fullmatch(call.header("copy-source-range"))
        if wanted is not None:
            first, last = _span(wanted, len(content))
            content = content[first : last + 1]
        etag = self._uploads.add(call.param("uploadId"), number, content)
        answer = {"ETag": f'"{etag}"', "LastModified": xml_time(source.modified)}
        return Response(body=xml.document("CopyPartResult", answer), headers=_XML)

    def _list_parts(self, call: Call) -> Response:
        parts = [
            {"PartNumber": number, "ETag": f'"{part.etag}"', "Size": len(part.content)}
            for number, part in self._uploads.parts(call.param("uploadId"))
        ]
        content = {
            "Bucket": call.target.bucket,
            "Key": call.target.key,
            "UploadId": call.param("uploadId"),
            "IsTruncated": False,
            "Part": parts,
        }
        return Response(body=xml.document("ListPartsResult", content), headers=_XML)

    def _complete(self, call: Call) -> Response:
        bucket, upload = self._bucket(call), call.param("uploadId")
        asked = [
            (int(part.findtext("PartNumber", "0")), part.findtext("ETag", "").strip('"'))
            for part in xml.parse(call.checked_body()).iterfind("Part")
        ]
        whole = self._uploads.assemble(upload, asked)
        stored = self._writer.write(
            call, whole.content, whole.headers, event="CompleteMultipartUpload", etag=whole.etag
        )
        self._uploads.abort(upload)
        content = {
            "Location": url_of(bucket, stored),
            "Bucket": bucket.name,
            "Key": stored.key,
            "ETag": f'"{stored.etag}"',
        }
        return Response(body=xml.document("CompleteMultipartUploadResult", content), headers=_XML)

    def _abort(self, call: Call) -> Response:
        self._uploads.abort(call.param("uploadId"))
        return Response(204)


def _headers(stored: StoredObject) -> dict[str, str]:
    return {
        **stored.headers,
        "ETag": f'"{stored.etag}"',
        "Last-Modified": http_time(stored.modified),
        "Accept-Ranges": "bytes",
        "x-cos-acl": stored.acl,
    }


def _described(root: str, stored: StoredObject) -> Response:
    content = {"ETag": f'"{stored.etag}"', "LastModified": xml_time(stored.modified)}
    return Response(body=xml.document(root, content), headers=_XML)


def _span(wanted: re.Match[str], size: int) -> tuple[int, int]:
    """Turn `bytes=2-5`, `bytes=2-`, `bytes=-3` into the first and the last byte.

    Raises:
        CosError: The range begins behind the end.
    """
    begin, end = wanted[1], wanted[2]
    first = int(begin) if begin else max(0, size - int(end or 0))
    last = min(int(end), size - 1) if begin and end else size - 1
    if first > last:
        raise CosError("InvalidRange", f"The requested range is outside of {size} bytes.")
    return first, last
