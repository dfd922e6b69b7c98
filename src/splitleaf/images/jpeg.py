"""Structural guard of JPEG (ITU-T T.81): everything that can be known without decoding.

Decoders are forgiving by tradition: they fill in what is missing. A classifier must not guess, so a
file that is cut, lies about its size or asks for absurd work is refused here, before any allocation.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from splitleaf.images.exif import orientation
from splitleaf.images.formats import check_dimensions
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import CORRUPT, METADATA, TOO_COMPLEX, TRUNCATED, UNSUPPORTED, Refusal

_SOF_HUFFMAN: Final = frozenset({0xC0, 0xC1, 0xC2})
_SOF_PROGRESSIVE: Final = 0xC2
_SOF_OTHER: Final = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_SOI, _EOI, _SOS, _APP0, _APP1, _APP15, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEF, 0xFE
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDD})  # DHT, DAC, DQT, DRI

_BLOCK_BYTES: Final = 128
_MARKER_IN_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Ends entropy-coded data: neither a stuffed zero nor a restart marker nor a fill byte."""
_BEHIND_FILL: Final = re.compile(rb"[^\xff]")
_SEGMENT_HEAD_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class _Component:
    horizontal: int
    vertical: int


@dataclass(slots=True)
class JpegFacts:
    """What the guard learned."""

    width: int = 0
    height: int = 0
    components: int = 0
    progressive: bool = False
    orientation: int = 1
    scans: int = 0
    end: int = 0
    """Offset behind the first EOI; what follows (a second image, a ZIP) is not ours."""


@dataclass(slots=True)
class _Walk:
    data: bytes
    limits: ImageLimits
    facts: JpegFacts = field(default_factory=JpegFacts)
    frame: dict[int, _Component] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    """Components whose DC values have not come yet."""
    metadata: int = 0


def inspect_jpeg(data: bytes, limits: ImageLimits) -> JpegFacts:
    """Walk the markers up to the first EOI.

    Raises:
        Refusal: with the code that the image owes.
    """
    walk = _Walk(data, limits)
    at = 2
    while True:
        marker, at = _next_marker(data, at)
        if marker == _EOI:
            return _finish(walk, at)
        end = _segment_end(data, at)
        _visit(walk, marker, at + 2, end)
        at = _skip_scan(walk, at + 2, end) if marker == _SOS else end


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise Refusal(TRUNCATED, "no EOI")
    if data[at] != 0xFF:
        raise Refusal(CORRUPT, f"no marker at {at}")
    found = _BEHIND_FILL.search(data, at)
    if found is None:
        raise Refusal(TRUNCATED, "no EOI")
    return data[found.start()], found.end()


def _segment_end(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise Refusal(TRUNCATED, "in a segment's length")
    length = int.from_bytes(data[at : at + 2], "big")
    if length < 2:
        raise Refusal(CORRUPT, "segment shorter than its length field")
    if at + length > len(data):
        raise Refusal(TRUNCATED, "segment reaches beyond the end")
    return at + length


def _visit(walk: _Walk, marker: int, start: int, end: int) -> None:
    if _APP0 <= marker <= _APP15 or marker == _COM or marker in _TABLES:
        _count_metadata(walk, marker, start, end)
    elif marker in _SOF_HUFFMAN:
        _read_frame(walk, marker, walk.data[start:end])
    elif marker in _SOF_OTHER:
        raise Refusal(UNSUPPORTED, f"JPEG process {marker:#x}")
    elif marker != _SOS:
        raise Refusal(CORRUPT, f"marker {marker:#x}")


def _count_metadata(walk: _Walk, marker: int, start: int, end: int) -> None:
    # Heads count, or millions of empty segments would pass.
    walk.metadata += end - start + _SEGMENT_HEAD_BYTES
    if walk.metadata > walk.limits.max_metadata_bytes:
        raise Refusal(METADATA, "all segments but frames and scans")
    if marker == _APP1 and walk.data[start : start + 6] == b"Exif\0\0" and walk.facts.orientation == 1:
        walk.facts.orientation = orientation(walk.data[start + 6 : end])


def _read_frame(walk: _Walk, marker: int, frame: bytes) -> None:
    if walk.frame or len(frame) < 6:
        raise Refusal(CORRUPT, "frame header")
    precision, height, width, count = struct.unpack_from(">BHHB", frame)
    if precision != 8:
        raise Refusal(UNSUPPORTED, f"{precision}-bit JPEG")
    if count not in (1, 3, 4) or len(frame) != 6 + 3 * count:
        raise Refusal(CORRUPT, f"{count} components")
    for at in range(6, len(frame), 3):
        horizontal, vertical = frame[at + 1] >> 4, frame[at + 1] & 15
        if not (1 <= horizontal <= 4 and 1 <= vertical <= 4):
            raise Refusal(CORRUPT, "sampling factors")
        walk.frame[frame[at]] = _Component(horizontal, vertical)
    if len(walk.frame) != count:
        raise Refusal(CORRUPT, "two components of one name")
    check_dimensions(width, height, walk.limits, max_pixels=walk.limits.max_jpeg_pixels)
    facts = walk.facts
    facts.width, facts.height, facts.components = width, height, count
    facts.progressive = marker == _SOF_PROGRESSIVE
    walk.missing = set(walk.frame)


def _skip_scan(walk: _Walk, start: int, end: int) -> int:
    """Return the offset of the marker behind a scan's entropy-coded data."""
    header = walk.data[start:end]
    count = header[0] if header else 0
    if not walk.frame or not 1 <= count <= 4 or len(header) != 4 + 2 * count:
        raise Refusal(CORRUPT, "scan header")
    names = header[1 : 1 + 2 * count : 2]
    if len(set(names)) != count or not walk.frame.keys() >= set(names):
        raise Refusal(CORRUPT, "scan of unknown components")
    _count_scan(walk)
    found = _MARKER_IN_SCAN.search(walk.data, end)
    if found is None:
        raise Refusal(TRUNCATED, "scan without an end")
    first_coefficient, approximation = header[-3], header[-1]
    if first_coefficient == 0:
        _check_scan_length(walk, names, found.start() - end)
        if approximation >> 4 == 0:
            walk.missing -= set(names)
    return found.start()


def _count_scan(walk: _Walk) -> None:
    facts = walk.facts
    facts.scans += 1
    if facts.scans > walk.limits.max_scans:
        raise Refusal(TOO_COMPLEX, "scans")
    if (facts.progressive or facts.scans > 1) and not _fits_memory(walk):
        raise Refusal(TOO_COMPLEX, "coefficients")
    if facts.scans * facts.width * facts.height > walk.limits.max_scan_pixels:
        raise Refusal(TOO_COMPLEX, "scans x pixels")


def _fits_memory(walk: _Walk) -> bool:
    blocks = sum(_blocks(walk, component, interleaved=True) for component in walk.frame.values())
    return blocks * _BLOCK_BYTES <= walk.limits.max_coefficient_bytes


def _check_scan_length(walk: _Walk, names: bytes, length: int) -> None:
    """Refuse a scan with fewer bits than blocks: each block costs a bit for DC and, unless progressive, one for AC.

    This is what unmasks a small file with a huge size in its header before memory is taken for it.
    """
    blocks = sum(_blocks(walk, walk.frame[name], interleaved=len(names) > 1) for name in names)
    bits = blocks if walk.facts.progressive else 2 * blocks
    if length * 8 < bits:
        raise Refusal(TRUNCATED, f"{length} bytes for {blocks} blocks")


def _blocks(walk: _Walk, component: _Component, *, interleaved: bool) -> int:
    most_h = max(each.horizontal for each in walk.frame.values())
    most_v = max(each.vertical for each in walk.frame.values())
    if interleaved:
        units = -(-walk.facts.width // (8 * most_h)) * -(-walk.facts.height // (8 * most_v))
        return units * component.horizontal * component.vertical
    columns = -(-walk.facts.width * component.horizontal // (8 * most_h))
    rows = -(-walk.facts.height * component.vertical // (8 * most_v))
    return columns * rows


def _finish(walk: _Walk, end: int) -> JpegFacts:
    if not walk.facts.scans:
        raise Refusal(CORRUPT, "no scan")
    if walk.missing:
        raise Refusal(TRUNCATED, "components without a scan")
    walk.facts.end = end
    return walk.facts
