"""The few special functions that the standard library lacks: the one place that knows scipy.

scipy is imported by the first call, because it takes about as long to import as the whole service does to start.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.analysis.records import Floats

_NORMAL: Final = NormalDist()


def log_beta(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return ln B(first, second), elementwise."""
    from scipy.special import betaln

    return np.asarray(betaln(first, second), dtype=np.float64)


def log_gamma(values: ArrayLike) -> Floats:
    """Return ln Gamma(values), elementwise."""
    from scipy.special import gammaln

    return np.asarray(gammaln(values), dtype=np.float64)


def x_log_y(factor: ArrayLike, value: ArrayLike) -> Floats:
    """Return factor * ln(value), and 0 where the factor is 0, elementwise."""
    from scipy.special import xlogy

    return np.asarray(xlogy(factor, value), dtype=np.float64)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Return the probability that a chi-square variable exceeds `statistic`."""
    from scipy.special import chdtrc

    return float(chdtrc(degrees, statistic))


def chi_square_quantile(tail: float, degrees: int) -> float:
    """Return what a chi-square variable exceeds with probability `tail`."""
    from scipy.special import chdtri

    return float(chdtri(degrees, tail))


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """Return the probability of at most `successes` in `trials`."""
    from scipy.special import bdtr

    return float(bdtr(successes, trials, probability))


def student_cdf(value: float, degrees: float) -> float:
    """Return the probability that Student's t lies below `value`."""
    from scipy.special import stdtr

    return float(stdtr(degrees, value))


def student_quantile(probability: float, degrees: float) -> float:
    """Return the value below which Student's t lies with `probability`."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def normal_cdf(value: float) -> float:
    """Return the standard normal's probability below `value`."""
    # erfc keeps its digits in the far tail, where 1 + erf has none left.
    return math.erfc(-value / math.sqrt(2)) / 2


def normal_quantile(probability: float) -> float:
    """Return the value below which the standard normal lies with `probability`."""
    return _NORMAL.inv_cdf(probability)
