"""One upload -> the tensors that were asked for. Synchronous and pure: runs in a child, in import and in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy.typing as npt

from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec
from splitleaf.core.tensor import ImageTensor
from splitleaf.images.formats import check_upload
from splitleaf.images.intake import LOW_INFORMATION, DecodedImage
from splitleaf.images.limits import ImageLimits
from splitleaf.images.rasters import Pixels, Raster, open_raster
from splitleaf.images.refusals import TOO_COMPLEX, Refusal, public_error
from splitleaf.images.resize import SCALABLE, Window, source_window, target_window, to_tensor

_SCALED_MARGIN = 3
"""A JPEG is decoded at a reduced size only while that leaves this many times the pixels asked for, per side."""
_FLAT_DEVIATION = 3.0
"""Standard deviation, in levels, below which an image says nothing about a leaf."""


def decode_image(data: bytes, specs: Sequence[InputSpec], limits: ImageLimits | None = None) -> DecodedImage:
    """Check, decode, orient and resize one upload.

    Raises:
        RejectedImage: the image is broken or out of bounds; `error_code` says how.
        UnsupportedMedia: not JPEG, PNG, WebP, HEIC or AVIF.
        PayloadTooLarge: more bytes than the limit.
    """
    try:
        width, height, arrays, flags = decode_arrays(data, specs, limits or ImageLimits())
    except Refusal as refusal:
        raise public_error(refusal.code) from refusal
    tensors = tuple(
        ImageTensor(spec.shape, spec.dtype, array.tobytes()) for spec, array in zip(specs, arrays, strict=True)
    )
    return DecodedImage(tensors, width, height, flags)


def decode_arrays(
    data: bytes, specs: Sequence[InputSpec], limits: ImageLimits
) -> tuple[int, int, list[npt.NDArray[Any]], tuple[str, ...]]:
    """Return (width, height, one array for each spec, flags); see `decode_image`.

    Raises:
        Refusal: with the code that the image owes.
    """
    try:
        raster = open_raster(data, check_upload(data, limits), limits)
        arrays = _tensors(raster, specs)
    except MemoryError:
        raise Refusal(TOO_COMPLEX, "out of memory") from None
    width, height = raster.width, raster.height
    if raster.orientation >= 5:
        width, height = height, width
    flags = (LOW_INFORMATION,) if arrays and _is_flat(arrays[0], _shown(raster, specs[0])) else ()
    return width, height, arrays, flags


def _tensors(raster: Raster, specs: Sequence[InputSpec]) -> list[npt.NDArray[Any]]:
    """Decode once for all specs that can share the pixels."""
    decoded: dict[tuple[bool, tuple[int, int] | None], Pixels] = {}
    arrays: list[npt.NDArray[Any]] = []
    for spec in specs:
        turn = raster.orientation if spec.exif_orientation else 1
        need = (spec.color is ColorOrder.GRAY, _least_size(raster, spec, turn))
        if need not in decoded:
            decoded[need] = raster.pixels(gray=need[0], least=need[1])
        array = to_tensor(oriented(decoded[need], turn), spec)
        arrays.append(array.astype(spec.dtype, copy=False))
    return arrays


def _least_size(raster: Raster, spec: InputSpec, turn: int) -> tuple[int, int] | None:
    """Return the stored (height, width) down to which scaled decoding does not show, or None where it always does."""
    if spec.resize not in SCALABLE:
        return None
    width, height = raster.width, raster.height
    if turn >= 5:
        width, height = height, width
    window = source_window(width, height, spec)
    factors = (spec.width / window.width, spec.height / window.height)
    if spec.fit is Fit.PAD:
        factors = (min(factors), min(factors))
    least_width = round(width * min(1.0, factors[0] * _SCALED_MARGIN))
    least_height = round(height * min(1.0, factors[1] * _SCALED_MARGIN))
    return (least_width, least_height) if turn >= 5 else (least_height, least_width)


def oriented(pixels: Pixels, orientation: int) -> Pixels:
    """Return a view of the pixels turned upright from an EXIF orientation (1 to 8)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _shown(raster: Raster, spec: InputSpec) -> Window:
    """Return the part of the tensor that is not padding."""
    is_lying = spec.exif_orientation and raster.orientation >= 5
    sides = (raster.height, raster.width) if is_lying else (raster.width, raster.height)
    return target_window(*sides, spec)


def _is_flat(array: npt.NDArray[Any], shown: Window) -> bool:
    inside = array[shown.top : shown.top + shown.height, shown.left : shown.left + shown.width]
    return float(cv2.meanStdDev(inside)[1].max()) < _FLAT_DEVIATION
