"""Structural guard of HEIC and AVIF: the boxes of ISO/IEC 14496-12 and the items of ISO/IEC 23008-12."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from splitleaf.images.formats import check_dimensions
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import ANIMATED, CORRUPT, METADATA, TOO_COMPLEX, TOO_MANY_PIXELS, TRUNCATED, Refusal

_SEQUENCE_BRANDS: Final = frozenset({b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"})
_REMARK_ITEMS: Final = frozenset({b"Exif", b"mime", b"uri "})
_IN_FILE, _IN_IDAT = 0, 1


@dataclass(slots=True)
class IsobmffFacts:
    """What the guard learned."""

    width: int = 0
    height: int = 0


@dataclass(slots=True)
class _Walk:
    data: memoryview
    limits: ImageLimits
    seen: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """`ispe` by index of the property; (0, 0) for other properties."""
    kinds: dict[int, bytes] = field(default_factory=dict)
    primary: int = -1
    primary_properties: list[int] = field(default_factory=list)
    idat_size: int = 0

    def count(self, more: int = 1) -> None:
        self.seen += more
        if self.seen > self.limits.max_boxes:
            raise Refusal(TOO_COMPLEX, "boxes or items")


class _Reader:
    """Big-endian numbers from a box; reading beyond its end refuses the image."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    def number(self, size: int) -> int:
        raw = self.raw(size)
        return int.from_bytes(raw, "big")

    def raw(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._body):
            raise Refusal(CORRUPT, "box is shorter than its fields")
        raw = bytes(self._body[self._at : end])
        self._at = end
        return raw

    def rest(self) -> memoryview:
        return self._body[self._at :]


def inspect_isobmff(data: bytes, limits: ImageLimits) -> IsobmffFacts:
    """Check that every box and item lies within the file, and the sizes that the items claim.

    Raises:
        Refusal: with the code that the image owes.
    """
    if data[8:12] in _SEQUENCE_BRANDS:
        raise Refusal(ANIMATED, "image sequence")
    walk = _Walk(memoryview(data), limits)
    meta: memoryview | None = None
    for kind, body in _boxes(walk, walk.data, TRUNCATED):
        if kind == b"meta" and meta is None:
            meta = body
    if meta is None:
        raise Refusal(CORRUPT, "no meta box")
    _read_meta(walk, meta)
    return _primary_size(walk)


def _boxes(walk: _Walk, area: memoryview, beyond: str) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at < len(area):
        reader = _Reader(area[at : at + 16])
        size, kind, header = reader.number(4), reader.raw(4), 8
        if size == 1:
            size, header = reader.number(8), 16
        elif size == 0:
            size = len(area) - at
        if size < header:
            raise Refusal(CORRUPT, "box shorter than its header")
        if at + size > len(area):
            raise Refusal(beyond, f"box {kind!r} reaches beyond its container")
        walk.count()
        yield kind, area[at + header : at + size]
        at += size


def _read_meta(walk: _Walk, meta: memoryview) -> None:
    found = dict(_boxes(walk, meta[4:], CORRUPT))
    if b"pitm" in found:
        reader = _Reader(found[b"pitm"])
        walk.primary = reader.number(2 if reader.number(4) >> 24 == 0 else 4)
    walk.idat_size = len(found.get(b"idat", b""))
    if b"iinf" in found:
        _read_items(walk, found[b"iinf"])
    if b"iprp" in found:
        _read_properties(walk, found[b"iprp"])
    if b"iloc" in found:
        _check_locations(walk, found[b"iloc"])


def _read_items(walk: _Walk, body: memoryview) -> None:
    reader = _Reader(body)
    walk.count(reader.number(2 if reader.number(4) >> 24 == 0 else 4))
    for kind, entry in _boxes(walk, reader.rest(), CORRUPT):
        fields = _Reader(entry)
        version = fields.number(4) >> 24
        if kind == b"infe" and version >= 2:
            item = fields.number(2 if version == 2 else 4)
            fields.number(2)
            walk.kinds[item] = fields.raw(4)


def _read_properties(walk: _Walk, body: memoryview) -> None:
    for kind, box in _boxes(walk, body, CORRUPT):
        if kind == b"ipco":
            for name, each in _boxes(walk, box, CORRUPT):
                walk.sizes.append(_spatial_extent(walk, each) if name == b"ispe" else (0, 0))
        elif kind == b"ipma":
            _read_associations(walk, box)


def _spatial_extent(walk: _Walk, body: memoryview) -> tuple[int, int]:
    reader = _Reader(body)
    reader.number(4)
    width, height = reader.number(4), reader.number(4)
    if width * height > walk.limits.max_other_pixels:
        raise Refusal(TOO_MANY_PIXELS, f"ispe {width} x {height}")
    return width, height


def _read_associations(walk: _Walk, body: memoryview) -> None:
    reader = _Reader(body)
    head = reader.number(4)
    item_size, index_size = (2 if head >> 24 == 0 else 4), 1 + (head & 1)
    entries = reader.number(4)
    walk.count(entries)
    for _ in range(entries):
        item = reader.number(item_size)
        mask = 0x7FFF if index_size == 2 else 0x7F
        number = reader.number(1)
        walk.count(number)
        indices = [reader.number(index_size) & mask for _ in range(number)]
        if item == walk.primary:
            walk.primary_properties = indices


def _check_locations(walk: _Walk, body: memoryview) -> None:
    reader = _Reader(body)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    items = reader.number(2 if version < 2 else 4)
    walk.count(items)
    remarks = 0
    for _ in range(items):
        item = reader.number(2 if version < 2 else 4)
        method = reader.number(2) & 15 if version else _IN_FILE
        reader.number(2)
        base = reader.number(base_size)
        extents = reader.number(2)
        walk.count(extents)
        for _ in range(extents):
            reader.number(index_size)
            start, length = base + reader.number(offset_size), reader.number(length_size)
            _check_extent(walk, method, start, length)
            remarks += length if walk.kinds.get(item) in _REMARK_ITEMS else 0
    if remarks > walk.limits.max_metadata_bytes:
        raise Refusal(METADATA, "Exif and XMP items")


def _check_extent(walk: _Walk, method: int, start: int, length: int) -> None:
    room = {_IN_FILE: len(walk.data), _IN_IDAT: walk.idat_size}.get(method)
    if room is not None and start + length > room:
        raise Refusal(TRUNCATED, "item reaches beyond the file")


def _primary_size(walk: _Walk) -> IsobmffFacts:
    own = [walk.sizes[index - 1] for index in walk.primary_properties if 0 < index <= len(walk.sizes)]
    width, height = max(own or walk.sizes, default=(0, 0), key=lambda size: size[0] * size[1])
    check_dimensions(width, height, walk.limits, max_pixels=walk.limits.max_other_pixels)
    return IsobmffFacts(width, height)
