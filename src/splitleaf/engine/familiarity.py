"""Is this picture of the kind that the version knows?

Squared Mahalanobis distance to the nearest class of the reference pictures, all classes with one covariance (K. Lee
et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", arXiv 1807.03888), of the network's
pooled features and the picture's appearance together. The root of the features makes their long tails short; directions
in which the reference pictures hardly differ are summed up in one number, the length of what is left (as in H. Wang et
al., "ViM", arXiv 2203.10807).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.measures import SKETCH

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Pooled features (n, features) -> their coordinates along the main directions of the reference pictures."""

    centre: Floats
    """(features,)"""
    basis: Floats
    """(features, directions), orthonormal, in descending order of variance."""

    def project(self, features: Floats) -> Floats:
        """Return (n, directions + 1): the coordinates, and the length of what they leave out."""
        rooted = np.sign(features) * np.sqrt(np.abs(features)) - self.centre
        coordinates = rooted @ self.basis
        left = np.einsum("ij,ij->i", rooted, rooted) - np.einsum("ij,ij->i", coordinates, coordinates)
        return np.column_stack([coordinates, np.sqrt(np.maximum(left, 0))])


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """The rule of a version; made at import by `importing.reference`."""

    projection: Projection | None
    """None where the network offers no features: the appearance alone decides then."""
    whitening: Floats
    """(d, d): maps vectors to where all classes are round."""
    means: Floats
    """(classes, d), whitened."""
    limit: float
    """Distances above it are unfamiliar."""

    def vectors(self, features: Floats | None, appearance: Floats) -> Floats:
        """Return (n, d) from features (n, features) and appearance (n, 7)."""
        if self.projection is None or features is None:
            return appearance
        return np.hstack([self.projection.project(features), appearance])

    def novelty(self, vectors: Floats) -> Floats:
        """Return the distance to the nearest class in units of the limit, (n,)."""
        white = vectors @ self.whitening
        nearest: Floats = ((white[:, None] - self.means) ** 2).sum(axis=2).min(axis=1)
        return nearest / np.float32(self.limit)

    def sketch(self, vectors: Floats) -> Floats:
        """Return the first coordinates of the features, (n, 3), or (n, 0) without features."""
        return vectors[:, : len(SKETCH)] if self.projection is not None else vectors[:, :0]
