"""ln Gamma and ln B over whole arrays, with the digits of double precision.

Section numbers are those of the NIST Digital Library of Mathematical Functions (DLMF).
"""

from __future__ import annotations

import math
from typing import Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.records import Floats

LARGE: Final = 10.0
"""From here on Stirling's series has all digits of a double with the terms below."""
HALF_LOG_TWO_PI: Final = math.log(2 * math.pi) / 2
_STIRLING: Final = (1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
"""B_2k / (2k (2k - 1)), the last one first (5.11.1)."""
_TERMS: Final = 28
"""Each further term of Taylor's series around 2 is at most a quarter of the one before."""

Number = TypeVar("Number", float, Floats)


def stirling_remainder(values: Number) -> Number:
    """Return what is left of ln Gamma after Stirling's formula; for values from `LARGE` on."""
    reciprocal = 1 / values
    square = reciprocal * reciprocal
    total = 0 * square
    for coefficient in _STIRLING:
        total = total * square + coefficient
    return total * reciprocal


def log_gamma(values: ArrayLike) -> Floats:
    """Return ln Gamma(values), elementwise; infinite at 0, not a number below it."""
    x = np.asarray(values, dtype=np.float64)
    large = np.maximum(x, LARGE)
    # Written so that an infinite value gives infinity, not infinity less infinity.
    result = np.asarray((large - 0.5) * (np.log(large) - 1) - 0.5 + HALF_LOG_TWO_PI + stirling_remainder(large))
    near = x < LARGE
    if near.any():
        result[near] = _log_gamma_near(x[near])
    return result


def log_beta(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return ln B(first, second), elementwise, for arguments above 0.

    ln Gamma of a large argument and of the sum are nearly equal: their difference is taken inside Stirling's formula
    (A. R. DiDonato, A. H. Morris, "Algorithm 708", ACM TOMS 18 (1992), 360-373, there for the same reason).
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    small, big = np.minimum(a, b), np.maximum(a, b)
    of_small = log_gamma(small)
    large = np.maximum(big, LARGE)
    both = np.maximum(small, LARGE)
    shared = stirling_remainder(large) - stirling_remainder(small + large)
    shared = shared - (small + large - 0.5) * np.log1p(small / large)
    log_large = np.log(large)
    one_large = of_small + small * (1 - log_large) + shared
    two_large = HALF_LOG_TWO_PI + stirling_remainder(both) + (both - 0.5) * np.log(both / large) - log_large / 2
    two_large = two_large + shared
    result = np.asarray(np.where(small < LARGE, one_large, two_large))
    near = big < LARGE
    if near.any():
        result[near] = of_small[near] + log_gamma(big[near]) - log_gamma((small + big)[near])
    return result


def x_log_y(factor: ArrayLike, value: ArrayLike) -> Floats:
    """Return factor * ln(value), and 0 where the factor is 0, elementwise."""
    x, y = np.asarray(factor, dtype=np.float64), np.asarray(value, dtype=np.float64)
    return np.asarray(x * np.log(np.where((x == 0) & ~np.isnan(y), 1.0, y)))


def _log_gamma_near(x: Floats) -> Floats:
    """Return ln Gamma below `LARGE`: Taylor's series around 2 (5.7.3), reached in whole steps (5.5.1).

    Around 1 and 2, where the result crosses 0, it keeps its digits: nothing large is subtracted there.
    """
    steps = np.floor(x - 1.5).clip(-2, None)
    z = x - (steps + 2)
    series = np.zeros_like(x)
    for coefficient in _TAYLOR:
        series = (series + coefficient) * z
    product = np.ones_like(x)
    for step in range(1, int(LARGE) - 1):
        product *= np.where(step <= steps, x - step, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.log(x) + np.where(steps == -2, np.log1p(x), 0.0)
    result: Floats = series + np.where(steps < 0, -below, np.log(product))
    return result


def _zeta_less_one(power: int) -> float:
    """Return the sum of n^-power over n from 2 on: the first terms, then Euler and Maclaurin's formula (25.2.9)."""
    last = 30.0
    head = math.fsum(n**-power for n in range(2, int(last)))
    tail, rising = last ** (1 - power) / (power - 1) + last**-power / 2, power * last ** (-power - 1)
    for index, coefficient in enumerate((1 / 12, -1 / 720, 1 / 30240, -1 / 1209600)):
        tail += coefficient * rising
        rising *= (power + 2 * index + 1) * (power + 2 * index + 2) / last**2
    return head + tail


_TAYLOR: Final = (
    *((-1) ** k * _zeta_less_one(k) / k for k in range(_TERMS, 1, -1)),
    1 - float(np.euler_gamma),
)
