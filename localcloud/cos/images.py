"""Image processing when an object is read: the part of `imageMogr2` that this project uses.

`imageMogr2/thumbnail/<width>x<height>>/format/webp/quality/<1 to 100>/ignore-error/1`,
in any order.
Limits: https://www.tencentcloud.com/document/product/436/36366. That an image beyond them is
refused with 400: https://cloud.tencent.com/developer/article/1751091. The codes of such refusals
are not documented.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from localcloud.cos.errors import CosError

OPERATION = "imageMogr2"

MAX_BYTES = 32 * 1024 * 1024
MAX_SIDE = 30_000
MAX_PIXELS = 250_000_000
MAX_RESULT_SIDE = 9_999
FORMATS = ("JPEG", "BMP", "GIF", "PNG", "WEBP")

_THUMBNAIL = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})>")
_QUALITY = re.compile(r"[1-9][0-9]?|100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """What is to be done to an image."""

    width: int
    """Most pixels of the result's width; a smaller image keeps its size."""
    height: int
    quality: int
    ignores_limits: bool
    """Whether an image beyond the limits is sent as it is."""

    @classmethod
    def parse(cls, text: str) -> Processing:
        """Read the name of the parameter that asks for processing.

        Raises:
            CosError: It asks for something that the local cloud does not do.
        """
        name, *parts = text.split("/")
        values = dict(zip(parts[::2], parts[1::2], strict=False))
        size = _THUMBNAIL.fullmatch(values.get("thumbnail", ""))
        is_known = (
            name == OPERATION
            and len(parts) == 2 * len(values)
            and values.keys() <= {"thumbnail", "format", "quality", "ignore-error"}
            and values.get("format") == "webp"
            and values.get("ignore-error", "1") == "1"
            and _QUALITY.fullmatch(values.get("quality", "75")) is not None
        )
        if size is None or not is_known:
            message = f"The local cloud has no operation for GET with ?{text} here."
            raise CosError("MethodNotAllowed", message)
        return cls(
            width=int(size[1]),
            height=int(size[2]),
            quality=int(values.get("quality", "75")),
            ignores_limits="ignore-error" in values,
        )

    def apply(self, content: bytes) -> bytes | None:
        """Process an image; None if it is sent as it is.

        Raises:
            CosError: It is no image, or beyond the limits.
        """
        if self._is_beyond(content):
            if self.ignores_limits:
                return None
            raise CosError("InvalidArgument", "The image is beyond the limits of processing.")
        with _opened(content) as image:
            turned = ImageOps.exif_transpose(image)
            turned.thumbnail((self.width, self.height), Image.Resampling.BICUBIC)
            result = io.BytesIO()
            mode = "RGBA" if turned.has_transparency_data else "RGB"
            turned.convert(mode).save(result, "WEBP", quality=self.quality)
            return result.getvalue()

    def _is_beyond(self, content: bytes) -> bool:
        if len(content) > MAX_BYTES or max(self.width, self.height) > MAX_RESULT_SIDE:
            return True
        with _opened(content) as image:
            frames: int = getattr(image, "n_frames", 1)
            pixels: int = image.width * image.height * frames
            return pixels > MAX_PIXELS or max(image.width, image.height) > MAX_SIDE


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError):
        raise CosError("InvalidArgument", "The object is not an image that can be read.") from None
