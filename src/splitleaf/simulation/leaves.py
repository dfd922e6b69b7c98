"""Images of leaves that never grew: drawn by number, so that the truth is known and every run sees the same."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray

SIDE: Final = 96
SPOTS: Final = {
    "healthy": (0.29, 0.62, 0.50),
    "rust": (0.08, 0.78, 0.68),
    "mildew": (0.22, 0.16, 0.78),
    "blight": (0.09, 0.55, 0.36),
}
"""Condition -> hue, saturation and value of its spots, each 0 to 1."""
LABELS: Final = tuple(SPOTS)
_GREEN: Final = (0.29, 0.60, 0.52)
_LIGHT: Final = 0.33
"""Standard deviation of ln(brightness): from dusk to noon."""
_COVER: Final = (0.2, 0.6)
"""Least and largest part of a leaf that its spots cover."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """An image and what it shows."""

    jpeg: bytes
    truth: str


def draw_leaf(seed: int, number: int, darkness: float = 0.0) -> Leaf:
    """Return the leaf of this number, photographed on a dark cloth.

    `darkness` from 0 to 1 takes light from all images: the drift of a season.
    """
    rng = np.random.default_rng((seed, number))
    truth = LABELS[int(rng.integers(len(LABELS)))]
    light = float(np.exp(rng.normal(0, _LIGHT))) * (1 - 0.6 * darkness)
    leaf, spots = _shape(rng), _spots(rng)
    image = np.full((SIDE, SIDE, 3), (14.0, 13.0, 12.0))
    image[leaf] = _colour(rng, _GREEN)
    image[leaf & spots] = _colour(rng, SPOTS[truth])
    image = image * light + rng.normal(0, 5, image.shape)
    pixels = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    return Leaf(bytes(simplejpeg.encode_jpeg(pixels, quality=88, colorspace="RGB")), truth)


def _shape(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where the leaf is: an ellipse, turned and not quite in the middle."""
    y, x = _grid()
    angle, length = rng.uniform(0, np.pi), rng.uniform(0.62, 0.8)
    dx, dy = x - rng.uniform(-0.06, 0.06), y - rng.uniform(-0.06, 0.06)
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    inside: NDArray[np.bool_] = (along / length) ** 2 + (across / (0.62 * length)) ** 2 < 1
    return inside


def _spots(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where spots are: the highest parts of a few random waves."""
    y, x = _grid()
    waves = np.zeros_like(x)
    for _ in range(5):
        waves += np.sin(rng.uniform(-14, 14) * x + rng.uniform(-14, 14) * y + rng.uniform(0, 2 * np.pi))
    high: NDArray[np.bool_] = waves > np.quantile(waves, 1 - rng.uniform(*_COVER))
    return high


def _colour(rng: np.random.Generator, of: tuple[float, float, float]) -> tuple[float, ...]:
    hue, saturation, value = np.clip(np.array(of) + rng.normal(0, (0.015, 0.06, 0.05)), 0, 1)
    return tuple(255 * channel for channel in colorsys.hsv_to_rgb(float(hue), float(saturation), float(value)))


def _grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[-1 : 1 : complex(0, SIDE), -1 : 1 : complex(0, SIDE)]
    return y, x
