"""Is this image of the kind that the version knows?

Squared Mahalanobis distance to the nearest class of the reference images, all classes with one covariance (K. Lee
et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", arXiv 1807.03888), of the network's
pooled features and the image's appearance together. The root of the features makes their long tails short.

All that is linear is one matrix, multiplied once: beside a network that leaves the processor's caches full of its own,
each step of Python and each array costs more than its arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """The rule of a version; made at import by `importing.reference`."""

    weights: Floats
    """(inputs + 1, d + classes + sketch): what vectors with a 1 behind them are multiplied with, for the d coordinates
    in which all classes are round, their products with each class's mean there, and the sketch."""
    offsets: Floats
    """(classes,): squared length of each class's mean."""
    sketched: int
    """Length of the sketch."""
    limit: float
    """Squared distances above it are unfamiliar."""

    def judge(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Return the novelty, (n,), 1 at the limit, and the sketch, (n, sketch), of vectors from `as_vectors`."""
        found = vectors @ self.weights
        classes = found.shape[1] - self.sketched - len(self.offsets)
        white, products = found[:, :classes], found[:, classes : classes + len(self.offsets)]
        nearest = (self.offsets - 2 * products).min(axis=1)
        squares = np.array([row @ row for row in white], dtype=np.float32)
        return (squares + nearest) / np.float32(self.limit), found[:, found.shape[1] - self.sketched :]


def as_vectors(features: Floats | None, appearance: Floats) -> Floats:
    """Return (n, inputs + 1) from features (n, features), if there are any, and appearance (n, 7)."""
    count, looks = appearance.shape
    known = 0 if features is None else features.shape[1]
    vectors = np.ones((count, known + looks + 1), dtype=np.float32)
    if features is not None:
        np.copysign(np.sqrt(np.abs(features)), features, out=vectors[:, :known])
    vectors[:, known : known + looks] = appearance
    return vectors
