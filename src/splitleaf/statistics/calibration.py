"""Is a confidence of 90 % right nine times out of ten?

Reliability diagram and expected calibration error: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural
Networks" (arXiv 1706.04599).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.records import Floats, divide

BINS: Final = 15


@dataclass(frozen=True, slots=True)
class Reliability:
    """Answers by bin of confidence; each field has the shape (bins,). Fields of several samples may be added."""

    images: Floats
    confidence: Floats
    """Sum of the confidences."""
    right: Floats
    """Number of right answers."""

    @property
    def gaps(self) -> Floats:
        """Accuracy minus mean confidence of each bin; below 0 is overconfident. 0 for an empty bin."""
        return divide(self.right - self.confidence, self.images)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean |gap| over the images; 0 without images."""
        total = float(self.images.sum())
        return float(np.abs(self.right - self.confidence).sum() / total) if total else 0.0


def measure_reliability(confidence: ArrayLike, is_right: ArrayLike, weights: ArrayLike = 1.0) -> Reliability:
    """Return the bins, of equal width, of confidences in [0, 1] with their answers, both of the shape (images,).

    `weights` are 1 / sampling probability where labels are an audit.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(is_right, dtype=np.float64)
    weight = np.broadcast_to(np.asarray(weights, dtype=np.float64), sure.shape)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    sums = (np.bincount(bins, weight * each, BINS).astype(np.float64) for each in (np.ones_like(sure), sure, right))
    return Reliability(*sums)
