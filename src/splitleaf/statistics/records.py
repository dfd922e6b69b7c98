"""What goes into the statistics and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MOST_IMAGES: Final = 10
"""As how many a unit's images count at most. Where images of a unit resemble each other with a correlation of 0.1, all
further ones together tell less than one, and without a cap a single busy unit would decide what the others say."""


@dataclass(frozen=True, slots=True)
class ArmTotals:
    """What one arm's outcomes come to, by stratum: all that a difference of two arms needs.

    A stratum is a revision (a period with fixed shares). Every field has the shape (..., strata); leading axes
    are looks or simulated runs. Sums run over units u, of which each has n_u images whose outcomes, each
    between 0 and 1, sum to y_u.
    """

    units: Floats
    """Number of units."""
    images: Floats
    """Sum of n_u."""
    outcomes: Floats
    """Sum of y_u."""
    images_squared: Floats
    """Sum of n_u ** 2."""
    products: Floats
    """Sum of n_u * y_u."""
    outcomes_squared: Floats
    """Sum of y_u ** 2."""
    succeeding: Floats
    """Number of units that have a success at all, y_u > 0."""
    failing: Floats
    """Number of units that have a failure at all, y_u < n_u."""

    @classmethod
    def of_single(cls, successes: ArrayLike, units: ArrayLike) -> ArmTotals:
        """Return the totals of units with one image each, right or wrong. Shapes (..., strata)."""
        right, all_ = np.asarray(successes, dtype=np.float64), np.asarray(units, dtype=np.float64)
        return cls(all_, all_, right, all_, right, right, right, all_ - right)

    @classmethod
    def of_units(cls, images: ArrayLike, outcomes: ArrayLike) -> ArmTotals:
        """Return the totals of one stratum from n_u and y_u, both of the shape (..., units)."""
        size, total = np.asarray(images, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
        each = (size > 0, size, total, size**2, size * total, total**2, total > 0, total < size)
        return cls(*(one.sum(axis=-1, keepdims=True, dtype=np.float64) for one in each))

    @property
    def mean(self) -> Floats:
        """The share of successes among the images, (..., strata); 0 where there are none."""
        return divide(self.outcomes, self.images)

    @property
    def effective_units(self) -> Floats:
        """How many units of equal size tell as much: (sum n)^2 / sum n^2 (L. Kish, "Survey Sampling", 1965)."""
        return divide(self.images**2, self.images_squared)


def cap_units(images: Floats, outcomes: Floats) -> tuple[Floats, Floats]:
    """Return n_u and y_u with each unit counted as at most `MOST_IMAGES` images of its mean, elementwise."""
    factor = np.minimum(1.0, MOST_IMAGES / np.maximum(images, 1.0))
    return images * factor, outcomes * factor


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Return numerator / denominator, and 0 where the denominator is 0."""
    quotient: Floats = np.where(denominator == 0, 0.0, numerator / np.where(denominator == 0, 1, denominator))
    return quotient


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends belong to it."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Estimate:
    """A best guess with the interval that covers the truth, in the unit of the guess."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus control, as a share (0.01 is one percentage point)."""

    value: float
    interval: Interval
    """Confidence sequence: covers the truth at all looks together. [-1, 1] while `is_enough` is false."""
    log_e_value: float
    """Natural logarithm of the evidence against "no difference"; 0 while `is_enough` is false."""
    is_enough: bool
    """False until both arms have seen enough successes and failures."""
