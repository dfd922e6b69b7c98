"""Kept images in a folder: whole or not at all, found by id, gone when they should be; and what a kept image is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splitleaf.core.errors import DependencyDown
from splitleaf.core.ids import new_prediction_id
from splitleaf.images.decoded import decode_image
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.images.reencoding import bounded_spec, to_jpeg

NOW_MS = 1_800_000_000_000


@pytest.fixture
def archive(tmp_path: Path) -> DirectoryImageArchive:
    return DirectoryImageArchive(tmp_path / "images")


def kept(archive: DirectoryImageArchive, folder: Path, *, age_ms: int = 0, size: int = 10) -> str:
    one = new_prediction_id()
    archive.keep(one, b"x" * size)
    at_s = (NOW_MS - age_ms) / 1000
    os.utime(folder / "images" / one[:2] / f"{one}.jpg", (at_s, at_s))
    return one


def test_an_image_comes_back_as_it_was_kept_until_it_is_discarded(archive: DirectoryImageArchive) -> None:
    one = new_prediction_id()
    assert (archive.load(one), archive.holds(one), archive.discard(one)) == (None, False, False)
    archive.keep(one, b"first")
    archive.keep(one, b"second")
    assert (archive.load(one), archive.holds(one)) == (b"second", True)
    assert (archive.discard(one), archive.load(one)) == (True, None)


def test_only_its_owner_can_read_what_is_kept(archive: DirectoryImageArchive, tmp_path: Path) -> None:
    one = new_prediction_id()
    archive.keep(one, b"x")
    shard = tmp_path / "images" / one[:2]
    assert (shard.stat().st_mode & 0o777, (shard / f"{one}.jpg").stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 25, "A" * 26, f"{'a' * 25}/", "0" * 26])
def test_a_path_is_made_of_nothing_but_an_id(archive: DirectoryImageArchive, name: str) -> None:
    with pytest.raises(ValueError, match="id"):
        archive.load(name)


def test_a_write_that_fails_leaves_nothing_behind(
    archive: DirectoryImageArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DependencyDown, match="No space left"):
        archive.keep(new_prediction_id(), b"x")
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


def test_what_is_old_goes_first_and_then_the_oldest_until_the_rest_fits(
    archive: DirectoryImageArchive, tmp_path: Path
) -> None:
    old, middle, young = (kept(archive, tmp_path, age_ms=age) for age in (9_000, 2_000, 1_000))
    swept = archive.sweep(NOW_MS - 5_000, max_bytes=100)
    assert (swept.discarded, swept.kept, swept.kept_bytes, archive.holds(old)) == (1, 2, 20, False)
    swept = archive.sweep(NOW_MS - 5_000, max_bytes=15)
    assert (swept.discarded, archive.holds(middle), archive.holds(young)) == (1, False, True)
    assert archive.sweep(NOW_MS - 5_000, max_bytes=15).discarded == 0


def test_what_a_process_that_died_left_unfinished_is_swept_too(archive: DirectoryImageArchive, tmp_path: Path) -> None:
    one = kept(archive, tmp_path)
    unfinished = tmp_path / "images" / one[:2] / "tmpabc.part"
    unfinished.write_bytes(b"half")
    os.utime(unfinished, (0, 0))
    assert archive.sweep(NOW_MS - 5_000, max_bytes=100).discarded == 1
    assert (unfinished.exists(), archive.holds(one)) == (False, True)


def test_a_sweep_of_a_folder_that_is_not_there_finds_nothing(archive: DirectoryImageArchive) -> None:
    assert archive.sweep(NOW_MS, 0).kept == 0


@pytest.mark.parametrize(
    ("size", "expected"), [((3_000, 1_500), (1_024, 512)), ((900, 1_200), (768, 1_024)), ((64, 48), (64, 48))]
)
def test_a_kept_image_is_bounded_never_enlarged_and_looks_the_same(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    width, height = size
    across = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    across[..., 1] = np.linspace(255, 0, height)[:, None]
    buffer = io.BytesIO()
    Image.fromarray(across.astype(np.uint8)).save(buffer, "PNG")
    decoded = decode_image(buffer.getvalue(), [bounded_spec(*size, 1_024)])
    image = Image.open(io.BytesIO(to_jpeg(decoded.tensors[0])))
    assert (image.size, image.format) == (expected, "JPEG")
    reference = Image.open(buffer).resize(expected, Image.Resampling.BOX)
    difference = np.abs(np.asarray(image, dtype=float) - np.asarray(reference, dtype=float))
    assert difference.mean() < 2.0
