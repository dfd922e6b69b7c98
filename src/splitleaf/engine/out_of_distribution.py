"""Out-of-distribution score: how far an image is from the version's reference images.

Squared Mahalanobis distance to the nearest class of the reference images, all classes with one covariance (K. Lee
et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", arXiv 1807.03888), of the network's
pooled features and the image's appearance together. Taking the square root of the features shortens their long tails.

All linear steps are folded into one matrix that is multiplied once. After a network has filled the processor's caches,
each Python call and each array costs more than its arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class OutOfDistributionDetector:
    """A version's detector, fitted at import by `importing.reference`."""

    weights: Floats
    """(inputs + 1, d + classes + sketch). A vector, extended by a 1, times this matrix is its d whitened coordinates,
    their products with each class mean, and the sketch."""
    offsets: Floats
    """(classes,): squared length of each whitened class mean."""
    sketched: int
    """Length of the sketch."""
    limit: float
    """Squared distances above it are out of distribution."""

    def score(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Return the scores (n,), 1 at the limit, and the sketches (n, sketch) of vectors from `as_vectors`."""
        found = vectors @ self.weights
        classes = found.shape[1] - self.sketched - len(self.offsets)
        white, products = found[:, :classes], found[:, classes : classes + len(self.offsets)]
        nearest = (self.offsets - 2 * products).min(axis=1)
        squares = np.array([row @ row for row in white], dtype=np.float32)
        return (squares + nearest) / np.float32(self.limit), found[:, found.shape[1] - self.sketched :]


def as_vectors(features: Floats | None, appearance: Floats) -> Floats:
    """Return (n, inputs + 1) from optional features (n, features) and appearance (n, 7)."""
    count, looks = appearance.shape
    known = 0 if features is None else features.shape[1]
    vectors = np.ones((count, known + looks + 1), dtype=np.float32)
    if features is not None:
        np.copysign(np.sqrt(np.abs(features)), features, out=vectors[:, :known])
    vectors[:, known : known + looks] = appearance
    return vectors
