"""Operations on multipart uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.cos import xml
from localcloud.cos.attributes import attributes_of
from localcloud.cos.calls import Call, byte_range, object_url, operation, url_encoded, xml_time
from localcloud.cos.multipart import UploadName
from localcloud.cos.objects import XML, checksums, read_source
from localcloud.server import Response

if TYPE_CHECKING:
    from localcloud.core import Clock
    from localcloud.cos.multipart import Part, Uploads
    from localcloud.cos.routing import Operations
    from localcloud.cos.store import Bucket, Store
    from localcloud.cos.writer import Writer

MAX_LISTED = 1000


class MultipartOperations:
    """The operations on multipart uploads, by method and sub-resource."""

    def __init__(
        self, store: Store, writer: Writer, uploads: Uploads, owner: dict[str, str], clock: Clock
    ) -> None:
        self._store = store
        self._writer = writer
        self._uploads = uploads
        self._owner = owner
        self._clock = clock
        self.on_bucket: Operations = {
            ("GET", "uploads"): operation(
                "ListMultipartUploads",
                self._list_uploads,
                "prefix delimiter encoding-type key-marker upload-id-marker max-uploads",
            ),
        }
        self.on_object: Operations = {
            ("POST", "uploads"): operation("InitiateMultipartUpload", self._initiate),
            ("PUT", "uploadId"): operation("UploadPart", self._put_part, "partNumber"),
            ("GET", "uploadId"): operation(
                "ListParts", self._list_parts, "encoding-type max-parts part-number-marker"
            ),
            ("POST", "uploadId"): operation("CompleteMultipartUpload", self._complete),
            ("DELETE", "uploadId"): operation("AbortMultipartUpload", self._abort),
        }

    def _bucket(self, call: Call) -> Bucket:
        return self._store.bucket(call.target.bucket)

    def _initiate(self, call: Call) -> Response:
        bucket, key = self._bucket(call).name, call.target.key
        name = self._uploads.begin(bucket, key, attributes_of(call), self._clock.now())
        content = {"Bucket": bucket, "Key": key, "UploadId": name.upload_id}
        return Response(body=xml.document("InitiateMultipartUploadResult", content), headers=XML)

    def _put_part(self, call: Call) -> Response:
        if call.header("copy-source"):
            return self._copy_part(call)
        part = self._add(call, call.checked_body())
        return Response(headers=_part_checksums(part))

    def _copy_part(self, call: Call) -> Response:
        _, content = read_source(self._store, call)
        span = byte_range(call.header("copy-source-range"), len(content))
        if span is not None:
            content = content[span[0] : span[1] + 1]
        part = self._add(call, content)
        result = {"ETag": f'"{part.etag}"', "LastModified": xml_time(part.modified)}
        body = xml.document("CopyPartResult", result)
        return Response(body=body, headers={**XML, **_part_checksums(part)})

    def _add(self, call: Call, content: bytes) -> Part:
        number = call.number("partNumber", 0)
        return self._uploads.add(_name(call), number, content, self._clock.now())

    def _list_parts(self, call: Call) -> Response:
        after = call.number("part-number-marker", 0)
        limit = min(call.number("max-parts", MAX_LISTED), MAX_LISTED)
        parts = [item for item in self._uploads.parts(_name(call)) if item[0] > after]
        page, is_truncated = parts[:limit], len(parts) > limit
        content = {
            "Bucket": call.target.bucket,
            "Key": _encoded(call, call.target.key),
            "UploadId": call.param("uploadId"),
            "Initiator": self._owner,
            "Owner": self._owner,
            "StorageClass": "STANDARD",
            "PartNumberMarker": after,
            **({"NextPartNumberMarker": page[-1][0]} if is_truncated and page else {}),
            "MaxParts": limit,
            "IsTruncated": is_truncated,
            "Part": [_part_elements(number, part) for number, part in page],
        }
        return Response(body=xml.document("ListPartsResult", content), headers=XML)

    def _complete(self, call: Call) -> Response:
        bucket, name = self._bucket(call), _name(call)
        numbered_etags = [
            (int(part.findtext("PartNumber", "0")), part.findtext("ETag", "").strip('"'))
            for part in xml.parse(call.checked_body()).iterfind("Part")
        ]
        assembled = self._uploads.assemble(name, numbered_etags)
        stored = self._writer.write(
            call,
            assembled.content,
            assembled.attributes,
            event="CompleteMultipartUpload",
            etag=assembled.etag,
        )
        self._uploads.abort(name)
        content = {
            "Location": object_url(bucket, stored),
            "Bucket": bucket.name,
            "Key": stored.key,
            **checksums(stored),
        }
        body = xml.document("CompleteMultipartUploadResult", content)
        return Response(body=body, headers={**XML, **checksums(stored)})

    def _abort(self, call: Call) -> Response:
        self._uploads.abort(_name(call))
        return Response(204)

    def _list_uploads(self, call: Call) -> Response:
        prefix, delimiter = call.param("prefix"), call.param("delimiter")
        key_marker, id_marker = call.param("key-marker"), call.param("upload-id-marker")
        limit = min(call.number("max-uploads", MAX_LISTED), MAX_LISTED)
        page = self._uploads.listing(
            self._bucket(call).name, prefix, delimiter, (key_marker, id_marker), limit
        )
        next_marker = {
            "NextKeyMarker": _encoded(call, page.next_marker[0]),
            "NextUploadIdMarker": page.next_marker[1],
        }
        content = {
            "Bucket": call.target.bucket,
            **({"EncodingType": "url"} if call.param("encoding-type") == "url" else {}),
            "Prefix": _encoded(call, prefix),
            "Delimiter": _encoded(call, delimiter),
            "KeyMarker": _encoded(call, key_marker),
            "UploadIdMarker": id_marker,
            **(next_marker if page.is_truncated else {}),
            "MaxUploads": limit,
            "IsTruncated": page.is_truncated,
            "Upload": [
                self._upload_elements(call, name, initiated) for name, initiated in page.uploads
            ],
            "CommonPrefixes": [{"Prefix": _encoded(call, group)} for group in page.groups],
        }
        return Response(body=xml.document("ListMultipartUploadsResult", content), headers=XML)

    def _upload_elements(self, call: Call, name: UploadName, initiated: float) -> dict[str, object]:
        return {
            "Key": _encoded(call, name.key),
            "UploadId": name.upload_id,
            "Initiator": self._owner,
            "Owner": self._owner,
            "StorageClass": "STANDARD",
            "Initiated": xml_time(initiated),
        }


def _name(call: Call) -> UploadName:
    return UploadName(call.target.bucket, call.target.key, call.param("uploadId"))


def _encoded(call: Call, text: str) -> str:
    return url_encoded(text, encode=call.param("encoding-type") == "url")


def _part_checksums(part: Part) -> dict[str, str]:
    return {"ETag": f'"{part.etag}"', "x-cos-hash-crc64ecma": str(part.crc64)}


def _part_elements(number: int, part: Part) -> dict[str, object]:
    return {
        "PartNumber": number,
        "LastModified": xml_time(part.modified),
        "ETag": f'"{part.etag}"',
        "Size": len(part.content),
    }
