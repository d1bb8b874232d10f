"""Images for the tests of labels, with features that an encoder seldom writes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageCms

from aigc.labels.label import Producer

if TYPE_CHECKING:
    from collections.abc import Callable

PRODUCER = Producer('Example 制图 <studio> & "co"', "0123456789abcdef-1")
TRAILER = b"appended by another program\0" * 50


def noise(size: tuple[int, int] = (61, 47), mode: str = "RGB") -> Image.Image:
    """Make an image in which each changed byte would show."""
    bands = [Image.effect_noise(size, 60 + 30 * band) for band in range(len(mode))]
    return Image.merge(mode, bands) if len(bands) > 1 else bands[0]


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def decoded(data: bytes) -> list[tuple[str, tuple[int, int], bytes]]:
    """Decode all frames, with the palette of those that have one."""
    frames = []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            palette = bytes(image.getpalette() or ())
            frames.append((image.mode, image.size, image.tobytes() + palette))
    return frames


def png_chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png_with(data: bytes, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    """Put chunks in front of the first of a type."""
    at = data.index(before) - 4
    return data[:at] + b"".join(chunks) + data[at:]


def animated_png() -> bytes:
    frames = [noise() for _ in range(3)]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)


def xmp_chunk(packet: bytes, *, compressed: bool = False) -> bytes:
    text = zlib.compress(packet, 9) if compressed else packet
    return png_chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([compressed, 0]) + b"\0\0" + text)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def xmp_segment(packet: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def jpeg_with(data: bytes, *segments: bytes) -> bytes:
    """Put segments behind the first one of a JPEG."""
    end = 4 + struct.unpack_from(">H", data, 4)[0]
    return data[:end] + b"".join(segments) + data[end:]


def jumbf(label: bytes = b"c2pa") -> bytes:
    """Build the outer box of a manifest store, without a claim in it."""
    kind = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
    description = kind + b"\x03" + label + b"\0"
    inner = struct.pack(">I4s", 8 + len(description), b"jumd") + description
    return struct.pack(">I4s", 8 + len(inner), b"jumb") + inner


def c2pa_segment() -> bytes:
    return segment(0xEB, b"JP" + struct.pack(">HI", 1, 1) + jumbf())


def webp_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(content)) + content + b"\0" * (len(content) & 1)


def webp_with(data: bytes, *chunks: bytes) -> bytes:
    """Put chunks at the end of a WebP."""
    body = data[12:] + b"".join(chunks)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WEBP") + body


def animated_webp() -> bytes:
    frames = [noise() for _ in range(3)]
    return encoded(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=50
    )


def packet(properties: str = "", attributes: str = "", padding: int = 0) -> bytes:
    """Write an XMP packet as an editor does."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Editor 1.0">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
        '    xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"\n'
        '    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\n'
        f'    dc:format="image/x" {attributes}>\n'
        "   <dc:creator><rdf:Seq><rdf:li>A &amp; B</rdf:li></rdf:Seq></dc:creator>\n"
        f"   {properties}\n"
        "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
        f'{" " * padding}\n<?xpacket end="w"?>'
    ).encode()


def carriers() -> dict[str, Callable[[bytes], bytes]]:
    """Return for each format what puts a packet into an image of it."""
    return {
        "png": lambda xmp: png_with(encoded(noise(), "PNG"), xmp_chunk(xmp)),
        "compressed png": lambda xmp: png_with(
            encoded(noise(), "PNG"), xmp_chunk(xmp, compressed=True)
        ),
        "png behind the pixels": lambda xmp: png_with(
            encoded(noise(), "PNG"), xmp_chunk(xmp), before=b"IEND"
        ),
        "jpeg": lambda xmp: jpeg_with(encoded(noise(), "JPEG"), xmp_segment(xmp)),
        "webp": lambda xmp: encoded(noise(), "WEBP", xmp=xmp),
    }


def exif(*, extra: int = 0) -> bytes:
    """Build an EXIF block with an orientation, and perhaps much else."""
    block = Image.Exif()
    block[0x0112] = 6
    block[0x010E] = "ServiceProvider"
    if extra:
        block[0x9C9C] = b"\x41\0" * (extra // 2)
    return block.tobytes()


def exif_comment(order: str, comment: bytes) -> bytes:
    """Build an EXIF block with a user comment, in either byte order."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    pointer = struct.pack(f"{order}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    folder = struct.pack(f"{order}HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    return b"Exif\0\0" + mark + struct.pack(f"{order}I", 8) + pointer + folder + comment


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def corpus() -> dict[str, bytes]:
    """Make the files whose pixels and metadata a label must not touch."""
    jpeg, webp = encoded(noise(), "JPEG"), encoded(noise(), "WEBP")
    large_exif = exif(extra=60_000)
    return {
        "png": encoded(noise(), "PNG"),
        "png palette": encoded(noise().quantize(16), "PNG"),
        "png transparent": encoded(noise(mode="RGBA"), "PNG"),
        "png animated": animated_png(),
        "png profile and exif": encoded(noise(), "PNG", icc_profile=srgb(), exif=exif()),
        "png huge exif": encoded(noise(), "PNG", exif=exif(extra=300_000)),
        "png trailing data": encoded(noise(), "PNG") + TRAILER,
        "jpeg": jpeg,
        "jpeg progressive": encoded(noise(), "JPEG", progressive=True),
        "jpeg cmyk": encoded(noise(mode="CMYK"), "JPEG"),
        "jpeg profile and exif": encoded(noise(), "JPEG", icc_profile=srgb(), exif=exif()),
        "jpeg huge exif": encoded(noise(), "JPEG", exif=large_exif),
        "jpeg comment": encoded(noise(), "JPEG", comment=b"made by a camera"),
        "jpeg restart markers": encoded(noise(), "JPEG", restart_marker_blocks=2),
        "jpeg fill bytes": jpeg_with(jpeg, b"\xff\xff"),
        "jpeg trailing data": jpeg + TRAILER,
        "jpeg with others' app11": jpeg_with(jpeg, segment(0xEB, b"HDR_RI ver=11")),
        "webp": webp,
        "webp lossless": encoded(noise(), "WEBP", lossless=True),
        "webp transparent": encoded(noise(mode="RGBA"), "WEBP"),
        "webp lossless transparent": encoded(noise(mode="RGBA"), "WEBP", lossless=True),
        "webp animated": animated_webp(),
        "webp profile and exif": encoded(noise(), "WEBP", icc_profile=srgb(), exif=exif()),
        "webp huge exif": encoded(noise(), "WEBP", exif=exif(extra=300_000)),
        "webp unknown chunk": webp_with(
            encoded(noise(mode="RGBA"), "WEBP"), webp_chunk(b"abcd", b"odd")
        ),
        "webp trailing data": webp + TRAILER,
    }


def c2pa_samples() -> dict[str, bytes]:
    return {
        "png": png_with(encoded(noise(), "PNG"), png_chunk(b"caBX", jumbf())),
        "jpeg": jpeg_with(encoded(noise(), "JPEG"), c2pa_segment()),
        "webp": webp_with(encoded(noise(mode="RGBA"), "WEBP"), webp_chunk(b"C2PA", jumbf())),
    }
