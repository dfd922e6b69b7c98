"""8-bit (or float) pixels from the queue -> the network's float32 input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from splitleaf.core.errors import EngineFailed
from splitleaf.core.preprocessing import InputSpec, Normalization
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.runtime import FloatBatch


def to_batch(tensors: Sequence[ImageTensor], spec: InputSpec, normalization: Normalization) -> FloatBatch:
    """Stack tensors into (n, height, width, channels) float32, `(x * scale - mean) / std` per channel.

    Raises `EngineFailed` for a tensor that does not match `spec`: it was prepared for another manifest.
    """
    batch = np.empty((len(tensors), *spec.shape), dtype=np.float32)
    for row, tensor in zip(batch, tensors, strict=True):
        row[...] = pixels_of(tensor, spec)
    return normalize(batch, normalization)


def normalize(batch: FloatBatch, normalization: Normalization) -> FloatBatch:
    """Apply the normalization in place, skipping neutral steps; return the batch."""
    if normalization.scale != 1.0:
        batch *= np.float32(normalization.scale)
    if any(normalization.mean):
        batch -= np.asarray(normalization.mean, dtype=np.float32)
    if any(part != 1.0 for part in normalization.std):
        batch /= np.asarray(normalization.std, dtype=np.float32)
    return batch


def pixels_of(tensor: ImageTensor, spec: InputSpec) -> np.ndarray:
    if tuple(tensor.shape) != spec.shape or tensor.dtype != spec.dtype:
        raise EngineFailed(f"the image was prepared as {tensor.dtype}{tensor.shape}, not {spec.dtype}{spec.shape}")
    pixels = np.frombuffer(tensor.data, dtype=np.dtype(tensor.dtype).newbyteorder("<"))
    if pixels.size != np.prod(spec.shape):
        raise EngineFailed("the size of the image's data does not match its shape")
    return pixels.reshape(spec.shape)
