"""Images of one colour as uploads."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def jpeg(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 64)) -> bytes:
    return encoded("JPEG", colour, size)


def encoded(kind: str, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 64)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def leaf_like_jpeg(side: int = 256) -> bytes:
    """Return an image with about as much detail, and as many bytes (15 KB), as a photo of a leaf of that size."""
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(40, 200, (8, 8, 3), dtype=np.uint8)).resize((side, side), 3)
    fine = Image.fromarray(rng.integers(0, 256, (side // 2, side // 2), dtype=np.uint8)).resize((side, side), 3)
    buffer = io.BytesIO()
    Image.blend(coarse, fine.convert("RGB"), 0.15).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
