"""Small files that ask for much: pixels, scans, metadata, frames."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from tests.images.corpus.cases import Case
from tests.images.corpus.images import avif, encoded, heic, jpeg, photo, png
from tests.images.corpus.surgery import (
    EOI,
    SOS,
    chunk,
    deflated_zeros,
    header,
    insert_chunks,
    png_of,
    resized_extent,
    resized_frame,
    segment,
    segments,
    with_segment,
)

_PIXELS = "image_too_many_pixels"
_CORRUPT = "image_corrupt"
_ANIMATED = "image_animated"


def _blank_png(width: int, height: int, depth: int, color: int, interlace: int = 0) -> bytes:
    """A PNG of nothing but zeros, complete but for the seams of Adam7."""
    channels = {0: 1, 2: 3, 6: 4}[color]
    row = 1 + -(-width * depth * channels // 8)
    return png_of(header(width, height, depth, color, interlace), data=deflated_zeros(row * height))


def _webp_16383() -> bytes:
    """A lossless WebP that claims 16383 x 16383."""
    data = encoded(photo(64, 64), "WEBP", lossless=True)
    at = data.index(b"VP8L") + 9
    bits = int.from_bytes(data[at : at + 4], "little") & ~0xFFFFFFF
    return data[:at] + struct.pack("<I", bits | 16382 | 16382 << 14) + data[at + 4 :]


def _claimed_7000() -> bytes:
    """About 78 KB of a progressive JPEG whose header says 7000 x 7000."""
    noise = np.random.default_rng(7).integers(0, 255, (372, 372, 3), np.uint8)
    return resized_frame(jpeg(noise, quality=75, progressive=True), 7000, 7000)


def _with_900_scans() -> bytes:
    parts = list(segments(jpeg(photo(256, 256), progressive=True)))
    scans = [part for marker, part in parts if marker == SOS]
    body = b"".join(part for marker, part in parts if marker != EOI)
    return body + scans[-1] * (900 - len(scans)) + b"\xff\xd9"


def _with_text_bomb() -> bytes:
    return insert_chunks(png(), chunk(b"zTXt", b"Comment\0\0" + deflated_zeros(60_000_000)))


def _with_profile_bomb() -> bytes:
    return insert_chunks(png(), chunk(b"iCCP", b"icc\0\0" + deflated_zeros(200_000_000)))


def _with_100k_chunks() -> bytes:
    return insert_chunks(png(), *([chunk(b"tEXt", b"a\0")] * 100_000))


def _animation(kind: str) -> bytes:
    frames = [Image.fromarray(photo()), Image.fromarray(np.ascontiguousarray(photo()[::-1]))]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def _with_9_mb_app9() -> bytes:
    return with_segment(jpeg(), *([segment(0xE9, bytes(65_000))] * 139))


def _of_11_mb() -> bytes:
    return jpeg() + bytes(11 << 20)


BOMBS: tuple[Case, ...] = (
    Case("PNG: 20000 x 20000, 1 bit", lambda: _blank_png(20000, 20000, 1, 0), _PIXELS),
    Case("PNG: 13000 x 13000, RGB", lambda: _blank_png(13000, 13000, 8, 2), _PIXELS),
    Case("PNG: 9400 x 9400, RGB", lambda: _blank_png(9400, 9400, 8, 2), _PIXELS),
    Case("PNG: 9000 x 9000, RGBA 16 bit", lambda: _blank_png(9000, 9000, 16, 6), _PIXELS),
    Case("PNG: 9000 x 9000, RGBA 16 bit, Adam7", lambda: _blank_png(9000, 9000, 16, 6, 1), _PIXELS),
    Case(
        "PNG: header of 2^31 - 1",
        lambda: png_of(header(2**31 - 1, 2**31 - 1), data=zlib.compress(bytes(99))),
        _PIXELS,
    ),
    Case("JPEG: header of 65500 x 65500", lambda: resized_frame(jpeg(), 65500, 65500), _PIXELS),
    Case("JPEG: 11000 x 11000, grey", lambda: resized_frame(jpeg(photo()[:, :, 0].copy()), 11000, 11000), _PIXELS),
    Case("HEIC: extent of 60000 x 60000", lambda: resized_extent(heic(), 60000, 60000), _PIXELS),
    Case("WebP: 16383 x 16383", _webp_16383, _PIXELS),
    Case("AVIF: extent of 8000 x 8000", lambda: resized_extent(avif(), 8000, 8000), _PIXELS),
    Case("JPEG: 78 KB, progressive, claims 7000 x 7000", _claimed_7000, "image_truncated"),
    Case("PNG: 1000000 x 16", lambda: _blank_png(1_000_000, 16, 8, 0), "image_bad_aspect"),
    Case("JPEG: 900 scans", _with_900_scans, "image_too_complex"),
    Case("PNG: zTXt of 60 MB", _with_text_bomb, _CORRUPT),
    Case("PNG: iCCP of 200 MB", _with_profile_bomb, _CORRUPT),
    Case("PNG: 100,000 chunks", _with_100k_chunks, _CORRUPT),
    Case("PNG: animated", lambda: _animation("PNG"), _ANIMATED),
    Case("WebP: animated", lambda: _animation("WEBP"), _ANIMATED),
    Case("AVIF: animated", lambda: _animation("AVIF"), _ANIMATED),
    Case("JPEG: 9 MB in APP9", _with_9_mb_app9, "metadata_too_large"),
    Case("JPEG: 11 MB", _of_11_mb, "payload_too_large"),
)
