"""The special functions and distributions that the standard library lacks, on numpy and the standard library alone.

Written here because scipy, for eight functions, would take a fifth of the disk of an installation for serving; it is
the oracle of the tests instead. Arrays go into the logarithms; the distributions are for one value at a time.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

from splitleaf.statistics.gamma import log_beta, log_gamma, x_log_y
from splitleaf.statistics.incomplete import beta_tails, gamma_tails, solve

__all__ = [
    "binomial_cdf",
    "chi_square_quantile",
    "chi_square_tail",
    "log_beta",
    "log_gamma",
    "normal_cdf",
    "normal_quantile",
    "student_cdf",
    "student_quantile",
    "x_log_y",
]

_NORMAL: Final = NormalDist()
_FAR: Final = 1e8
"""From so many scales on, Student's tail is its first term."""


def chi_square_tail(statistic: float, degrees: float) -> float:
    """Return the probability that a chi-square variable exceeds `statistic`."""
    return math.exp(gamma_tails(degrees / 2, statistic / 2)[1])


def chi_square_quantile(tail: float, degrees: float) -> float:
    """Return what a chi-square variable exceeds with probability `tail`."""
    if degrees == 0 or tail in (0, 1):
        return math.inf if degrees and tail == 0 else 0.0
    a, is_upper = degrees / 2, tail <= 0.5
    goal = math.log(tail) if is_upper else math.log1p(-tail)
    sign = -1 if is_upper else 1

    def gap(log_x: float) -> tuple[float, float]:
        # Over ln x the density is log-concave, and so both tails are.
        x = math.exp(log_x)
        log_tail = gamma_tails(a, x)[is_upper]
        log_density = a * log_x - x - float(log_gamma(a))
        return log_tail - goal, sign * math.exp(log_density - log_tail)

    return 2 * math.exp(solve(gap, _start(a, tail, is_upper=is_upper)))


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """Return the probability of at most `successes` in `trials`."""
    if successes < 0 or successes >= trials:
        return float(successes >= 0)
    return math.exp(beta_tails(trials - successes, successes + 1, 1 - probability, probability)[0])


def student_cdf(value: float, degrees: float) -> float:
    """Return the probability that Student's t lies below `value`."""
    log_tail = _log_student_tail(abs(value), degrees)
    return math.exp(log_tail) if value <= 0 else -math.expm1(log_tail)


def student_quantile(probability: float, degrees: float) -> float:
    """Return the value below which Student's t, of at least 1 degree of freedom, lies with `probability`."""
    if probability in (0, 0.5, 1):
        return 0.0 if probability == 0.5 else math.copysign(math.inf, probability - 0.5)
    tail = min(probability, 1 - probability)
    goal = math.log(tail)
    scale = math.log(degrees) / 2 + float(log_beta(degrees / 2, 0.5))

    def gap(log_t: float) -> tuple[float, float]:
        log_tail = _log_student_tail(math.exp(log_t), degrees)
        # ln(1 + t^2 / degrees), also where the square would overflow.
        log_square = 2 * log_t - math.log(degrees)
        spread = log_square if log_square > 40 else math.log1p(math.exp(log_square))
        return log_tail - goal, -math.exp(log_t - scale - (degrees + 1) / 2 * spread - log_tail)

    size = math.exp(solve(gap, math.log(-normal_quantile(tail))))
    return math.copysign(size, probability - 0.5)


def normal_cdf(value: float) -> float:
    """Return the standard normal's probability below `value`."""
    # erfc keeps its digits in the far tail, where 1 + erf has none left.
    return math.erfc(-value / math.sqrt(2)) / 2


def normal_quantile(probability: float) -> float:
    """Return the value below which the standard normal lies with `probability`."""
    return _NORMAL.inv_cdf(probability)


def _log_student_tail(value: float, degrees: float) -> float:
    """Return ln of the probability that Student's t exceeds a value that is not negative (DLMF 8.17.21)."""
    scaled, a = value / math.sqrt(degrees), degrees / 2
    if scaled > _FAR:
        return -degrees * math.log(scaled) - math.log(degrees) - float(log_beta(a, 0.5))
    square = scaled * scaled
    return beta_tails(a, 0.5, 1 / (1 + square), square / (1 + square))[0] - math.log(2)


def _start(a: float, tail: float, *, is_upper: bool) -> float:
    """Return ln of about the value that a gamma variable of shape `a` exceeds with probability `tail`.

    E. B. Wilson, M. M. Hilferty, PNAS 17 (1931), 684-688; near 0 the first term of the series.
    """
    root = 1 - 1 / (9 * a) - normal_quantile(tail) / (3 * math.sqrt(a))
    if is_upper or root > 0.3:
        return math.log(a) + 3 * math.log(max(root, 0.3))
    return (math.log1p(-tail) + float(log_gamma(a + 1))) / a
