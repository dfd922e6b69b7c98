"""Augmentations: changes of an image that another photographer, time of day or camera would cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SMALLEST_CROP = 0.75
"""Smallest side of a crop, as a share of the whole."""
_LIGHT = (0.7, 1.3)
_TINT = (0.92, 1.08)


def augment(pixels: NDArray[np.generic], rng: np.random.Generator) -> NDArray[np.generic]:
    """Return pixels (height, width, channels) rotated, cropped, and changed in brightness and tint; same shape."""
    height, width, channels = pixels.shape
    share, turn = rng.uniform(_SMALLEST_CROP, 1), int(rng.integers(0, 4))
    left, top = rng.uniform(0, 1 - share, 2) * (width, height)
    box = (left, top, left + share * width, top + share * height)
    planes = [_crop(pixels[:, :, channel].astype(np.float32), box, turn) for channel in range(channels)]
    gains = rng.uniform(*_LIGHT) * rng.uniform(*_TINT, channels)
    changed = np.clip(np.stack(planes, axis=2) * gains, 0, 255)
    if rng.random() < 1 / 2:
        changed = changed[:, ::-1]
    result: NDArray[np.generic] = (np.rint(changed) if pixels.dtype == np.uint8 else changed).astype(pixels.dtype)
    return result


def _crop(
    plane: NDArray[np.float32], box: tuple[float, float, float, float], quarter_turns: int
) -> NDArray[np.float32]:
    """Return the content of the box, rotated and scaled to the size of the whole plane."""
    height, width = plane.shape
    turned = Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR, box=box)
    turned = turned.rotate(90 * quarter_turns, expand=True)
    return np.asarray(turned.resize((width, height), Image.Resampling.BILINEAR))
