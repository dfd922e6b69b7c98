"""The 75 hostile and the 28 odd images through HTTP, and what is left of them in the running system."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from splitleaf.images.limits import MIB, ImageLimits
from tests.images.corpus import ALL, HOSTILE, ODD, Case
from tests.images.corpus.images import avif, encoded, heic, jpeg, png
from tests.images.corpus.serving import Served, Watch, send_all, served_table
from tests.images.corpus.surgery import COM, chunk, insert_chunks, segment, with_segment
from tests.support.repositories import LABELS, SIDE
from tests.system.running import RunningSystem

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MARKER = b"MARKER-47.3769N-8.5417E"


@dataclass(frozen=True)
class Round:
    """One pass of all cases through the system."""

    rows: dict[str, Served]
    watch: Watch
    apis_before: list[int]


@pytest.fixture(scope="module")
def served(system: RunningSystem) -> Round:
    watch = Watch(system.process.pid)
    apis = system.pids("api")
    rows = send_all(ALL, system.url, watch)
    return Round({row.case.name: row for row in rows}, watch, apis)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_each_image_gets_what_the_tables_promise(served: Round, case: Case) -> None:
    row = served.rows[case.name]
    assert row.is_right, served_table([row])


@pytest.mark.parametrize("case", ODD, ids=lambda case: case.name)
def test_the_network_sees_the_colours_of_an_odd_image(served: Round, case: Case) -> None:
    """The network of these tests names the channel that is brightest on the whole."""
    assert case.reference is not None
    means = case.reference().reshape(-1, 3).mean(axis=0)
    brightest = {label for label, mean in zip(LABELS, means, strict=True) if mean >= means.max() - 1}
    assert served.rows[case.name].got in brightest


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_a_raw_body_is_refused_like_a_part_of_a_form(client: httpx.Client, case: Case) -> None:
    answer = client.post("/v1/predictions", content=case.data, headers={"Content-Type": "image/jpeg"})
    assert (answer.status_code, answer.json()["code"]) == (case.status, case.code)


def test_no_image_costs_more_than_promised(served: Round) -> None:
    assert any(row.extra_mib for row in served.rows.values()), "the children were watched"
    for row in served.rows.values():
        # An accepted image is promised in 2 s on a machine of its own; these tests share theirs.
        most_ms, most_mib = (1000, 200) if row.case.code else (4000, 350)
        assert row.ms < most_ms, served_table([row])
        assert (row.extra_mib or 0.0) < most_mib, served_table([row])


def test_the_system_lives_on_and_holds_no_more_memory_than_allowed(served: Round, system: RunningSystem) -> None:
    assert httpx.get(f"{system.url}/readyz", timeout=5).status_code == 200
    assert system.pids("api") == served.apis_before
    most = ImageLimits().max_resident_bytes / MIB
    deadline = time.monotonic() + 20
    while len(resident := served.watch.decoders_mib()) != 2 or max(resident) > most:
        assert time.monotonic() < deadline, f"the children hold {resident} MiB"
        time.sleep(0.1)
    assert served.watch.resident_mib() < 2 * most + 200


def _marked() -> Iterator[tuple[str, bytes]]:
    """(what carries the marker, the file)."""
    exif = Image.Exif()
    exif[0x010E] = MARKER.decode()
    exif.get_ifd(0x8825)[0x1B] = MARKER
    raw = exif.tobytes()
    yield "JPEG: EXIF and GPS", jpeg(exif=raw)
    yield "JPEG: COM", with_segment(jpeg(), segment(COM, MARKER))
    yield "JPEG: tail", jpeg() + MARKER * 99
    yield "JPEG: profile", jpeg(icc_profile=MARKER * 20)
    yield "PNG: text", insert_chunks(png(), chunk(b"tEXt", b"Comment\0" + MARKER))
    yield "WebP: XMP", encoded(None, "WEBP", xmp=MARKER)
    yield "HEIC: EXIF", heic(exif=raw)
    yield "AVIF: EXIF", avif(exif=raw)
    yield "PNG: of one grey", png(np.full((64, 64, 3), 0xFE, np.uint8)) + MARKER
    yield "refused", with_segment(jpeg(), segment(COM, MARKER))[:-2]


def test_nothing_of_the_file_but_its_pixels_is_kept_anywhere(client: httpx.Client, system: RunningSystem) -> None:
    """The broker's log, the database and the log of all processes lie in the data folder."""
    unit = {"Prefer": "wait=30", "Splitleaf-Unit": "marked"}
    for what, data in _marked():
        assert MARKER in data, what
        files = {"file": (f"{MARKER.decode()}.jpg", data, f"image/{MARKER.decode()}")}
        answer = client.post("/v1/predictions", files=files, headers=unit)
        assert answer.status_code == (422 if what == "refused" else 200), what
        assert MARKER.decode() not in answer.text + str(answer.headers), what
    time.sleep(2)  # the broker writes its log once a second
    kept = [path for path in system.data.rglob("*") if path.is_file()]
    assert any(_holds(path, b"\xfe" * SIDE * SIDE * 3) for path in kept), "the broker's log does not show pixels"
    assert [path for path in kept if _holds(path, MARKER)] == []


def _holds(path: Path, content: bytes) -> bool:
    return content in path.read_bytes()
