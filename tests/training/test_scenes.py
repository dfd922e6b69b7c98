"""Drawn images have the right size, are reproducible, and show the leaf."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from PIL import Image, ImageDraw

from training.field import FieldPhoto
from training.mixture import CHUNK, SHARES, Kind, Mixture
from training.photos import Photo
from training.scenes import BACKGROUNDS, compose, crop_field, cut_out, draw_background, relight, turn

SIDE = 64


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(1)


def leaf_photo(file: Path) -> Path:
    """A green ellipse on grey."""
    image = Image.new("RGB", (96, 96), (130, 128, 132))
    ImageDraw.Draw(image).ellipse((20, 10, 70, 86), fill=(30, 140, 40))
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, quality=95)
    return file


def greenness(image: Image.Image) -> float:
    """Share of the pixels that are plainly green."""
    red, green, blue = np.moveaxis(np.asarray(image, np.float32), 2, 0)
    return float(((green > 1.4 * red) & (green > 1.4 * blue)).mean())


@pytest.mark.parametrize("background", sorted({*BACKGROUNDS} - {"plain"}))
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_leaf_lies_on_each_background(tmp_path: Path, rng: Generator, background: str, count: int) -> None:
    leaf = cut_out(leaf_photo(tmp_path / f"{background}{count}.jpg"))
    assert leaf is not None
    bare = draw_background(rng, SIDE, background, Image.new("RGB", (9, 9), (90, 90, 90)))
    scene = compose([leaf] * count, bare, rng)
    assert scene.size == (SIDE, SIDE)
    assert greenness(scene) > greenness(bare) + 0.03


def test_a_cut_out_leaf_has_no_pixels_of_its_background(tmp_path: Path) -> None:
    leaf = cut_out(leaf_photo(tmp_path / "leaf.jpg"))
    assert leaf is not None
    opaque = np.asarray(leaf)[np.asarray(leaf.getchannel("A")) > 0]
    assert (opaque[:, 1] > opaque[:, 0]).mean() > 0.95
    assert cut_out.__wrapped__(plain_photo(tmp_path / "nothing.jpg")) is None


def plain_photo(file: Path) -> Path:
    Image.new("RGB", (96, 96), (120, 120, 120)).save(file)
    return file


def test_a_crop_around_a_box_shows_what_is_in_it(rng: Generator) -> None:
    image = Image.new("RGB", (200, 100), (100, 100, 100))
    ImageDraw.Draw(image).rectangle((100, 20, 180, 80), fill=(20, 150, 30))
    shares = [greenness(crop_field(image, ((0.5, 0.2, 0.9, 0.8),), rng, SIDE)) for _ in range(60)]
    around_the_box = [share for share in shares if share > 0.35]
    assert 15 < len(around_the_box) < 50


def test_turning_shows_no_border(rng: Generator) -> None:
    white = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    assert min(np.asarray(turn(white, rng, 40)).min() for _ in range(20)) == 255


def test_light_changes_but_the_size_does_not(rng: Generator) -> None:
    image = Image.new("RGB", (SIDE, SIDE), (120, 130, 90))
    brightness = [float(np.asarray(relight(image, rng, 1.0)).mean()) for _ in range(20)]
    assert max(brightness) - min(brightness) > 20


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    plain = [Photo(leaf_photo(tmp_path / f"{label}/{n}.jpg"), label, True) for label in range(2) for n in range(3)]
    kinds = ("leaf_field", "leaf_lab", "fruit", "tomato_fruit")
    others = [FieldPhoto(leaf_photo(tmp_path / f"{kind}/1.jpg"), kind, "other") for kind in kinds]
    field = [FieldPhoto(leaf_photo(tmp_path / "blight/1.jpg"), "field", "blight")]
    return Mixture(("blight", "healthy"), plain, [*field, *others], [], 32)


def test_a_chunk_is_fixed_by_its_number(mixture: Mixture) -> None:
    one, again, other = mixture.draw(3), mixture.draw(3), mixture.draw(4)
    for left, right in zip(one, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(one[0], other[0])


def test_a_chunk_holds_all_kinds_in_their_shares_with_fitting_labels(mixture: Mixture) -> None:
    pixels, labels, kinds = mixture.draw(0)
    assert pixels.shape == (CHUNK, 32, 32, 3)
    shares = np.bincount(kinds, minlength=len(SHARES)) / CHUNK
    assert shares == pytest.approx([SHARES[kind] for kind in Kind], abs=0.07)
    assert set(labels[kinds == Kind.FIELD]) == {0}
    assert set(labels[kinds == Kind.PLAIN]) == {0, 1}
    assert set(labels[kinds == Kind.OTHER]) == {2}
