"""The leaf is cut out of a plain background; where that fails, it returns None."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.segmentation import leaf_mask, otsu_threshold

SIDE = 96


def leaf_photo(*, lesion: bool = False, shadow: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A green disc on a grey ground with noise, and where it lies."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE]
    leaf = (y - 48) ** 2 + (x - 48) ** 2 < 30**2
    pixels = np.where(leaf[..., None], (70.0, 110.0, 60.0), (150.0, 145.0, 155.0))
    if shadow:
        pixels[(y - 60) ** 2 + (x - 66) ** 2 < 30**2] *= 0.35
        pixels[leaf] = (70, 110, 60)
    if lesion:
        pixels[(y - 48) ** 2 + (x - 40) ** 2 < 8**2] = (140, 136, 143)
    return np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8), leaf


def test_the_leaf_is_found() -> None:
    pixels, leaf = leaf_photo()
    mask = leaf_mask(pixels)
    assert mask is not None
    assert (mask == leaf).mean() > 0.97


def test_a_lesion_as_grey_as_the_ground_stays_in_the_leaf() -> None:
    pixels, leaf = leaf_photo(lesion=True)
    mask = leaf_mask(pixels)
    assert mask is not None
    assert mask[48, 40]
    assert (mask == leaf).mean() > 0.97


def test_a_shadow_is_not_a_leaf() -> None:
    pixels, leaf = leaf_photo(shadow=True)
    mask = leaf_mask(pixels)
    assert mask is not None
    assert (mask == leaf).mean() > 0.95


def test_a_photo_without_a_leaf_has_no_mask() -> None:
    assert leaf_mask(np.full((SIDE, SIDE, 3), 128, np.uint8)) is None


def test_the_threshold_lies_between_two_heaps() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(1, 0.1, 500), rng.normal(3, 0.1, 300)])
    assert 1.2 < otsu_threshold(values) < 2.8
