"""How a picture looks, in seven numbers that cost next to nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.measures import APPEARANCE
from splitleaf.core.preprocessing import ColorOrder

_SAMPLES = 32
"""Rows, and columns of them, that are looked at: more change the numbers by less than pictures of one leaf differ."""
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601."""


def measure_appearance(pixels: NDArray[np.generic], color: ColorOrder) -> NDArray[np.float32]:
    """Return the values of `APPEARANCE` for pixels (height, width, channels) from 0 to 255.

    brightness: mean of all channels. contrast: standard deviation of the luminance. redness, blueness: mean of red and
    of blue, minus green's. sharpness: ln(1/2 + mean difference of the luminance to the pixel beside). red and blue
    variety: ln(1 + mean distance of red and of blue from green). The last four are 0 or follow from grey alone where
    there is no colour.
    """
    rows = _rows(pixels, color)
    luminance = rows @ _LUMINANCE
    step = max(1, rows.shape[1] // _SAMPLES)
    red, green, blue = (rows[:, ::step, channel] for channel in range(3))
    redness, blueness = red - green, blue - green
    beside = np.abs(luminance[:, 1:] - luminance[:, :-1])
    values = np.array(
        [
            (red.mean() + green.mean() + blue.mean()) / 3,
            luminance.std(),
            redness.mean(),
            blueness.mean(),
            np.log(0.5 + (beside.mean() if beside.size else 0.0)),
            np.log1p(np.abs(redness).mean()),
            np.log1p(np.abs(blueness).mean()),
        ],
        dtype=np.float32,
    )
    assert values.size == len(APPEARANCE)
    return values


def _rows(pixels: NDArray[np.generic], color: ColorOrder) -> NDArray[np.float32]:
    """Return some whole rows (rows, width, 3) in the order red, green, blue."""
    rows = pixels[:: max(1, len(pixels) // _SAMPLES)].astype(np.float32)
    if color is ColorOrder.GRAY:
        return np.repeat(rows, 3, axis=2)
    return rows[:, :, ::-1] if color is ColorOrder.BGR else rows
