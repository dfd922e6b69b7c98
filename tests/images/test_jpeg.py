"""The structural guard of JPEG: each rule at its edge, before any decoder sees the file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from splitleaf.images.jpeg import inspect_jpeg
from tests.images.corpus.images import jpeg, photo
from tests.images.corpus.surgery import (
    COM,
    SOS,
    frame_offset,
    segment,
    segments,
    with_segment,
)
from tests.images.guarding import LIMITS, code_of, with_bytes


def test_jpeg_facts_are_those_of_the_file() -> None:
    facts = inspect_jpeg(jpeg(photo(67, 45), progressive=True) + b"tail", LIMITS)
    assert (facts.width, facts.height, facts.components, facts.progressive) == (67, 45, 3, True)
    assert facts.end == len(jpeg(photo(67, 45), progressive=True))
    assert facts.scans > 1


@pytest.mark.parametrize("process", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_other_jpeg_processes_are_not_accepted(process: int) -> None:
    data = jpeg()
    assert code_of(inspect_jpeg, with_bytes(data, frame_offset(data) + 1, bytes([process]))) == "unsupported_media_type"


def test_a_jpeg_of_12_bits_is_not_accepted() -> None:
    data = jpeg()
    assert code_of(inspect_jpeg, with_bytes(data, frame_offset(data) + 4, b"\x0c")) == "unsupported_media_type"


@pytest.mark.parametrize(
    ("offset", "new"),
    [(9, b"\x02"), (9, b"\x05"), (11, b"\x51"), (11, b"\x10"), (13, b"\x01")],
    ids=["2 components", "5 components", "sampling 5", "sampling 0", "the same name twice"],
)
def test_a_jpeg_frame_that_contradicts_itself_is_corrupt(offset: int, new: bytes) -> None:
    data = jpeg()
    assert code_of(inspect_jpeg, with_bytes(data, frame_offset(data) + offset, new)) == "image_corrupt"


def test_a_second_jpeg_frame_is_corrupt() -> None:
    data = jpeg()
    at = frame_offset(data)
    frame = data[at : at + 19]
    assert code_of(inspect_jpeg, data[:at] + frame + data[at:]) == "image_corrupt"


def test_a_jpeg_marker_that_has_no_place_in_a_file_is_corrupt() -> None:
    assert code_of(inspect_jpeg, with_segment(jpeg(), segment(0x02, b"xx"))) == "image_corrupt"
    assert code_of(inspect_jpeg, with_segment(jpeg(), b"rubbish")) == "image_corrupt"


def test_a_jpeg_segment_shorter_than_its_own_length_is_corrupt() -> None:
    assert code_of(inspect_jpeg, with_segment(jpeg(), b"\xff\xe1\0\x01")) == "image_corrupt"


def test_a_jpeg_scan_of_unknown_components_is_corrupt() -> None:
    data = jpeg()
    scan = data.index(bytes((0xFF, SOS)))
    assert code_of(inspect_jpeg, with_bytes(data, scan + 5, b"\x09")) == "image_corrupt"


def test_a_jpeg_scan_before_its_frame_is_corrupt() -> None:
    parts = dict(segments(jpeg()))
    assert code_of(inspect_jpeg, b"\xff\xd8" + parts[SOS] + b"\xff\xd9") == "image_corrupt"


def test_a_jpeg_whose_colours_never_come_is_truncated() -> None:
    """A progressive file has a scan for each; without the scans of one component it ends in order, but is not whole."""
    parts = list(segments(jpeg(progressive=True)))
    kept = [part for marker, part in parts if marker != SOS or (part[4] == 1 and part[5] == 1)]
    assert code_of(inspect_jpeg, b"".join(kept)) == "image_truncated"


def test_the_scans_of_a_jpeg_are_counted() -> None:
    data = jpeg(progressive=True)
    scans = inspect_jpeg(data, LIMITS).scans
    inspect_jpeg(data, replace(LIMITS, max_scans=scans))
    assert code_of(inspect_jpeg, data, replace(LIMITS, max_scans=scans - 1)) == "image_too_complex"
    work = scans * 320 * 240
    inspect_jpeg(data, replace(LIMITS, max_scan_pixels=work))
    assert code_of(inspect_jpeg, data, replace(LIMITS, max_scan_pixels=work - 1)) == "image_too_complex"


def test_what_a_progressive_jpeg_makes_its_decoder_remember_is_bounded() -> None:
    few = replace(LIMITS, max_coefficient_bytes=100_000)
    assert code_of(inspect_jpeg, jpeg(progressive=True), few) == "image_too_complex"
    inspect_jpeg(jpeg(), few)


def test_remarks_of_a_jpeg_are_counted_together() -> None:
    half = segment(COM, bytes(60_000))
    limits = replace(LIMITS, max_metadata_bytes=122_000)
    inspect_jpeg(with_segment(jpeg(), half, half), limits)
    assert code_of(inspect_jpeg, with_segment(jpeg(), half, half, half), limits) == "metadata_too_large"
