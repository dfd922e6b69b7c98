"""Sources of pixels, the same on every machine, and the plain encoders."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from tests.images.corpus.cases import Pixels


@cache
def photo(width: int = 320, height: int = 240) -> Pixels:
    """Something like a leaf before a background: smooth shapes, some texture, no symmetry."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x / width, y / height
    leaf = np.exp(-(((u - 0.42) / 0.25) ** 2) - ((v - 0.55) / 0.3) ** 2)
    veins = 12 * np.sin(40 * u + 9 * v) * leaf
    spots = 60 * np.exp(-(((u - 0.5) / 0.05) ** 2) - ((v - 0.4) / 0.07) ** 2)
    red = 90 + 90 * u - 50 * leaf + spots
    green = 80 + 40 * v + 100 * leaf + veins - spots
    blue = 150 - 90 * leaf - 60 * v
    return np.asarray(np.clip(np.stack([red, green, blue], axis=2), 0, 255), dtype=np.uint8)


def jpeg(pixels: Pixels | Image.Image | None = None, **options: Any) -> bytes:
    return encoded(pixels, "JPEG", **{"quality": 92, **options})


def png(pixels: Pixels | Image.Image | None = None, **options: Any) -> bytes:
    return encoded(pixels, "PNG", **options)


def encoded(pixels: Pixels | Image.Image | None, kind: str, **options: Any) -> bytes:
    if pixels is None:
        pixels = photo()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def heic(pixels: Pixels | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(photo() if pixels is None else pixels)
    heif = pillow_heif.from_pillow(image)
    heif.save(out, quality=90, enc_params={"preset": "ultrafast"}, **options)
    return out.getvalue()


def avif(pixels: Pixels | None = None, **options: Any) -> bytes:
    return encoded(pixels, "AVIF", quality=90, speed=10, **options)


def on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """The pixels as they look on white paper."""
    part = alpha[..., None].astype(np.float32) / 255
    return np.rint(pixels * part + 255 * (1 - part)).astype(np.uint8)
