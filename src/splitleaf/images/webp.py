"""Structural guard of WebP (RFC 9649): the RIFF container and the sizes in its bitstream headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from splitleaf.images.exif import orientation
from splitleaf.images.formats import check_dimensions
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import ANIMATED, CORRUPT, METADATA, TOO_COMPLEX, TRUNCATED, Refusal

_ANIMATION_FLAG = 0x02
_LOSSLESS_SIGNATURE = 0x2F
_VP8_START_CODE = b"\x9d\x01\x2a"


@dataclass(slots=True)
class WebpFacts:
    """What the guard learned."""

    width: int = 0
    height: int = 0
    orientation: int = 1
    end: int = 0
    """Offset behind the RIFF chunk; what follows is not ours."""


def inspect_webp(data: bytes, limits: ImageLimits) -> WebpFacts:
    """Walk the chunks.

    Raises:
        Refusal: with the code that the image owes.
    """
    facts = WebpFacts(end=_riff_end(data))
    canvas: tuple[int, int] | None = None
    metadata = 0
    for number, (kind, body) in enumerate(_chunks(data, facts.end)):
        if number >= limits.max_boxes:
            raise Refusal(TOO_COMPLEX, "chunks")
        if kind == b"VP8X":
            canvas = _canvas(body)
            check_dimensions(*canvas, limits, max_pixels=limits.max_other_pixels)
        elif kind in (b"VP8 ", b"VP8L"):
            _take_bitstream(facts, kind, body)
            check_dimensions(facts.width, facts.height, limits, max_pixels=limits.max_other_pixels)
        elif kind in (b"ANIM", b"ANMF"):
            raise Refusal(ANIMATED, "WebP animation")
        elif kind != b"ALPH":
            metadata += len(body)
            if metadata > limits.max_metadata_bytes:
                raise Refusal(METADATA, "RIFF chunks")
            if kind == b"EXIF":
                facts.orientation = orientation(bytes(body))
    if not facts.width or (canvas is not None and canvas != (facts.width, facts.height)):
        raise Refusal(CORRUPT, "no image of the promised size")
    return facts


def _riff_end(data: bytes) -> int:
    size = int.from_bytes(data[4:8], "little")
    end = 8 + size + (size & 1)
    if size < 12 or end > len(data):
        raise Refusal(TRUNCATED if size >= 12 else CORRUPT, "RIFF size")
    return end


def _chunks(data: bytes, end: int) -> Iterator[tuple[bytes, memoryview]]:
    view = memoryview(data)
    at = 12
    while at < end:
        size = int.from_bytes(view[at + 4 : at + 8], "little")
        if at + 8 + size > end:
            raise Refusal(CORRUPT, "chunk reaches beyond RIFF")
        yield bytes(view[at : at + 4]), view[at + 8 : at + 8 + size]
        at += 8 + size + (size & 1)


def _canvas(body: memoryview) -> tuple[int, int]:
    if len(body) < 10:
        raise Refusal(CORRUPT, "VP8X")
    if body[0] & _ANIMATION_FLAG:
        raise Refusal(ANIMATED, "WebP animation")
    return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")


def _take_bitstream(facts: WebpFacts, kind: bytes, body: memoryview) -> None:
    if facts.width:
        raise Refusal(CORRUPT, "two images")
    if kind == b"VP8L":
        if len(body) < 5 or body[0] != _LOSSLESS_SIGNATURE:
            raise Refusal(CORRUPT, "VP8L header")
        bits = int.from_bytes(body[1:5], "little")
        facts.width, facts.height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        return
    if len(body) < 10 or bytes(body[3:6]) != _VP8_START_CODE:
        raise Refusal(CORRUPT, "VP8 header")
    facts.width = int.from_bytes(body[6:8], "little") & 0x3FFF
    facts.height = int.from_bytes(body[8:10], "little") & 0x3FFF
