"""Checks the input images of a task, and stores those that a call sends in Base64.

A stored image is replaced in the task by its URL `cos://…`, as for an image that is already in a
bucket. So records stay small, and each kind of task accepts it. The link for the vendor is made
when the task is sent.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from aigc.errors import BadImageError, InvalidRequestError, RefusedError
from aigc.image_files import HEAD, MAX_INPUT_BYTES, check_head, inspect
from aigc.jobs.buckets import INPUTS, cos_object
from aigc.object_keys import checked_key
from aigc.tasks.fields import invalid_request
from aigc.tasks.kind import RECORDED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from aigc.jobs.ports import Peek
    from aigc.jobs.runtime import Runtime
    from aigc.tasks.kind import Task


class _InlineImage(NamedTuple):
    """An image in the body of the call."""

    key: str
    data: bytes
    content_type: str


def resolve_inputs(task: Task, runtime: Runtime, more_buckets: Collection[str] = ()) -> Task:
    """Return the task with inputs that the vendor can fetch; if one is wrong, nothing is stored.

    Args:
        task: The task as it was requested.
        runtime: The collaborators.
        more_buckets: Buckets that are allowed in addition to those of the settings.

    Raises:
        InvalidRequestError: An input is not an image, or callers may not name its bucket.
        CloudError: An input could not be read or stored; a retry may succeed.
    """
    parameters = task.model_dump(mode="json", exclude_none=True)
    inline_images: list[_InlineImage] = []
    rewritten = _with_links(parameters, "", runtime.results_url, inline_images)
    for field, url in _urls(parameters):
        _check_location(field, url, runtime, {*runtime.settings.input_buckets, *more_buckets})
    for image in inline_images:
        # An existing object is written again, so that the lifecycle rule keeps it longer.
        runtime.buckets.results.put(image.key, image.data, image.content_type)
    return type(task).model_validate(rewritten, context=RECORDED) if inline_images else task


def without_secrets(value: Any) -> Any:  # noqa: ANN401  JSON
    """Return parameters without images in Base64, and without the signatures of links."""
    if isinstance(value, dict):
        return {
            name: inner.partition("?")[0]
            if name.endswith("url") and isinstance(inner, str)
            else without_secrets(inner)
            for name, inner in value.items()
            if name != "base64"
        }
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


def _with_links(
    value: Any,  # noqa: ANN401  JSON
    path: str,
    url_of: Callable[[str], str],
    images: list[_InlineImage],
) -> Any:  # noqa: ANN401  JSON
    """Return parameters with a URL for each image in Base64; add these images to `images`."""
    if isinstance(value, list):
        return [_with_links(item, f"{path}.{n}", url_of, images) for n, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    inner = {
        name: _with_links(item, f"{path}.{name}" if path else name, url_of, images)
        for name, item in value.items()
    }
    encoded = inner.pop("base64", None)
    if encoded is not None:
        image = _decoded(encoded, f"{path}.base64")
        images.append(image)
        inner |= _link(inner, url_of(image.key))
    return inner


def _link(parameters: dict[str, Any], url: str) -> dict[str, str]:
    """Return the fields of an input with a URL: VOD's inputs have a type, those of MPS do not."""
    return {"type": "Url", "url": url} if "type" in parameters else {"image_url": url}


def _decoded(encoded: str, field: str) -> _InlineImage:
    data = base64.b64decode(encoded)
    try:
        info = inspect(data)
    except BadImageError as error:
        raise _not_an_image(field, str(error)) from None
    name = f"{hashlib.sha256(data).hexdigest()[:40]}.{info.extension}"
    return _InlineImage(f"{INPUTS}{name}", data, info.content_type)


def _urls(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and value of all parameters that are URLs, also of nested ones."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _urls(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _urls(inner, f"{path}.{number}")
    elif path.endswith("url"):
        yield path, str(value)


def _check_location(field: str, url: str, runtime: Runtime, buckets: Collection[str]) -> None:
    """Refuse an object that callers may not name, or that is missing or not an image."""
    if not url.lower().startswith("cos:"):
        return
    bucket, key = cos_object(url)
    settings = runtime.settings
    is_upload = bucket == settings.results_bucket and key.startswith(
        settings.results_prefix + INPUTS
    )
    if not key or not (is_upload or bucket in buckets):
        locations = "".join(f", cos://{name}/…" for name in sorted(buckets))
        problem = f"{url[:200]!r} is not in a bucket or folder that callers may name"
        allowed = f"https://…, http://…, the url of an answer to POST /v1/uploads{locations}"
        raise invalid_request(field, problem, allowed=allowed)
    try:
        checked_key(key)
    except ValueError as error:
        raise InvalidRequestError(f"{field}: the key {error}", field=field) from None
    _check_object(field, _peeked(field, bucket, key, runtime))


def _peeked(field: str, bucket: str, key: str, runtime: Runtime) -> Peek:
    try:
        peek = runtime.buckets.inputs[bucket].peek(key, HEAD)
    except RefusedError as error:
        raise InvalidRequestError(
            f"{field}: cos://{bucket}/{key} cannot be read: {error.code}", field=field
        ) from error
    if peek is None:
        raise InvalidRequestError(f"{field}: cos://{bucket}/{key} is not there", field=field)
    return peek


def _check_object(field: str, peek: Peek) -> None:
    if peek.size > MAX_INPUT_BYTES:
        raise _not_an_image(field, f"it has {peek.size} bytes")
    try:
        check_head(peek.head)
    except BadImageError as error:
        raise _not_an_image(field, str(error)) from None


def _not_an_image(field: str, problem: str) -> InvalidRequestError:
    allowed = f"a JPEG, PNG or WebP of at most {MAX_INPUT_BYTES} bytes"
    return invalid_request(field, problem, allowed=allowed)
