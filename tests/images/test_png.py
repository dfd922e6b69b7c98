"""The structural guard of PNG: each rule at its edge, before any decoder sees the file."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from splitleaf.images.png import inspect_png
from tests.images.corpus.images import photo, png
from tests.images.corpus.surgery import (
    PNG_SIGNATURE,
    chunk,
    header,
    insert_chunks,
    png_of,
)
from tests.images.guarding import LIMITS, code_of


def test_png_facts_are_those_of_the_file() -> None:
    facts = inspect_png(png(photo(67, 45)) + b"tail", LIMITS)
    assert (facts.width, facts.height, facts.depth, facts.color) == (67, 45, 8, 2)
    assert facts.end == len(png(photo(67, 45)))


PIXELS = zlib.compress(bytes(64 * (1 + 64 * 3)))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (png_of(header(64, 64, 3), data=PIXELS), "image_corrupt"),
        (png_of(header(64, 64, 8, 5), data=PIXELS), "image_corrupt"),
        (png_of(header(64, 64, 8, 2, 2), data=PIXELS), "image_corrupt"),
        (png_of(chunk(b"IHDR", bytes(12)), data=PIXELS), "image_corrupt"),
        (png_of(chunk(b"tEXt", b"a\0"), header(64, 64), data=PIXELS), "image_corrupt"),
        (png_of(header(64, 64), header(64, 64), data=PIXELS), "image_corrupt"),
        (png_of(header(64, 64), chunk(b"NEWC", b"?"), data=PIXELS), "image_corrupt"),
        (png_of(header(64, 64)), "image_truncated"),
        (png_of(header(64, 64), data=PIXELS[:-8]), "image_truncated"),
        (png_of(header(64, 64), data=zlib.compress(bytes(64 * 193 - 1))), "image_truncated"),
        (png_of(header(64, 64), data=zlib.compress(bytes(64 * 193 + 1))), "image_corrupt"),
        (png_of(header(64, 64, interlace=1), data=PIXELS), "image_truncated"),
        (PNG_SIGNATURE + b"\xff\xff\xff\xffIHDR" + bytes(99), "image_truncated"),
    ],
    ids=[
        "depth 3",
        "colour 5",
        "interlace 2",
        "short IHDR",
        "IHDR is second",
        "two IHDR",
        "unknown critical chunk",
        "no IDAT",
        "data without an end",
        "a byte too few",
        "a byte too many",
        "Adam7 with the data of no Adam7",
        "endless chunk",
    ],
)
def test_a_png_that_contradicts_itself_is_refused(data: bytes, code: str) -> None:
    assert code_of(inspect_png, data) == code


def test_the_right_pixels_in_many_pieces_are_fine() -> None:
    pieces = [chunk(b"IDAT", PIXELS[at : at + 3]) for at in range(0, len(PIXELS), 3)]
    inspect_png(png_of(header(64, 64), *pieces), LIMITS)


def test_compressed_remarks_are_inflated_only_as_far_as_they_may_go() -> None:
    limits = replace(LIMITS, max_metadata_bytes=10_000)
    for kind, start in ((b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")):
        fine, bomb = (chunk(kind, start + zlib.compress(bytes(size))) for size in (9_999, 10_001))
        inspect_png(insert_chunks(png(), fine), limits)
        assert code_of(inspect_png, insert_chunks(png(), bomb), limits) == "image_corrupt", kind
        inspect_png(insert_chunks(png(), chunk(kind, start + b"not zlib")), limits)


def test_chunks_of_a_png_are_counted() -> None:
    few = replace(LIMITS, max_png_chunks=20)
    assert code_of(inspect_png, insert_chunks(png(), *[chunk(b"tEXt", b"a\0")] * 20), few) == "image_corrupt"
