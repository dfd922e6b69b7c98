"""Pixels on their way from the API to a worker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageTensor:
    """Raw pixels, C-contiguous (height, width, channels), dtype `uint8` or `float32` little-endian."""

    shape: tuple[int, int, int]
    dtype: str
    data: bytes | memoryview
