"""Where in an image the evidence for its label lies.

Class activation map (B. Zhou et al., "Learning Deep Features for Discriminative Localization", arXiv 1512.04150): a
network that ends in global average pooling and one dense layer sums, for each class, its evidence over the places of
the last feature map. What is shown is the evidence for the best label beyond the mean of all labels, for the softmax
sees nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.prediction import HEAT_SIDE

Floats = NDArray[np.float32]
_LEAST = np.float32(1e-6)
"""Evidence below it is rounding."""


@dataclass(frozen=True, slots=True)
class MapSide:
    """The rows or the columns of a feature map."""

    length: int
    origin: float
    """Where in the image the first one looks, as a share of its side."""
    pitch: float
    """From one to the next."""


class HeatMaps:
    """Draws the maps of one version."""

    def __init__(self, weights: Floats, sides: tuple[MapSide, MapSide]) -> None:
        """`weights` are those of the dense layer, (features, classes); the sides are the feature map's two."""
        rows, columns = sides
        self._contrast = np.ascontiguousarray((weights - weights.mean(axis=1, keepdims=True)).T)
        # One matrix resizes a flat map: place (r, c) takes part in cell (i, j) by the product of two weights.
        self._spread = np.kron(_resizing(rows), _resizing(columns)).T.astype(np.float32)

    def draw(self, activations: Floats, labels: NDArray[np.int64]) -> list[bytes]:
        """Return a map, `HEAT_SIDE` squared bytes, for each image.

        `activations` is (n, features, places), `labels` (n,) the best one. The hottest cell is 255; evidence against
        the label is 0, and a map without any evidence for it is all 0.
        """
        evidence = np.matmul(self._contrast[labels][:, None], activations)[:, 0] @ self._spread
        hottest = np.maximum(evidence.max(axis=1, keepdims=True), _LEAST)
        shades = np.rint(np.maximum(evidence, 0) * (255 / hottest)).astype(np.uint8)
        return [row.tobytes() for row in shades]


def _resizing(side: MapSide) -> NDArray[np.float64]:
    """Return (HEAT_SIDE, length): linear interpolation between centres, or mean where cells are coarser than places.

    Beyond the first and the last place the image is seen by those alone.
    """
    centres = ((np.arange(HEAT_SIDE) + 0.5) / HEAT_SIDE - side.origin) / side.pitch
    reach = max(1.0, 1 / (HEAT_SIDE * side.pitch))
    last = side.length - 1
    weights = np.maximum(0.0, 1 - np.abs(np.clip(centres, 0, last)[:, None] - np.arange(side.length)) / reach)
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares
