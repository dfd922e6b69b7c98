"""Which pixels of a photo show the leaf, where the background is plain."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

EDGE = 1 / 18
"""Share of the side that is taken for background: the frame, without the lower edge, where stalks lie."""
DARK = 40.0
"""Added to each pixel's sum of channels, so that noise in shadows has no colour."""
FARTHEST = 0.12
PLAUSIBLE = (0.08, 0.92)
"""A leaf covers a share of the image between these; otherwise the segmentation has failed."""


def leaf_mask(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Return which pixels of (height, width, 3) 8-bit RGB show the leaf, or None where that cannot be told.

    The distance of a pixel's chromaticity from the frame's median is split at Otsu's threshold; the largest
    region counts, with its holes filled: lesions are as grey as the background, but inside the leaf.
    """
    distance = _distance_from_frame(pixels)
    regions, count = ndimage.label(distance > otsu_threshold(distance))
    if not count:
        return None
    sizes = np.bincount(regions.ravel())[1:]
    mask = ndimage.binary_closing(np.pad(regions == 1 + int(sizes.argmax()), 2), iterations=2)[2:-2, 2:-2]
    mask = ndimage.binary_fill_holes(mask)
    return mask if PLAUSIBLE[0] <= mask.mean() <= PLAUSIBLE[1] else None


def otsu_threshold(values: NDArray[np.floating[Any]], bins: int = 64) -> float:
    """Return the value that splits a histogram into the two most separate parts (Otsu 1979)."""
    counts, edges = np.histogram(values, bins)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts) / counts.sum()
    moment = np.cumsum(counts * centres) / counts.sum()
    between = (moment[-1] * below - moment) ** 2 / np.maximum(below * (1 - below), 1e-9)
    return float(centres[between.argmax()])


def _distance_from_frame(pixels: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
    smooth = ndimage.gaussian_filter(pixels.astype(np.float32), (1, 1, 0)) + DARK / 3
    colour = smooth / smooth.sum(axis=2, keepdims=True)
    wide = max(1, round(len(pixels) * EDGE))
    frame = np.concatenate([part.reshape(-1, 3) for part in (colour[:wide], colour[:, :wide], colour[:, -wide:])])
    distance = np.linalg.norm(colour - np.median(frame, axis=0), axis=2)
    capped: NDArray[np.floating[Any]] = np.minimum(distance, FARTHEST)
    return capped
