"""Image processing when an object is read: the part of `imageMogr2` that this project uses.

`imageMogr2/thumbnail/<width>x<height>>/format/webp/quality/<1 to 100>/ignore-error/1`,
in any order.
Limits: https://www.tencentcloud.com/document/product/436/36366. An image that exceeds them is
refused with 400: https://cloud.tencent.com/developer/article/1751091. The error codes are not
documented.
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
    """The parameters of image processing."""

    width: int
    """The largest width of the result in pixels; a smaller image keeps its size."""
    height: int
    """The largest height of the result in pixels."""
    quality: int
    ignores_limits: bool
    """Whether an image that exceeds the limits is sent unchanged, and is no error."""

    @classmethod
    def parse(cls, text: str) -> Processing:
        """Parse the query parameter of a request for processing.

        Raises:
            CosError: The local cloud does not support this processing.
        """
        name, *parts = text.split("/")
        values = dict(zip(parts[::2], parts[1::2], strict=False))
        size = _THUMBNAIL.fullmatch(values.get("thumbnail", ""))
        is_supported = (
            name == OPERATION
            and len(parts) == 2 * len(values)
            and values.keys() <= {"thumbnail", "format", "quality", "ignore-error"}
            and values.get("format") == "webp"
            and values.get("ignore-error", "1") == "1"
            and _QUALITY.fullmatch(values.get("quality", "75")) is not None
        )
        if size is None or not is_supported:
            message = f"The local cloud has no operation for GET with ?{text} here."
            raise CosError("MethodNotAllowed", message)
        return cls(
            width=int(size[1]),
            height=int(size[2]),
            quality=int(values.get("quality", "75")),
            ignores_limits="ignore-error" in values,
        )

    def apply(self, content: bytes) -> bytes | None:
        """Process an image; return None if it is to be sent unchanged.

        Raises:
            CosError: The content is not an image, or it exceeds the limits.
        """
        if self._exceeds_limits(content):
            if self.ignores_limits:
                return None
            raise CosError("InvalidArgument", "The image exceeds the limits of processing.")
        with _open(content) as image:
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((self.width, self.height), Image.Resampling.BICUBIC)
            result = io.BytesIO()
            mode = "RGBA" if upright.has_transparency_data else "RGB"
            upright.convert(mode).save(result, "WEBP", quality=self.quality)
            return result.getvalue()

    def _exceeds_limits(self, content: bytes) -> bool:
        if len(content) > MAX_BYTES or max(self.width, self.height) > MAX_RESULT_SIDE:
            return True
        with _open(content) as image:
            frames: int = getattr(image, "n_frames", 1)
            pixels: int = image.width * image.height * frames
            return pixels > MAX_PIXELS or max(image.width, image.height) > MAX_SIDE


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError):
        raise CosError("InvalidArgument", "The object is not an image that can be read.") from None
