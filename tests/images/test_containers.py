"""The structural guards of WebP, HEIC and AVIF: each rule at its edge, before any decoder sees the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

from splitleaf.images.isobmff import inspect_isobmff
from splitleaf.images.webp import inspect_webp
from tests.images.corpus.images import avif, encoded, heic, photo
from tests.images.corpus.surgery import (
    box,
    resized_extent,
)
from tests.images.guarding import LIMITS, code_of, webp, with_bytes

VP8L = encoded(photo(64, 48), "WEBP", lossless=True)[20:]
VP8 = encoded(photo(64, 48), "WEBP")[20:]
EXTENDED = bytes(4) + (63).to_bytes(3, "little") + (47).to_bytes(3, "little")


@pytest.mark.parametrize("stream", [(b"VP8L", VP8L), (b"VP8 ", VP8)], ids=["lossless", "lossy"])
def test_webp_facts_are_those_of_the_file(stream: tuple[bytes, bytes]) -> None:
    facts = inspect_webp(webp((b"VP8X", EXTENDED), stream) + b"tail", LIMITS)
    assert (facts.width, facts.height) == (64, 48)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (webp((b"VP8X", EXTENDED)), "image_corrupt"),
        (webp((b"VP8X", EXTENDED[:9]), (b"VP8L", VP8L)), "image_corrupt"),
        (webp((b"VP8X", with_bytes(EXTENDED, 4, b"\x40")), (b"VP8L", VP8L)), "image_corrupt"),
        (webp((b"VP8X", b"\x02" + EXTENDED[1:]), (b"VP8L", VP8L)), "image_animated"),
        (webp((b"ANMF", bytes(16)), (b"VP8L", VP8L)), "image_animated"),
        (webp((b"VP8L", VP8L), (b"VP8L", VP8L)), "image_corrupt"),
        (webp((b"VP8L", b"\x2e" + VP8L[1:])), "image_corrupt"),
        (webp((b"VP8 ", VP8[:3] + b"???" + VP8[6:])), "image_corrupt"),
        (webp((b"XMP ", bytes(2_000_000)), (b"VP8L", VP8L)), "metadata_too_large"),
        (webp(*[(b"ABCD", b"")] * 4001), "image_too_complex"),
        (with_bytes(webp((b"VP8L", VP8L)), 16, b"\xff\xff\xff\x00"), "image_corrupt"),
        (b"RIFF\x04\0\0\0WEBP", "image_corrupt"),
    ],
    ids=[
        "no image",
        "short VP8X",
        "another canvas",
        "animation flag",
        "animation frame",
        "two images",
        "lossless signature",
        "start code",
        "2 MB of XMP",
        "4,001 chunks",
        "chunk beyond the end",
        "nothing inside",
    ],
)
def test_a_webp_that_contradicts_itself_is_refused(data: bytes, code: str) -> None:
    assert code_of(inspect_webp, data) == code


@pytest.mark.parametrize("make", [heic, avif])
def test_isobmff_facts_are_those_of_the_file(make: Callable[[], bytes]) -> None:
    facts = inspect_isobmff(make(), LIMITS)
    assert (facts.width, facts.height) == (320, 240)


@pytest.mark.parametrize("make", [heic, avif])
def test_an_extent_is_believed_only_within_the_limits(make: Callable[[], bytes]) -> None:
    assert code_of(inspect_isobmff, resized_extent(make(), 5001, 5000)) == "image_too_many_pixels"
    assert code_of(inspect_isobmff, resized_extent(make(), 16, 16)) == "image_too_small"
    assert code_of(inspect_isobmff, resized_extent(make(), 0, 240)) == "image_corrupt"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (with_bytes(heic(), 8, b"hevc"), "image_animated"),
        (with_bytes(avif(), 8, b"avis"), "image_animated"),
        (box(b"ftyp", b"heic\0\0\0\0") + box(b"mdat", bytes(99)), "image_corrupt"),
        (box(b"ftyp", b"heic\0\0\0\0") + b"\0\0\0\x04meta", "image_corrupt"),
        (box(b"ftyp", b"heic\0\0\0\0") + b"\0\0\x10\0meta" + bytes(9), "image_truncated"),
        (box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4) + box(b"pitm", b"\0")), "image_corrupt"),
        (box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4)), "image_corrupt"),
        (heic() + box(b"free", b"") * 4000, "image_too_complex"),
        (
            box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4) + box(b"iinf", bytes(4) + b"\xff\xff")),
            "image_too_complex",
        ),
    ],
    ids=[
        "HEIC sequence",
        "AVIF sequence",
        "no meta",
        "box of 4 bytes",
        "box beyond the end",
        "short pitm",
        "empty meta",
        "4,000 boxes",
        "65,535 items",
    ],
)
def test_a_container_that_contradicts_itself_is_refused(data: bytes, code: str) -> None:
    assert code_of(inspect_isobmff, data) == code


def test_a_box_may_reach_to_the_end_of_the_file() -> None:
    data = avif()
    at = data.index(b"mdat") - 4
    assert inspect_isobmff(with_bytes(data, at, bytes(4)), LIMITS).width == 320


def test_endless_exif_of_a_heic_is_refused() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    data = heic(exif=exif.tobytes())
    assert code_of(inspect_isobmff, data, replace(LIMITS, max_metadata_bytes=50_000)) == "metadata_too_large"
    inspect_isobmff(data, replace(LIMITS, max_metadata_bytes=70_000))
