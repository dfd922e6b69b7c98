"""Files taken apart and put together wrongly, below the level of any encoder."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import cache

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SOI, SOF0, SOF2, DHT, EOI, SOS, DQT, APP0, COM = 0xD8, 0xC0, 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xE0, 0xFE


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, everything from the marker to the next segment; for SOS with its entropy-coded data)."""
    yield SOI, data[:2]
    at = 2
    while at < len(data):
        marker = data[at + 1]
        if marker == EOI:
            yield EOI, data[at : at + 2]
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == SOS:
            while not (data[end] == 0xFF and data[end + 1] != 0 and not 0xD0 <= data[end + 1] <= 0xD7):
                end += 1
        yield marker, data[at:end]
        at = end


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(body)) + body


def without(data: bytes, *markers: int) -> bytes:
    return b"".join(part for marker, part in segments(data) if marker not in markers)


def with_segment(data: bytes, *extra: bytes) -> bytes:
    """The JPEG with more segments behind SOI."""
    return data[:2] + b"".join(extra) + data[2:]


def resized_frame(data: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its frame header."""
    at = frame_offset(data)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def frame_offset(data: bytes) -> int:
    at = 0
    for marker, part in segments(data):
        if marker in (SOF0, SOF2):
            return at
        at += len(part)
    raise AssertionError("no frame")


def scan_range(data: bytes) -> tuple[int, int]:
    """Where the entropy-coded data of the first scan lie."""
    at = 0
    for marker, part in segments(data):
        if marker == SOS:
            return at + 2 + int.from_bytes(part[2:4], "big"), at + len(part)
        at += len(part)
    raise AssertionError("no scan")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, depth: int = 8, color: int = 2, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))


def png_of(head: bytes, *chunks: bytes, data: bytes = b"", end: bool = True) -> bytes:
    """A PNG of a header, more chunks, compressed data and IEND."""
    body = chunk(b"IDAT", data) if data else b""
    return PNG_SIGNATURE + head + b"".join(chunks) + body + (chunk(b"IEND", b"") if end else b"")


def raw_png(width: int, height: int, depth: int, color: int, rows: Iterable[bytes]) -> bytes:
    """An honest PNG of rows of samples, without filters."""
    return png_of(header(width, height, depth, color), data=zlib.compress(b"".join(b"\0" + row for row in rows)))


def insert_chunks(png: bytes, *chunks: bytes) -> bytes:
    """The PNG with more chunks behind its header."""
    at = len(PNG_SIGNATURE) + 25
    return png[:at] + b"".join(chunks) + png[at:]


@cache
def deflated_zeros(size: int) -> bytes:
    """A zlib stream of so many zeros, made without compressing them all: flushed blocks can be repeated."""
    block = 1 << 20
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    repeated = compressor.compress(bytes(block)) + compressor.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    tail = last.compress(bytes(size % block)) + last.flush()
    adler = (size % 65521) << 16 | 1
    return b"\x78\xda" + repeated * (size // block) + tail + struct.pack(">I", adler)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def resized_extent(data: bytes, width: int, height: int) -> bytes:
    """The HEIC or AVIF file with another size in its first `ispe` property."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]
