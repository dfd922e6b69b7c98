"""Textbook methods for a single look that was planned in advance. They are the reference that fails at further looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.records import Floats, Interval
from splitleaf.statistics.special import (
    binomial_cdf,
    chi_square_tail,
    normal_cdf,
    normal_quantile,
    student_cdf,
    student_quantile,
)

Pair = tuple[float, float]
"""(control, candidate)."""


@dataclass(frozen=True, slots=True)
class SingleLook:
    """Candidate minus control after the one look that was planned."""

    interval: Interval
    p_value: float


def wald(successes: Pair, totals: Pair, alpha: float = 0.05) -> SingleLook:
    """Return the textbook's normal interval, and the p-value of the pooled z test."""
    difference, variances = _moments(successes, totals)
    half = -normal_quantile(alpha / 2) * math.sqrt(sum(variances))
    p_value = 2 * normal_cdf(-abs(float(z_statistic(*successes, *totals))))
    return SingleLook(Interval(difference - half, difference + half), p_value)


def welch(successes: Pair, totals: Pair, alpha: float = 0.05) -> SingleLook:
    """Return interval and p-value by Student's t (B. L. Welch, Biometrika 34 (1947), 28-35), a little wider.

    Needs two outcomes in each arm, and one that differs from the rest.
    """
    difference, (first, second) = _moments(successes, totals)
    spread = math.sqrt(first + second)
    degrees = (first + second) ** 2 / (first**2 / (totals[0] - 1) + second**2 / (totals[1] - 1))
    half = -student_quantile(alpha / 2, degrees) * spread
    p_value = 2 * student_cdf(-abs(difference) / spread, degrees)
    return SingleLook(Interval(difference - half, difference + half), p_value)


def _moments(successes: Pair, totals: Pair) -> tuple[float, Pair]:
    first, second = (right / total for right, total in zip(successes, totals, strict=True))
    return second - first, (first * (1 - first) / totals[0], second * (1 - second) / totals[1])


def z_statistic(
    first_successes: ArrayLike, second_successes: ArrayLike, first_total: ArrayLike, second_total: ArrayLike
) -> Floats:
    """Return the pooled z of second minus first, elementwise; 0 while nothing varies."""
    a, b, n, m = (
        np.asarray(one, dtype=np.float64) for one in (first_successes, second_successes, first_total, second_total)
    )
    pooled = (a + b) / np.maximum(n + m, 1)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)))
    difference = b / np.maximum(m, 1) - a / np.maximum(n, 1)
    z: Floats = np.where((spread > 0) & (n > 0) & (m > 0), difference / np.where(spread > 0, spread, 1), 0.0)
    return z


def mcnemar_p_value(only_control_right: int, only_candidate_right: int) -> float:
    """Return McNemar's exact two-sided p-value."""
    fewer = min(only_control_right, only_candidate_right)
    return min(1.0, 2 * binomial_cdf(fewer, only_control_right + only_candidate_right, 0.5))


def chi_square_p_value(counts: ArrayLike, shares: ArrayLike) -> float:
    """Return Pearson's chi-square p-value; counts and shares (arms,)."""
    seen, expected = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    expected = expected / expected.sum() * seen.sum()
    return chi_square_tail(float(((seen - expected) ** 2 / expected).sum()), seen.size - 1)
