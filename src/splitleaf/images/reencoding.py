"""Pixels -> a new JPEG, which contains nothing of the upload's file except the visible image."""

from __future__ import annotations

from splitleaf.core.preprocessing import InputSpec
from splitleaf.core.tensor import ImageTensor

QUALITY = 90


def bounded_spec(width: int, height: int, max_side: int) -> InputSpec:
    """Return the spec of an image's whole, upright and at most `max_side` pixels a side; never enlarged."""
    scale = min(1.0, max_side / max(width, height))
    return InputSpec(height=max(1, round(height * scale)), width=max(1, round(width * scale)))


def to_jpeg(tensor: ImageTensor) -> bytes:
    """Return an 8-bit RGB tensor as JPEG."""
    # Imported here: an API process that keeps no images has no other use for them.
    import numpy as np
    import simplejpeg

    pixels = np.frombuffer(tensor.data, dtype=np.uint8).reshape(tensor.shape)
    encoded: bytes = simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorspace="RGB", colorsubsampling="420")
    return encoded
