"""Class activation maps: where in an image the evidence for its label lies.

Source: B. Zhou et al., "Learning Deep Features for Discriminative Localization", arXiv 1512.04150. A
network that ends in global average pooling and one dense layer sums, for each class, its evidence over the places of
the last feature map. The map shows the evidence for the best label minus the mean over all labels, since only
differences reach the softmax.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.prediction import MAP_SIDE

Floats = NDArray[np.float32]
_LEAST = np.float32(1e-6)
"""Smaller evidence is rounding error."""


@dataclass(frozen=True, slots=True)
class MapAxis:
    """The rows or the columns of a feature map."""

    length: int
    origin: float
    """Centre of the first place's receptive field, as a share of the image's side."""
    pitch: float
    """Distance between neighbouring centres."""


class ActivationMaps:
    """Computes the activation maps of one version."""

    def __init__(self, weights: Floats, sides: tuple[MapAxis, MapAxis]) -> None:
        """`weights` are those of the dense layer, (features, classes); the sides are the feature map's two."""
        rows, columns = sides
        self._contrast = np.ascontiguousarray((weights - weights.mean(axis=1, keepdims=True)).T)
        # One matrix resizes a flat map: place (r, c) contributes to cell (i, j) with the product of two weights.
        self._spread = np.kron(_resizing(rows), _resizing(columns)).T.astype(np.float32)

    def draw(self, activations: Floats, labels: NDArray[np.int64]) -> list[bytes]:
        """Return a map, `MAP_SIDE` squared bytes, for each image.

        `activations` is (n, features, places), `labels` (n,) the best one. The strongest cell is 255. Evidence against
        the label is 0, and so is a map without any evidence for it.
        """
        evidence = np.matmul(self._contrast[labels][:, None], activations)[:, 0] @ self._spread
        hottest = np.maximum(evidence.max(axis=1, keepdims=True), _LEAST)
        shades = np.rint(np.maximum(evidence, 0) * (255 / hottest)).astype(np.uint8)
        return [row.tobytes() for row in shades]


def _resizing(side: MapAxis) -> NDArray[np.float64]:
    """Return (MAP_SIDE, length): linear interpolation between centres, or the mean where cells are coarser than places.

    Cells beyond the first and the last place take the value of that place.
    """
    centres = ((np.arange(MAP_SIDE) + 0.5) / MAP_SIDE - side.origin) / side.pitch
    reach = max(1.0, 1 / (MAP_SIDE * side.pitch))
    last = side.length - 1
    weights = np.maximum(0.0, 1 - np.abs(np.clip(centres, 0, last)[:, None] - np.arange(side.length)) / reach)
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares
