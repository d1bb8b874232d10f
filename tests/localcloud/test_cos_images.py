"""COS processes an image when it is read, as far as this project asks for it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from aigc.api.images import PREVIEW
from localcloud.cos import images
from tests.localcloud.clients import BUCKET, get

if TYPE_CHECKING:
    import pytest
    import requests
    from qcloud_cos import CosS3Client

    from localcloud.cloud import LocalCloud


def encoded(size: tuple[int, int], form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, form)
    return file.getvalue()


def processed(cloud: LocalCloud, store: CosS3Client, operation: str) -> requests.Response:
    return get(cloud, store.get_presigned_url(BUCKET, "a.png", "GET", Params={operation: ""}))


def test_a_preview_fits_into_its_box(cloud: LocalCloud, store: CosS3Client) -> None:
    for form in images.FORMATS:
        store.put_object(BUCKET, encoded((1600, 900), form), "a.png")

        answer = processed(cloud, store, PREVIEW)

        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp"), form
        with Image.open(io.BytesIO(answer.content)) as preview:
            assert (preview.format, preview.size) == ("WEBP", (480, 270))


def test_a_small_image_keeps_its_size(cloud: LocalCloud, store: CosS3Client) -> None:
    store.put_object(BUCKET, encoded((90, 160)), "a.png")

    answer = processed(cloud, store, PREVIEW)

    with Image.open(io.BytesIO(answer.content)) as preview:
        assert (preview.format, preview.size) == ("WEBP", (90, 160))


def test_the_operation_is_part_of_the_signature(cloud: LocalCloud, store: CosS3Client) -> None:
    store.put_object(BUCKET, encoded((1600, 900)), "a.png")
    url = store.get_presigned_url(BUCKET, "a.png", "GET", Params={PREVIEW: ""})
    begin, _, _ = url.rpartition("&")

    without = get(cloud, begin)
    larger = get(cloud, url.replace("480x480", "999x999"))

    assert [answer.status_code for answer in (without, larger)] == [403, 403]


def test_a_file_that_is_no_image_or_is_missing_is_refused(
    cloud: LocalCloud, store: CosS3Client
) -> None:
    missing = processed(cloud, store, PREVIEW)
    store.put_object(BUCKET, b"no image", "a.png")

    assert missing.status_code == 404
    assert processed(cloud, store, PREVIEW).status_code == 400


def test_an_image_beyond_the_limits_is_refused_or_sent_as_it_is(
    cloud: LocalCloud, store: CosS3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = encoded((300, 200))
    store.put_object(BUCKET, image, "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 50_000)

    assert processed(cloud, store, PREVIEW.replace("/ignore-error/1", "")).status_code == 400
    assert processed(cloud, store, PREVIEW).content == image


def test_other_operations_are_refused(cloud: LocalCloud, store: CosS3Client) -> None:
    box = "imageMogr2/thumbnail/480x480>"
    store.put_object(BUCKET, encoded((300, 200)), "a.png")

    for operation in (
        "imageMogr2",
        "imageMogr2/thumbnail/480x480/format/webp",
        "imageMogr2/thumbnail/0x480>/format/webp",
        box,
        f"{box}/format/avif",
        f"{box}/format/webp/quality/0",
        f"{box}/format/webp/quality/101",
        f"{box}/format/webp/quality",
        f"{box}/thumbnail/90x90>/format/webp",
        f"{box}/format/webp/rotate/90",
        f"{box}/format/webp/ignore-error/0",
    ):
        answer = processed(cloud, store, operation)
        assert (answer.status_code, "MethodNotAllowed" in answer.text) == (405, True), operation
