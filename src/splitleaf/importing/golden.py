"""Golden images: inputs whose answers are known, kept with the artifact and asked at every start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.preprocessing import InputSpec

MAX_GOLDEN = 16
_SEED = 20_240_229


def synthetic_images(spec: InputSpec, count: int) -> NDArray[np.generic]:
    """Return images (n, h, w, c) as the API would hand them over: half noise, half soft shapes.

    No one's photos; the same on every machine. Soft shapes are closer to what networks answer in
    different ways than noise is.
    """
    rng = np.random.default_rng(_SEED)
    noise = rng.integers(0, 256, (count - count // 2, *spec.shape)).astype(np.float64)
    soft = np.stack([_soft_image(rng, spec) for _ in range(count // 2)]) if count > 1 else noise[:0]
    images = np.concatenate([noise, soft])
    return images.astype(np.float32) if spec.resize.is_float else np.rint(images).astype(np.uint8)


def write_golden(path: Path, inputs: NDArray[np.generic], probabilities: NDArray[np.float32]) -> None:
    """Write the arrays that `engine.loading` checks."""
    np.savez_compressed(path, inputs=inputs, probabilities=probabilities.astype(np.float32))


def _soft_image(rng: np.random.Generator, spec: InputSpec) -> NDArray[np.float64]:
    """Low-frequency waves of random colours on a random ground, stretched to 0-255."""
    height, width, channels = spec.shape
    y, x = np.mgrid[0 : 1 : complex(0, height), 0 : 1 : complex(0, width)][..., None]
    image = np.zeros(spec.shape)
    for _ in range(6):
        frequency = rng.uniform(-4, 4, (2, channels))
        phase, weight = rng.uniform(0, 2 * np.pi, channels), rng.normal(0, 1, channels)
        image += weight * np.sin(2 * np.pi * (frequency[0] * y + frequency[1] * x) + phase)
    ground, span = rng.uniform(60, 200, channels), rng.uniform(20, 60, channels)
    return np.clip(ground + span * image, 0, 255)
