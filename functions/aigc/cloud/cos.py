"""A COS bucket as an `ObjectStore`, through the official SDK."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
from qcloud_cos import CosClientError, CosConfig, CosS3Client, CosServiceError
from urllib3.exceptions import HTTPError

from aigc.cloud.credentials import role_credentials
from aigc.errors import AmbiguousError, CloudError, RefusedError, ThrottledError
from aigc.jobs.ports import Listed, Peek

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from aigc.jobs.clock import LedgerClock

REQUEST_TIMEOUT_S = 10
RETRIES = 2
"""Repeats by the SDK after a 5xx answer or none, if the request may be carried out twice."""

SLOW_DOWN_RETRIES = 3
"""Repeats of a write that COS refused for lack of capacity, so that nothing was written."""

# The SDK logs each 404 and 409 with its whole body. Here these are answers, not errors.
logging.getLogger("qcloud_cos").setLevel(logging.CRITICAL)


class CosBucket:
    """One bucket. Requests are signed with the present key of the execution role by default."""

    def __init__(  # noqa: PLR0913  keyword arguments
        self,
        bucket: str,
        *,
        region: str,
        protocol: str,
        public_url: str = "",
        credentials: Callable[[], tuple[str, str, str | None]] = role_credentials,
        proxies: Mapping[str, str] | None = None,
        clock: LedgerClock | None = None,
    ) -> None:
        self._bucket = bucket
        self._credentials = credentials
        self._proxies = proxies
        self._clock = clock
        self._region = region
        self._protocol = protocol
        self._public = urlsplit(public_url)

    def create(self, key: str, body: bytes) -> bool:
        """Write an object unless its key exists, then return False. The SDK does not retry."""
        client = self._client(retries=0)
        try:
            with cos_errors(f"create {key}"):
                _retry_if_slowed_down(
                    lambda: client.put_object(
                        Bucket=self._bucket,
                        Key=key,
                        Body=body,
                        ContentType="application/json",
                        Metadata={"x-cos-forbid-overwrite": "true"},
                    )
                )
        except RefusedError as error:
            if error.code != "FileAlreadyExists":
                raise
            return False
        return True

    def put(self, key: str, body: bytes, content_type: str = "application/json") -> None:
        """Write an object; an existing one is replaced. The SDK does not retry."""
        client = self._client(retries=0)
        with cos_errors(f"put {key}"):
            _retry_if_slowed_down(
                lambda: client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType=content_type
                )
            )

    def get(self, key: str) -> bytes | None:
        """Return the content of an object; None if it does not exist."""
        with _none_if_absent(), cos_errors(f"get {key}"):
            answer = self._client().get_object(Bucket=self._bucket, Key=key)
            data: bytes = answer["Body"].get_raw_stream().read()
            return data
        return None

    def peek(self, key: str, size: int, begin: int = 0) -> Peek | None:
        """Return some bytes of an object and its headers, by one request; None if it is missing."""
        client = self._client()
        try:
            with _none_if_absent(), cos_errors(f"get {key}"):
                answer = client.get_object(
                    Bucket=self._bucket, Key=key, Range=f"bytes={begin}-{begin + size - 1}"
                )
                total = answer["Content-Range"].rpartition("/")[2]
                return _peek(answer.pop("Body").get_raw_stream().read(), int(total), answer)
        except RefusedError as error:
            if error.code != "InvalidRange":  # the code for an empty object
                raise
            headers = self.metadata(key)
            return None if headers is None else _peek(b"", 0, headers)
        return None

    def metadata(self, key: str) -> dict[str, str] | None:
        """Return an object's headers, names in lower case; None if it does not exist."""
        with _none_if_absent(), cos_errors(f"head {key}"):
            answer = self._client().head_object(Bucket=self._bucket, Key=key)
            return {name.lower(): value for name, value in answer.items()}
        return None

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> Sequence[Listed]:
        """List at most 1000 objects in the order of their keys, beginning after the key `after`."""
        with cos_errors(f"list {prefix}"):
            answer = self._client().list_objects(
                Bucket=self._bucket, Prefix=prefix, Marker=after, MaxKeys=limit
            )
        return [
            Listed(
                entry["Key"],
                _parse_time(entry["LastModified"]),
                etag=str(entry["ETag"]).strip('"'),
                size=int(entry["Size"]),
            )
            for entry in answer.get("Contents", [])
        ]

    def delete(self, *keys: str) -> None:
        """Remove objects; keys that do not exist are no error."""
        if not keys:
            return
        with cos_errors(f"delete {len(keys)} objects"):
            if len(keys) == 1:
                self._client().delete_object(Bucket=self._bucket, Key=keys[0])
                return
            objects = [{"Key": key} for key in keys]
            answer = self._client().delete_objects(
                Bucket=self._bucket, Delete={"Quiet": "true", "Object": objects}
            )
        if answer.get("Error"):
            raise AmbiguousError("delete objects", vendor_message=str(answer["Error"])[:500])

    def delete_once(self, key: str) -> None:
        """Remove an object whose key may be written again at once. The SDK does not retry."""
        client = self._client(retries=0)
        with cos_errors(f"delete {key}"):
            _retry_if_slowed_down(lambda: client.delete_object(Bucket=self._bucket, Key=key))

    def presigned_url(self, key: str, expires_s: int, process: str = "") -> str:
        """Return a URL by which anyone may read the object until it expires.

        With `process`, an operation of COS's image processing, the URL only reads the processed
        image. The operation is signed as the name of a parameter without a value
        (https://www.tencentcloud.com/document/product/436/36366).
        The URL expires with the role's key that signs it, even if `expires_s` is longer.
        """
        return self._presigned("GET", key, expires_s, {}, {process: ""} if process else {})

    def presigned_upload(self, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        """Return a URL to which anyone may PUT an object with these headers until it expires."""
        return self._presigned("PUT", key, expires_s, headers)

    def is_versioned(self) -> bool:
        """Whether versioning is or was enabled: COS then ignores create-if-absent."""
        with cos_errors("read the versioning"):
            answer = self._client().get_bucket_versioning(Bucket=self._bucket)
        return answer.get("Status") is not None

    def _presigned(
        self,
        method: str,
        key: str,
        expires_s: int,
        headers: Mapping[str, str],
        params: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        _, _, token = self._credentials()
        url: str = self._client(domain=self._public.netloc + self._public.path).get_presigned_url(
            Bucket=self._bucket,
            Key=key,
            Method=method,
            Expired=expires_s,
            Headers=dict(headers),
            Params={**params, **({"x-cos-security-token": token} if token else {})},
        )
        return url

    def _client(self, domain: str = "", retries: int = RETRIES) -> CosS3Client:
        if self._clock is not None:
            self._clock.ensure()
        secret_id, secret_key, token = self._credentials()
        config = CosConfig(
            Region=self._region,
            SecretId=secret_id,
            SecretKey=secret_key,
            Token=token,
            Scheme=(self._public.scheme if domain else "") or self._protocol,
            Domain=domain or None,
            Timeout=REQUEST_TIMEOUT_S,
            EnableOldDomain=True,
            Proxies=self._proxies,
        )
        return CosS3Client(config, retry=retries, session=_session(self._clock))


@functools.cache
def _session(clock: LedgerClock | None) -> requests.Session:
    """Return a session that keeps connections open and reads the environment once.

    By default `requests` reads proxies and certificates from the environment for each request,
    which takes 0.25 of the 0.85 ms of CPU that a small object needs.
    """
    session = requests.Session()
    environment = session.merge_environment_settings("https://myqcloud.com", {}, None, None, None)
    session.trust_env = False
    session.proxies = getproxies()
    session.verify = environment["verify"]
    if clock is not None:
        session.hooks["response"].append(functools.partial(_learn_time, clock))
    return session


def _learn_time(clock: LedgerClock, response: requests.Response, **_: object) -> None:
    """Pass the time of an answer to the clock; error answers have the time, too."""
    clock.learn(response.headers.get("Date", ""), response.elapsed.total_seconds())


def _retry_if_slowed_down(send: Callable[[], object]) -> None:
    """Send a request; repeat it if COS refused it for lack of capacity."""
    for repeat in range(SLOW_DOWN_RETRIES):
        try:
            send()
        except CosServiceError as error:
            if not _did_nothing(error):
                raise
            time.sleep(random.uniform(0.1, 0.4) * 2**repeat)  # noqa: S311  no secret
        else:
            return
    send()


@contextlib.contextmanager
def cos_errors(operation: str) -> Iterator[None]:
    """Convert the COS SDK's exceptions inside the block into those of `aigc.errors`."""
    try:
        yield
    except CosServiceError as error:
        raise _translated(operation, error) from error
    except (CosClientError, HTTPError, requests.RequestException) as error:
        # The last two are raised while a body is read: the SDK returns the stream of urllib3.
        raise AmbiguousError(f"cos {operation}", vendor_message=str(error)[:500]) from error


@contextlib.contextmanager
def _none_if_absent() -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        if error.code not in {"NoSuchKey", "NoSuchResource"}:
            raise


def _did_nothing(error: CosServiceError) -> bool:
    """Whether COS refused the request for lack of capacity, so that it had no effect.

    Only the code `SlowDown` proves that. Another 503 may come from a proxy after the request took
    effect. A repeated request could then undo later writes of other invocations.
    """
    if error.get_status_code() == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return str(error.get_error_code()) == "SlowDown"


def _translated(operation: str, error: CosServiceError) -> CloudError:
    status = error.get_status_code()
    error_class: type[CloudError] = RefusedError
    if _did_nothing(error):
        error_class = ThrottledError
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        error_class = AmbiguousError
    return error_class(
        f"cos {operation}",
        code=str(error.get_error_code()),
        vendor_message=str(error.get_error_msg()),
        request_id=str(error.get_request_id()),
    )


def _peek(head: bytes, size: int, answer: Mapping[str, Any]) -> Peek:
    headers = {name.lower(): str(value) for name, value in answer.items()}
    return Peek(
        head,
        size,
        etag=headers["etag"].strip('"'),
        modified=parsedate_to_datetime(headers["last-modified"]),
        headers=headers,
    )


def _parse_time(text: Any) -> datetime:  # noqa: ANN401  out of XML
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
