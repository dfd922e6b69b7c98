"""Structural guard of PNG (W3C PNG, third edition): chunks, checksums and the number of pixels behind them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from splitleaf.images.exif import orientation
from splitleaf.images.formats import PNG_SIGNATURE, check_dimensions
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import ANIMATED, CORRUPT, METADATA, TRUNCATED, Refusal

_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PALETTE_COLOR: Final = 3
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_COMPRESSED_TEXT: Final = frozenset({b"zTXt", b"iTXt", b"iCCP"})
_INFLATE_STEP: Final = 1 << 18


@dataclass(slots=True)
class PngFacts:
    """What the guard learned."""

    width: int = 0
    height: int = 0
    depth: int = 8
    color: int = 0
    interlaced: bool = False
    orientation: int = 1
    end: int = 0
    """Offset behind IEND; what follows is not ours."""


@dataclass(slots=True)
class _Walk:
    limits: ImageLimits
    facts: PngFacts = field(default_factory=PngFacts)
    has_palette: bool = False
    metadata: int = 0
    data_parts: list[memoryview] = field(default_factory=list)


def inspect_png(data: bytes, limits: ImageLimits) -> PngFacts:
    """Check every chunk and that the compressed data hold exactly the pixels of the header.

    Raises:
        Refusal: with the code that the image owes.
    """
    walk = _Walk(limits)
    for number, (kind, body, end) in enumerate(_chunks(data)):
        if number >= limits.max_png_chunks:
            raise Refusal(CORRUPT, "chunks without end")
        if (number == 0) != (kind == b"IHDR"):
            raise Refusal(CORRUPT, "IHDR is not first")
        if kind == b"IEND":
            walk.facts.end = end
            break
        _visit(walk, kind, body)
    _check_pixels(walk)
    return walk.facts


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    view = memoryview(data)
    at = len(PNG_SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise Refusal(TRUNCATED, "no IEND")
        length = int.from_bytes(view[at : at + 4], "big")
        end = at + 12 + length
        if end > len(data):
            raise Refusal(TRUNCATED, "chunk reaches beyond the end")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise Refusal(CORRUPT, "CRC of a chunk")
        yield bytes(view[at + 4 : at + 8]), view[at + 8 : end - 4], end
        at = end


def _visit(walk: _Walk, kind: bytes, body: memoryview) -> None:
    if kind == b"IHDR":
        _read_header(walk, body)
    elif kind == b"IDAT":
        walk.data_parts.append(body)
    elif kind == b"PLTE":
        walk.has_palette = len(body) in range(3, 769, 3)
    elif kind in (b"acTL", b"fcTL", b"fdAT"):
        raise Refusal(ANIMATED, "APNG")
    elif kind[0] & 0x20 == 0:
        raise Refusal(CORRUPT, "unknown critical chunk")
    else:
        _count_metadata(walk, kind, body)


def _read_header(walk: _Walk, body: memoryview) -> None:
    if len(body) != 13:
        raise Refusal(CORRUPT, "IHDR")
    width, height, depth, color, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    check_dimensions(width, height, walk.limits, max_pixels=walk.limits.max_other_pixels)
    if depth not in _DEPTHS.get(color, ()) or compression or filtering or interlace > 1:
        raise Refusal(CORRUPT, "IHDR")
    walk.facts = PngFacts(width, height, depth, color, bool(interlace))


def _count_metadata(walk: _Walk, kind: bytes, body: memoryview) -> None:
    walk.metadata += len(body)
    if walk.metadata > walk.limits.max_metadata_bytes:
        raise Refusal(METADATA, "ancillary chunks")
    if kind == b"eXIf":
        walk.facts.orientation = orientation(bytes(body))
    elif kind in _COMPRESSED_TEXT:
        _check_text(kind, bytes(body), walk.limits.max_metadata_bytes)


def _check_text(kind: bytes, body: bytes, most: int) -> None:
    """Refuse text or a profile that inflates beyond the limit (a bomb: decoders inflate it on opening)."""
    keyword, _, rest = body.partition(b"\0")
    if not 1 <= len(keyword) <= 79:
        raise Refusal(CORRUPT, "keyword")
    if kind == b"iTXt":
        if rest[:1] != b"\1":
            return
        rest = rest[2:].split(b"\0", 2)[-1]
    else:
        rest = rest[1:]
    inflater = zlib.decompressobj()
    try:
        size = len(inflater.decompress(rest, most + 1))
    except zlib.error:
        return  # damaged remarks do no harm: no one reads them
    if size > most:
        raise Refusal(CORRUPT, "compressed metadata without end")


def _check_pixels(walk: _Walk) -> None:
    """Inflate in steps and count: data for 100 of 2,000 rows would otherwise be shown as black."""
    facts = walk.facts
    if facts.color == _PALETTE_COLOR and not walk.has_palette:
        raise Refusal(CORRUPT, "palette colours without a palette")
    if not walk.data_parts:
        raise Refusal(TRUNCATED, "no IDAT")
    expected = _raw_size(facts)
    size, complete = _inflated_size(walk.data_parts, expected)
    if size < expected:
        raise Refusal(TRUNCATED, f"{size} of {expected} bytes of pixels")
    if size > expected or not complete:
        raise Refusal(CORRUPT, "pixel data of another length")


def _inflated_size(parts: list[memoryview], most: int) -> tuple[int, bool]:
    inflater = zlib.decompressobj()
    size = 0
    try:
        for part in parts:
            rest: bytes | memoryview = part
            while rest and not inflater.eof:
                size += len(inflater.decompress(rest, _INFLATE_STEP))
                if size > most:
                    return size, False
                rest = inflater.unconsumed_tail
    except zlib.error as error:
        raise Refusal(CORRUPT, f"zlib: {error}") from None
    while not inflater.eof:
        more = len(inflater.decompress(b"", _INFLATE_STEP))
        size += more
        if not more or size > most:
            break
    return size, inflater.eof


def _raw_size(facts: PngFacts) -> int:
    if not facts.interlaced:
        return _rows_size(facts, facts.width, facts.height)
    sizes = 0
    for left, top, step_x, step_y in _ADAM7:
        width = -(-(facts.width - left) // step_x)
        height = -(-(facts.height - top) // step_y)
        if width > 0 and height > 0:
            sizes += _rows_size(facts, width, height)
    return sizes


def _rows_size(facts: PngFacts, width: int, height: int) -> int:
    bits = facts.depth * _CHANNELS[facts.color]
    return height * (1 + -(-width * bits // 8))
