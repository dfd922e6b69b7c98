"""What all guards share: dimensions, formats, EXIF, and that none of them is a bomb itself."""

from __future__ import annotations

import struct
import time
from contextlib import suppress

import numpy as np
import pytest

from splitleaf.images.exif import orientation
from splitleaf.images.formats import ImageFormat, check_dimensions, sniff
from splitleaf.images.isobmff import inspect_isobmff
from splitleaf.images.jpeg import inspect_jpeg
from splitleaf.images.png import inspect_png
from splitleaf.images.refusals import Refusal
from splitleaf.images.webp import inspect_webp
from tests.images.corpus.images import avif, encoded, heic, jpeg, photo, png
from tests.images.corpus.surgery import (
    COM,
    DQT,
    box,
    chunk,
    header,
    insert_chunks,
    png_of,
    segment,
    with_segment,
)
from tests.images.guarding import LIMITS, Guard, webp


@pytest.mark.parametrize(
    ("width", "height", "code"),
    [
        (32, 32, None),
        (31, 32, "image_too_small"),
        (640, 32, None),
        (641, 32, "image_bad_aspect"),
        (32, 641, "image_bad_aspect"),
        (12_000, 2_000, None),
        (12_001, 2_000, "image_too_many_pixels"),
        (5_000, 5_000, None),
        (5_001, 5_000, "image_too_many_pixels"),
        (0, 64, "image_corrupt"),
        (64, -1, "image_corrupt"),
    ],
)
def test_dimensions_are_held_at_their_edges(width: int, height: int, code: str | None) -> None:
    if code is None:
        check_dimensions(width, height, LIMITS, max_pixels=LIMITS.max_other_pixels)
        return
    with pytest.raises(Refusal) as caught:
        check_dimensions(width, height, LIMITS, max_pixels=LIMITS.max_other_pixels)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (jpeg(photo(64, 48)), ImageFormat.JPEG),
        (png(photo(64, 48)), ImageFormat.PNG),
        (encoded(photo(64, 48), "WEBP"), ImageFormat.WEBP),
        (heic(photo(64, 48)), ImageFormat.HEIF),
        (avif(photo(64, 48)), ImageFormat.AVIF),
        (box(b"ftyp", b"mif1\0\0\0\0mif1avifmiaf"), ImageFormat.AVIF),
        (box(b"ftyp", b"mif1\0\0\0\0mif1heic"), ImageFormat.HEIF),
    ],
)
def test_a_format_is_known_by_its_first_bytes(data: bytes, kind: ImageFormat) -> None:
    assert sniff(data) is kind


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\x00\x00rest", b"RIFF\x10\0\0\0WAVEfmt ", box(b"ftyp", b"qt  \0\0\0\0"), b"\0"]
)
def test_what_only_resembles_a_format_is_of_none(data: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        sniff(data)
    assert caught.value.code == "unsupported_media_type"


def tiff(order: str, entries: list[tuple[int, int, int, int]], count: int | None = None) -> bytes:
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    body = b"".join(struct.pack(order + "HHIHxx", *entry) for entry in entries)
    return head + struct.pack(order + "H", len(entries) if count is None else count) + body


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_is_read_in_either_byte_order(order: str, prefix: bytes, value: int) -> None:
    assert orientation(prefix + tiff(order, [(0x0100, 3, 1, 7), (0x0112, 3, 1, value)])) == value


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        b"XX*\0\x08\0\0\0\0\0",
        tiff("<", [(0x0112, 3, 1, 0)]),
        tiff("<", [(0x0112, 3, 1, 9)]),
        tiff("<", [(0x0112, 4, 1, 6)]),
        tiff("<", [], count=60_000),
        b"II*\0\xff\xff\xff\xff" + bytes(20),
    ],
    ids=["nothing", "cut", "no byte order", "0", "9", "a long", "more entries than bytes", "far away"],
)
def test_damaged_exif_leaves_an_image_as_it_lies(block: bytes) -> None:
    assert orientation(block) == 1


NOISE = np.random.default_rng(1).integers(0, 255, 9_000_000, np.uint8).tobytes()
LONG: dict[str, tuple[Guard, bytes]] = {
    "JPEG: a scan of 9 MB": (inspect_jpeg, jpeg()[:-2] + NOISE + b"\xff\xd9"),
    "JPEG: 9 MB of fill bytes": (inspect_jpeg, with_segment(jpeg(), b"\xff" * 9_000_000)),
    "JPEG: 2 million empty remarks": (inspect_jpeg, with_segment(jpeg(), segment(COM, b"") * 2_000_000)),
    "JPEG: 2 million empty tables": (inspect_jpeg, with_segment(jpeg(), segment(DQT, b"") * 2_000_000)),
    "PNG: 1,990 remarks": (inspect_png, insert_chunks(png(), *[chunk(b"tEXt", bytes(400))] * 1990)),
    "PNG: 9 MB of tiny IDAT": (inspect_png, png_of(header(64, 64), chunk(b"IDAT", b"\0") * 700_000)),
    "WebP: a million empty chunks": (inspect_webp, webp(*[(b"ABCD", b"")] * 1_000_000)),
    "HEIC: a box of 9 MB": (inspect_isobmff, heic() + box(b"free", NOISE)),
    "HEIC: a million empty boxes": (inspect_isobmff, heic() + box(b"free", b"") * 1_000_000),
    "AVIF: a million associations": (
        inspect_isobmff,
        box(b"ftyp", b"avif\0\0\0\0")
        + box(b"meta", bytes(4) + box(b"iprp", box(b"ipma", bytes(4) + struct.pack(">I", 3990) + (b"\0\1\xff" + bytes(255)) * 3990))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_a_guard_is_not_the_bomb_itself(name: str) -> None:
    """What a guard walks, counts and inflates is bounded: ten megabytes of the worst take less than a second."""
    guard, data = LONG[name]
    start = time.process_time()
    with suppress(Refusal):
        guard(data, LIMITS)
    assert time.process_time() - start < 1.0
