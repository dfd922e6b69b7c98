"""Which format a file is, by its first bytes alone: names and content types are never believed."""

from __future__ import annotations

from enum import StrEnum

from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import (
    BAD_ASPECT,
    CORRUPT,
    EMPTY,
    TOO_LARGE,
    TOO_MANY_PIXELS,
    TOO_SMALL,
    UNSUPPORTED,
    Refusal,
)


class ImageFormat(StrEnum):
    """The accepted formats."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    HEIF = "heif"
    AVIF = "avif"


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff(data: bytes) -> ImageFormat:
    """Return the format that the first bytes promise.

    Raises:
        Refusal: `unsupported_media_type` for anything else.
    """
    if data.startswith(b"\xff\xd8\xff") or (data.startswith(b"\xff\xd8") and len(data) < 4):
        return ImageFormat.JPEG
    if data.startswith(PNG_SIGNATURE):
        return ImageFormat.PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    raise Refusal(UNSUPPORTED, "magic bytes")


def _sniff_brands(data: bytes) -> ImageFormat:
    """Tell AVIF from HEIC by the brands of `ftyp`: AVIF files often carry `mif1` as the major brand."""
    size = min(int.from_bytes(data[:4], "big"), 256, len(data))
    brands = {data[8:12]} | {data[at : at + 4] for at in range(16, size - 3, 4)}
    if brands & _AVIF_BRANDS:
        return ImageFormat.AVIF
    if brands & _HEIF_BRANDS:
        return ImageFormat.HEIF
    raise Refusal(UNSUPPORTED, "brands of another ISO media file")


def check_upload(data: bytes, limits: ImageLimits) -> ImageFormat:
    """Make the checks that cost nothing and return the format.

    Raises:
        Refusal: empty, too large or of no accepted format.
    """
    if not data:
        raise Refusal(EMPTY)
    if len(data) > limits.max_bytes:
        raise Refusal(TOO_LARGE, f"{len(data)} bytes")
    return sniff(data)


def check_dimensions(width: int, height: int, limits: ImageLimits, *, max_pixels: int) -> None:
    """Refuse sizes out of bounds before anything is allocated for them.

    Raises:
        Refusal: `image_corrupt`, `image_too_many_pixels`, `image_bad_aspect` or `image_too_small`.
    """
    if width <= 0 or height <= 0:
        raise Refusal(CORRUPT, "no pixels")
    if width * height > max_pixels:
        raise Refusal(TOO_MANY_PIXELS, f"{width} x {height}")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise Refusal(BAD_ASPECT, f"{width} x {height}")
    if max(width, height) > limits.max_side:
        raise Refusal(TOO_MANY_PIXELS, f"{width} x {height}")
    if min(width, height) < limits.min_side:
        raise Refusal(TOO_SMALL, f"{width} x {height}")
