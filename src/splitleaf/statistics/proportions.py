"""One success rate with an exact confidence sequence.

Beta-binomial mixture (H. Robbins, "Statistical methods related to the law of the iterated logarithm", 1970): the
likelihood averaged over a beta prior, over the likelihood at p, is evidence against p that starts at 1 and cannot be
expected to grow while p is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.records import Estimate, Floats, Interval
from splitleaf.statistics.special import log_beta, x_log_y

_HALVINGS: Final = 100
RARE: Final = (0.5, 30.0)
"""Pseudo-successes and -failures of a rate that is thought to be some percent at most."""


def log_e_value(
    successes: ArrayLike, failures: ArrayLike, rate: ArrayLike, prior: tuple[float, float] = (0.5, 0.5)
) -> Floats:
    """Return ln of the evidence against `rate`, elementwise. `prior` are pseudo-successes and -failures."""
    right, wrong = np.asarray(successes, dtype=np.float64), np.asarray(failures, dtype=np.float64)
    return _against(rate, right, wrong, _log_mixture(right, wrong, prior))


def estimate_rate(successes: float, failures: float, alpha: float = 0.05, prior: float = 0.5) -> Estimate:
    """Return the success rate with the rates that have never been refuted at this number of outcomes.

    Exact at any number of outcomes and at all looks together; [0, 1] while there are none. Counts may be fractions
    where images of one unit were weighed down to what they tell.
    """
    if successes + failures == 0:
        return Estimate(0.5, Interval(0.0, 1.0))
    rate = successes / (successes + failures)
    right, wrong = np.float64(successes), np.float64(failures)
    mixture = _log_mixture(right, wrong, (prior, prior))

    def is_refuted(p: float) -> bool:
        return float(_against(p, right, wrong, mixture)) >= -math.log(alpha)

    low = _edge(is_refuted, 0.0, rate) if successes else 0.0
    high = _edge(is_refuted, 1.0, rate) if failures else 1.0
    return Estimate(rate, Interval(low, high))


def bound_rate_above(successes: float, failures: float, alpha: float = 0.05) -> float:
    """Return the rate above which all have been refuted, at all looks together; 1 while there are no outcomes.

    For rare successes: the mixture is over small rates, where it needs a fifth fewer outcomes than over all rates.
    """
    if successes + failures <= 0:
        return 1.0
    right, wrong = np.float64(successes), np.float64(failures)
    mixture = _log_mixture(right, wrong, RARE)
    rate = successes / (successes + failures)
    return (
        _edge(lambda p: float(_against(p, right, wrong, mixture)) >= -math.log(alpha), 1.0, rate) if failures else 1.0
    )


def _log_mixture(right: ArrayLike, wrong: ArrayLike, prior: tuple[float, float]) -> Floats:
    """Return ln of the likelihood averaged over the prior."""
    mixture: Floats = log_beta(np.add(right, prior[0]), np.add(wrong, prior[1])) - log_beta(*prior)
    return mixture


def _against(rate: ArrayLike, right: ArrayLike, wrong: ArrayLike, log_mixture: Floats) -> Floats:
    """Return ln of the mixture over the likelihood at `rate`."""
    p = np.asarray(rate, dtype=np.float64)
    with np.errstate(divide="ignore"):
        evidence: Floats = log_mixture - x_log_y(right, p) - x_log_y(wrong, 1 - p)
    return evidence


def _edge(is_refuted: Callable[[float], bool], outside: float, inside: float) -> float:
    """Return the last refuted rate between one that is refuted and one that is not."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            break
        if is_refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside
