"""The appearance of an image in seven cheap measures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.preprocessing import ColorOrder

_SAMPLES = 32
"""Rows, and pixels per row, that are sampled. More samples change the measures less than images of one leaf differ."""
# Luminance (ITU-R BT.601), red - green, blue - green, and the mean; of red, green, blue.
_PLANES = np.array([[0.299, 0.587, 0.114], [1, -1, 0], [0, -1, 1], [1 / 3, 1 / 3, 1 / 3]], dtype=np.float32)
_WEIGHTS = {
    ColorOrder.RGB: _PLANES,
    ColorOrder.BGR: np.ascontiguousarray(_PLANES[:, ::-1]),
    ColorOrder.GRAY: _PLANES.sum(axis=1, keepdims=True),
}

Seven = tuple[float, float, float, float, float, float, float]


def measure_appearance(pixels: NDArray[np.generic], color: ColorOrder) -> Seven:
    """Return the values of `core.measures.APPEARANCE` for pixels (height, width, channels) from 0 to 255.

    brightness: mean of all channels. contrast: standard deviation of the luminance. redness, blueness: mean of red and
    of blue, minus green's. sharpness: ln(1/2 + mean difference of the luminance to the next pixel). red and blue
    variety: ln(1 + mean distance of red and of blue from green).
    """
    height, width, _ = pixels.shape
    rows, step = pixels[:: max(1, height // _SAMPLES)], max(1, width // _SAMPLES)
    planes = _weighted(rows[:, : width - 1 : step] if width > 1 else rows, _WEIGHTS[color])
    luminance = planes[0]
    # Sums as matrix products: for so few numbers, the overhead of a reduction call exceeds its cost.
    ones = np.full(luminance.size, 1 / luminance.size, dtype=np.float32)
    mean, redness, blueness, brightness = (planes @ ones).tolist()
    _, red_distance, blue_distance, _ = (np.abs(planes) @ ones).tolist()
    contrast = math.sqrt(max(0.0, float(luminance @ luminance) / luminance.size - mean * mean))
    difference = 0.0
    if width > 1:
        beside = _weighted(rows[:, 1::step], _WEIGHTS[color][:1])[0]
        difference = float(np.abs(beside - luminance) @ ones)
    return (
        brightness,
        contrast,
        redness,
        blueness,
        math.log(0.5 + difference),
        math.log1p(red_distance),
        math.log1p(blue_distance),
    )


def _weighted(pixels: NDArray[np.generic], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (planes, places) of pixels (rows, columns, channels)."""
    return weights @ pixels.reshape(-1, pixels.shape[2]).astype(np.float32).T
