"""Do images, answers or confidences still look as they did?

Population stability index: sum of (p - q) ln(p / q) over bins. Its folklore threshold of 0.1 is noise in small samples,
so it is judged against what it would be without any drift (B. Yurdakul, "Statistical properties of population
stability index", 2018: chi-square with bins - 1 degrees of freedom, times 1/n + 1/m).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.special import chi_square_quantile


@dataclass(frozen=True, slots=True)
class Drift:
    """One window's distance from the reference."""

    index: float
    threshold: float
    """What a window without drift exceeds with probability `alpha`."""

    @property
    def is_drift(self) -> bool:
        return self.index > self.threshold


def measure_drift(reference: ArrayLike, window: ArrayLike, alpha: float = 0.01) -> Drift:
    """Compare counts by bin, both of the shape (bins,), neither of them empty.

    Each window is to be judged once, when it is full: `alpha` is the share of false alarms among windows.
    """
    old, new = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    # Half an observation more in each bin keeps an empty one from being infinitely surprising.
    p, q = ((counts + 0.5) / (counts.sum() + counts.size / 2) for counts in (old, new))
    index = float(((q - p) * np.log(q / p)).sum())
    return Drift(index, null_threshold(float(old.sum()), float(new.sum()), old.size, alpha))


def null_threshold(reference_images: float, window_images: float, bins: int, alpha: float = 0.01) -> float:
    """Return the index that is exceeded with probability `alpha` without drift."""
    return chi_square_quantile(alpha, bins - 1) * (1 / reference_images + 1 / window_images)
