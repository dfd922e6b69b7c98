"""Brings a decoded image to the size, aspect and channel order that a version was trained on.

Pillow's filters are computed by Pillow (its nearest neighbour as a gather of the same pixels), those of
TensorFlow by `tf_resampling`. Cropping and padding follow the framework whose filter is named:
`keras.utils.load_img(keep_aspect_ratio=True)` and `ImageOps.pad` for Pillow,
`keras.preprocessing.image.smart_resize` and `tf.image.resize_with_pad` for TensorFlow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
from splitleaf.images import tf_resampling

Pixels = npt.NDArray[np.uint8]

_PILLOW = {
    ResizeFilter.PILLOW_BILINEAR: Image.Resampling.BILINEAR,
    ResizeFilter.PILLOW_BICUBIC: Image.Resampling.BICUBIC,
    ResizeFilter.PILLOW_LANCZOS: Image.Resampling.LANCZOS,
    ResizeFilter.PILLOW_BOX: Image.Resampling.BOX,
    ResizeFilter.PILLOW_HAMMING: Image.Resampling.HAMMING,
}
SCALABLE = frozenset({*_PILLOW, ResizeFilter.TF_BILINEAR_ANTIALIAS}) - {ResizeFilter.PILLOW_BOX}
"""Filters that a scaled JPEG decode imitates: smooth ones that see every pixel when they reduce.

Those with hard edges (box, area) differ by whole levels on fine texture, the others hardly at all.
"""
_STRIP_PIXELS = 1 << 21
"""Larger images go through Pillow's horizontal pass in strips, which gives the same result."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image, in pixels."""

    left: int
    top: int
    width: int
    height: int


def source_window(width: int, height: int, spec: InputSpec) -> Window:
    """Return the part of a (width, height) image that reaches the tensor."""
    if spec.fit is not Fit.CROP:
        return Window(0, 0, width, height)
    inner_width = min(width, height * spec.width // spec.height)
    inner_height = min(height, width * spec.height // spec.width)
    inner_width, inner_height = max(inner_width, 1), max(inner_height, 1)
    return Window((width - inner_width) // 2, (height - inner_height) // 2, inner_width, inner_height)


def to_tensor(pixels: Pixels, spec: InputSpec) -> npt.NDArray[Any]:
    """Return (height, width, channels) of the spec from (h, w, 3) or, for grey, (h, w, 1) pixels, oriented.

    The dtype is the spec's; channels are in its order; the result is C-contiguous.
    """
    if spec.fit is Fit.PAD:
        tensor = _padded(pixels, spec)
    else:
        tensor = _resized(pixels, spec.height, spec.width, spec.resize, source_window(*_size(pixels), spec))
    if spec.color is ColorOrder.BGR:
        tensor = tensor[:, :, ::-1]
    return np.ascontiguousarray(tensor)


def _size(pixels: Pixels) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]


def _resized(pixels: Pixels, height: int, width: int, method: ResizeFilter, window: Window) -> npt.NDArray[Any]:
    if method in _PILLOW:
        return _pillow(pixels, height, width, _PILLOW[method], window)
    inside = pixels[window.top : window.top + window.height, window.left : window.left + window.width]
    if method is ResizeFilter.PILLOW_NEAREST:
        rows, columns = _pillow_nearest(window.height, height), _pillow_nearest(window.width, width)
        return tf_resampling.gather(inside, rows, columns)
    return tf_resampling.resize(inside, height, width, method)


def _pillow(pixels: Pixels, height: int, width: int, method: Image.Resampling, window: Window) -> npt.NDArray[np.uint8]:
    sides = (window.left, window.left + window.width)
    ends = (window.top, window.top + window.height)
    if pixels.shape[0] * pixels.shape[1] > _STRIP_PIXELS:
        pixels = _narrowed(pixels, width, method, sides)
        sides = (0, width)
    box = (sides[0], ends[0], sides[1], ends[1])
    resized = _image(pixels).resize((width, height), method, box=box)
    return np.asarray(resized).reshape(height, width, pixels.shape[2])


def _narrowed(pixels: Pixels, width: int, method: Image.Resampling, sides: tuple[int, int]) -> Pixels:
    """Return (h, width, c): the first of Pillow's two passes, without a copy of the whole image."""
    height, _, channels = pixels.shape
    narrow = np.empty((height, width, channels), np.uint8)
    rows = max(_STRIP_PIXELS // pixels.shape[1], 1)
    for top in range(0, height, rows):
        strip = _image(pixels[top : top + rows])
        box = (sides[0], 0, sides[1], strip.height)
        narrow[top : top + rows] = np.asarray(strip.resize((width, strip.height), method, box=box)).reshape(
            strip.height, width, channels
        )
    return narrow


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


@lru_cache(maxsize=256)
def _pillow_nearest(size: int, wanted: int) -> npt.NDArray[np.intp]:
    """Return the source index of each sample, stepping in double precision as `ImagingScaleAffine` does."""
    step = size / wanted
    at = np.cumsum(np.concatenate([[step * 0.5], np.full(wanted - 1, step)]))
    return np.minimum(at.astype(np.intp), size - 1)


def _padded(pixels: Pixels, spec: InputSpec) -> npt.NDArray[Any]:
    width, height = _size(pixels)
    inner = target_window(width, height, spec)
    inside = _resized(pixels, inner.height, inner.width, spec.resize, Window(0, 0, width, height))
    tensor = np.zeros((spec.height, spec.width, pixels.shape[2]), inside.dtype)
    tensor[inner.top : inner.top + inner.height, inner.left : inner.left + inner.width] = inside
    return tensor


def target_window(width: int, height: int, spec: InputSpec) -> Window:
    """Return the part of the tensor that a (width, height) image covers; the rest is padding."""
    if spec.fit is not Fit.PAD:
        return Window(0, 0, spec.width, spec.height)
    if spec.resize.startswith("pillow-"):
        return _pillow_inside(width, height, spec)
    return _tf_inside(width, height, spec)


def _pillow_inside(width: int, height: int, spec: InputSpec) -> Window:
    """Return where the image lies inside the input as `ImageOps.pad` places it."""
    inner_width, inner_height = spec.width, spec.height
    if width / height > spec.width / spec.height:
        inner_height = max(round(height / width * spec.width), 1)
    elif width / height < spec.width / spec.height:
        inner_width = max(round(width / height * spec.height), 1)
    left, top = round((spec.width - inner_width) * 0.5), round((spec.height - inner_height) * 0.5)
    return Window(left, top, inner_width, inner_height)


def _tf_inside(width: int, height: int, spec: InputSpec) -> Window:
    """Return where the image lies inside the input as `tf.image.resize_with_pad` does."""
    one = np.float32(1)
    ratio = max(np.float32(width) / np.float32(spec.width) * one, np.float32(height) / np.float32(spec.height) * one)
    inner_width, inner_height = np.float32(width) / ratio, np.float32(height) / ratio
    left = max(0, math.floor((spec.width - inner_width) / 2))
    top = max(0, math.floor((spec.height - inner_height) / 2))
    return Window(left, top, max(math.floor(inner_width), 1), max(math.floor(inner_height), 1))
