"""Pixels of one colour."""

from __future__ import annotations

import numpy as np

from splitleaf.core.tensor import ImageTensor

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(colour: tuple[int, int, int], side: int = 16) -> ImageTensor:
    pixels = np.full((side, side, 3), colour, dtype=np.uint8)
    return ImageTensor(pixels.shape, "uint8", pixels.tobytes())
