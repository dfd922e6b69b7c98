"""The filters of `tf.image.resize` (TensorFlow 2, half-pixel centres) in numpy, without TensorFlow.

Each filter is separable: for each axis, every output sample is a weighted sum of a short run of input
samples. Weights are computed in float32 as the kernels of TensorFlow do, so that results agree to
rounding (tests hold 4e-3 of a level). Only the rows and columns that are needed are ever converted to
float, so a 48-megapixel image costs no more memory than its bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from splitleaf.core.preprocessing import ResizeFilter

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_Indices = npt.NDArray[np.intp]

_OPENCV_MOST_PIXELS = 1 << 19
"""Up to here converting the whole image to float for OpenCV is cheaper than gathering."""
_FEW_TAPS = 8
_CUBIC_STEPS = 1024
_KEYS_A = -0.5


@dataclass(frozen=True, slots=True)
class _Axis:
    """Output sample i = sum over k of `weights[i, k] * input[first[i] + k]`, indices clamped to the input."""

    first: _Indices
    weights: Floats
    size: int

    def index(self, tap: int) -> _Indices:
        return np.clip(self.first + tap, 0, self.size - 1)


def resize(pixels: Pixels, height: int, width: int, method: ResizeFilter) -> npt.NDArray[Any]:
    """Resize (h, w, c) uint8 to (height, width, c) float32; uint8 for `tf-nearest`."""
    if method is ResizeFilter.TF_NEAREST:
        rows, columns = _nearest(pixels.shape[0], height), _nearest(pixels.shape[1], width)
        return gather(pixels, rows, columns)
    if method is ResizeFilter.TF_BILINEAR and pixels.shape[0] * pixels.shape[1] <= _OPENCV_MOST_PIXELS:
        resized = cv2.resize(pixels.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized).reshape(height, width, pixels.shape[2])
    make = _AXES[method]
    return _separable(pixels, make(pixels.shape[0], height), make(pixels.shape[1], width))


def gather(pixels: Pixels, rows: _Indices, columns: _Indices) -> Pixels:
    """Return the pixels at the crossings. Rows go first and by indexing: `take` would copy a turned image whole."""
    return np.asarray(pixels[rows].take(columns, axis=1))


def _separable(pixels: Pixels, rows: _Axis, columns: _Axis) -> Floats:
    channels = pixels.shape[2]
    height, width = len(rows.first), len(columns.first)
    tall = _apply(pixels, rows)
    turned = np.ascontiguousarray(tall.reshape(height, -1, channels).transpose(1, 0, 2)).reshape(-1, height * channels)
    done = _apply(turned, columns).reshape(width, height, channels)
    return np.ascontiguousarray(done.transpose(1, 0, 2))


def _apply(lines: npt.NDArray[Any], axis: _Axis) -> Floats:
    """Return (samples, values of a line) float32 from (input samples, ...) of any number type."""
    taps, samples = axis.weights.shape[1], len(axis.first)
    if taps <= _FEW_TAPS:
        total: Floats = axis.weights[:, 0, None] * lines[axis.index(0)].reshape(samples, -1)
        for tap in range(1, taps):
            total += axis.weights[:, tap, None] * lines[axis.index(tap)].reshape(samples, -1)
        return total
    result = np.empty((samples, lines[0].size), np.float32)
    for out, (first, weights) in enumerate(zip(axis.first, axis.weights, strict=True)):
        start, stop = max(first, 0), min(first + taps, axis.size)
        band = lines[start:stop].astype(np.float32).reshape(stop - start, -1)
        np.matmul(weights[start - first : stop - first], band, out=result[out])
    return result


def _centres(size: int, wanted: int) -> Floats:
    """Return where the centres of the output samples lie in the input, in float32 as `HalfPixelScaler` does."""
    scale = np.float32(size) / np.float32(wanted)
    centres: Floats = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    return centres


@lru_cache(maxsize=256)
def _nearest(size: int, wanted: int) -> _Indices:
    scale = np.float32(size) / np.float32(wanted)
    at = np.floor((np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * scale)
    return np.asarray(np.minimum(at, size - 1), dtype=np.intp)


@lru_cache(maxsize=256)
def _bilinear(size: int, wanted: int) -> _Axis:
    centres = _centres(size, wanted)
    first = np.floor(centres)
    weight = centres - first
    return _Axis(first.astype(np.intp), np.stack([1 - weight, weight], axis=1), size)


@lru_cache(maxsize=256)
def _bicubic(size: int, wanted: int) -> _Axis:
    """Keys 1981 with a = -0.5, fractions in 1/1024 steps; samples outside the image weigh nothing."""
    centres = _centres(size, wanted)
    base = np.floor(centres)
    near = np.rint((centres - base) * _CUBIC_STEPS) / _CUBIC_STEPS
    taps = [_keys(1 + near), _keys(near), _keys(1 - near), _keys(2 - near)]
    first = base.astype(np.intp) - 1
    weights = np.stack(taps, axis=1).astype(np.float32)
    index = first[:, None] + np.arange(4)
    weights[(index < 0) | (index >= size)] = 0
    return _Axis(first, weights / weights.sum(axis=1, keepdims=True), size)


def _keys(distance: npt.NDArray[Any]) -> npt.NDArray[Any]:
    a, x = _KEYS_A, distance
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.asarray(np.where(x <= 1, inner, outer))


@lru_cache(maxsize=256)
def _area(size: int, wanted: int) -> _Axis:
    """Average over the exact footprint of each output sample, as `ResizeArea` does."""
    scale = np.float32(size) / np.float32(wanted)
    low = np.arange(wanted, dtype=np.float32) * scale
    high = np.arange(1, wanted + 1, dtype=np.float32) * scale
    first = np.floor(low).astype(np.intp)
    taps = int((np.ceil(high).astype(np.intp) - first).max())
    at = (first[:, None] + np.arange(taps)).astype(np.float32)
    covered = np.minimum(at + 1, high[:, None]) - np.maximum(at, low[:, None])
    return _Axis(first, (np.clip(covered, 0, 1) / scale).astype(np.float32), size)


@lru_cache(maxsize=256)
def _triangle(size: int, wanted: int) -> _Axis:
    """Triangle as wide as the reduction, normalised: `ScaleAndTranslate` with antialiasing."""
    widen = np.float32(max(size / wanted, 1.0))
    centres = _centres(size, wanted) + np.float32(0.5)
    first = np.maximum(np.ceil(centres - widen - np.float32(0.5)), 0).astype(np.intp)
    last = np.minimum(np.floor(centres + widen - np.float32(0.5)), size - 1).astype(np.intp)
    index = first[:, None] + np.arange(int((last - first).max()) + 1)
    distance = np.abs((index.astype(np.float32) + np.float32(0.5) - centres[:, None]) / widen)
    weights = np.where((distance < 1) & (index <= last[:, None]), 1 - distance, 0).astype(np.float32)
    return _Axis(first, weights / weights.sum(axis=1, keepdims=True), size)


_AXES: dict[ResizeFilter, Callable[[int, int], _Axis]] = {
    ResizeFilter.TF_BILINEAR: _bilinear,
    ResizeFilter.TF_BILINEAR_ANTIALIAS: _triangle,
    ResizeFilter.TF_BICUBIC: _bicubic,
    ResizeFilter.TF_AREA: _area,
}
