"""Quantiles, of latency above all, with confidence sequences: for display. To decide, see `exceedance`.

How many of n observations lie below the true q-quantile is a binomial with probability q, so ranks that the
beta-binomial mixture has not refuted enclose it. Howard, Ramdas, "Sequential estimation of quantiles with
applications to A/B testing and best-arm identification" (arXiv 1906.09712), section on the beta-binomial bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from splitleaf.statistics.records import Estimate, Floats, Interval

_STRENGTH: Final = 600.0
"""Prior observations of the mixture; makes it tightest at about 5,000 observations."""


def rank_bounds(observations: int, quantile: float, alpha: float = 0.05) -> tuple[int, int] | None:
    """Return the ranks (1 is the smallest) between whose observations the true quantile lies at all looks.

    None while one of them would lie outside the sample: not enough data. Observations may be equal to each other.
    """
    a, b, n = quantile * _STRENGTH, (1 - quantile) * _STRENGTH, observations

    def is_refuted(below: int) -> bool:
        mixture = _log_beta(a + below, b + n - below) - _log_beta(a, b)
        return mixture - below * math.log(quantile) - (n - below) * math.log1p(-quantile) >= -math.log(alpha)

    if n == 0 or not is_refuted(0) or not is_refuted(n):
        return None
    middle = round(quantile * n)
    # The evidence falls towards the middle and rises after it: each side has one edge.
    low = _first(lambda below: not is_refuted(below), 0, middle)
    high = _first(is_refuted, middle, n)
    return low, high


def estimate_quantile(ascending: Floats, quantile: float, alpha: float = 0.05) -> Estimate | None:
    """Return a quantile of observations in ascending order, in their unit, or None: not enough data."""
    ranks = rank_bounds(len(ascending), quantile, alpha)
    if ranks is None:
        return None
    # The smallest observation that has at least the share `quantile` at or below it.
    value = ascending[max(0, math.ceil(quantile * len(ascending)) - 1)]
    return Estimate(float(value), Interval(float(ascending[ranks[0] - 1]), float(ascending[ranks[1] - 1])))


def _first(condition: Callable[[int], bool], low: int, high: int) -> int:
    """Return the first number in (low, high] from which on the condition holds; it holds at `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        if condition(middle):
            high = middle
        else:
            low = middle
    return high


def _log_beta(first: float, second: float) -> float:
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)
