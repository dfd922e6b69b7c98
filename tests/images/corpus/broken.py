"""Images that are damaged or cut, and those that are too small."""

from __future__ import annotations

import random
import struct
import zlib

import numpy as np

from tests.images.corpus.cases import Case
from tests.images.corpus.images import avif, encoded, heic, jpeg, photo, png
from tests.images.corpus.surgery import (
    APP0,
    DQT,
    EOI,
    SOS,
    frame_offset,
    header,
    png_of,
    resized_frame,
    scan_range,
    segments,
    without,
)

_CORRUPT = "image_corrupt"
_TRUNCATED = "image_truncated"
_SMALL = "image_too_small"


def _cut(data: bytes, part: float) -> bytes:
    return data[: int(len(data) * part)]


def _with_255_components() -> bytes:
    data = bytearray(jpeg())
    data[frame_offset(bytes(data)) + 9] = 255
    return bytes(data)


def _with_lying_app_length() -> bytes:
    data = jpeg()
    assert data[3] == APP0
    return data[:4] + b"\xff\xff" + data[6:]


def _with_zeroed_scan() -> bytes:
    data = jpeg()
    start, end = scan_range(data)
    first = start + int((end - start) * 0.4)
    return data[:first] + bytes(end - first) + data[end:]


def _with_flipped_bits() -> bytes:
    data = bytearray(jpeg())
    start, end = scan_range(bytes(data))
    dice = random.Random(40)
    for _ in range(40):
        data[dice.randrange(start, end)] ^= 1 << dice.randrange(8)
    return bytes(data)


def _without_scan() -> bytes:
    return b"".join(part for marker, part in segments(jpeg()) if marker != SOS)


def _with_bad_crc(kind: bytes) -> bytes:
    data = bytearray(png())
    at = bytes(data).index(kind)
    length = struct.unpack_from(">I", data, at - 4)[0]
    data[at + 4 + length] ^= 0xFF
    return bytes(data)


def _with_few_rows() -> bytes:
    """A complete zlib stream that holds 100 of 2,000 rows."""
    rows = photo(300, 100).reshape(100, 900)
    return png_of(header(300, 2000), data=zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))


def _palette_without_palette() -> bytes:
    return png_of(header(64, 64, 8, 3), data=zlib.compress(bytes(65 * 64)))


def _webp() -> bytes:
    return encoded(photo(), "WEBP", quality=90)


def _with_lying_riff() -> bytes:
    data = _webp()
    return data[:4] + struct.pack("<I", len(data) * 4) + data[8:]


def _webp_of_noise() -> bytes:
    """Right headers, then random bytes as the bitstream of a key frame."""
    data = _webp()
    return data[:34] + random.Random(3).randbytes(len(data) - 34)


def _with_noise_in_mdat(data: bytes) -> bytes:
    at = data.index(b"mdat") + 4
    return data[:at] + random.Random(4).randbytes(len(data) - at)


BROKEN: tuple[Case, ...] = (
    Case("JPEG: magic only", lambda: b"\xff\xd8\xff", _TRUNCATED),
    Case("JPEG: cut at 10 %", lambda: _cut(jpeg(), 0.1), _TRUNCATED),
    Case("JPEG: cut at 50 %", lambda: _cut(jpeg(), 0.5), _TRUNCATED),
    Case("JPEG: progressive, cut", lambda: _cut(jpeg(progressive=True), 0.5), _TRUNCATED),
    Case("JPEG: height 0", lambda: resized_frame(jpeg(), 320, 0), _CORRUPT),
    Case("JPEG: no DQT", lambda: without(jpeg(), DQT), _CORRUPT),
    Case("JPEG: 255 components", _with_255_components, _CORRUPT),
    Case("JPEG: lying APP length", _with_lying_app_length, _TRUNCATED),
    Case("JPEG: no SOS", _without_scan, _CORRUPT),
    Case("JPEG: no EOI", lambda: without(jpeg(), EOI), _TRUNCATED),
    Case("JPEG: 60 % of the scan zeroed", _with_zeroed_scan, _CORRUPT),
    Case("JPEG: 40 bit flips", _with_flipped_bits, _CORRUPT),
    Case("PNG: cut", lambda: _cut(png(), 0.6), _TRUNCATED),
    Case("PNG: bad IHDR CRC", lambda: _with_bad_crc(b"IHDR"), _CORRUPT),
    Case("PNG: bad IDAT CRC", lambda: _with_bad_crc(b"IDAT"), _CORRUPT),
    Case("PNG: data are not zlib", lambda: png_of(header(64, 64), data=b"not compressed" * 99), _CORRUPT),
    Case("PNG: width 0", lambda: png_of(header(0, 64), data=zlib.compress(bytes(64))), _CORRUPT),
    Case("PNG: signature only", lambda: png()[:8], _TRUNCATED),
    Case("PNG: no IEND", lambda: png()[:-12], _TRUNCATED),
    Case("PNG: data for 100 of 2,000 rows", _with_few_rows, _TRUNCATED),
    Case("PNG: palette colours, no PLTE", _palette_without_palette, _CORRUPT),
    Case("WebP: cut", lambda: _cut(_webp(), 0.5), _TRUNCATED),
    Case("WebP: lying RIFF size", _with_lying_riff, _TRUNCATED),
    Case("WebP: noise", _webp_of_noise, _CORRUPT),
    Case("HEIC: cut", lambda: _cut(heic(), 0.6), _TRUNCATED),
    Case("HEIC: noise", lambda: _with_noise_in_mdat(heic()), _CORRUPT),
    Case("AVIF: cut", lambda: _cut(avif(), 0.6), _TRUNCATED),
    Case("AVIF: noise", lambda: _with_noise_in_mdat(avif()), _CORRUPT),
    Case("PNG: 1 x 1", lambda: png(np.zeros((1, 1, 3), np.uint8)), _SMALL),
    Case("JPEG: 16 x 16", lambda: jpeg(photo(16, 16)), _SMALL),
)
