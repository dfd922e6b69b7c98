"""Regularised incomplete gamma and beta functions: logarithms of both tails.

The smaller tail is computed itself, so that it keeps its digits however small it is. Section numbers are those of the
NIST Digital Library of Mathematical Functions (DLMF). The number of terms grows with the square root of the parameters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Final

from splitleaf.statistics.gamma import HALF_LOG_TWO_PI, LARGE, log_beta, log_gamma, stirling_remainder

Tails = tuple[float, float]
"""(ln of the probability below, ln of the probability above)."""

_SMALLEST_STEP: Final = 1e-15
"""A few units in the last place: rounding alone never hides that a fraction has converged."""
_TINY: Final = 1e-300
_MOST_STEPS: Final = 100


def gamma_tails(a: float, x: float) -> Tails:
    """Return ln P(a, x) and ln Q(a, x), for a >= 0 (8.2.4); all of it lies at 0 where a is 0."""
    if x <= 0:
        return -math.inf, 0.0
    if a == 0 or math.isinf(x):
        return 0.0, -math.inf
    front = _gamma_front(a, x)
    if x < a + 1:
        lower = min(front + math.log(_gamma_series(a, x)), 0.0)
        return lower, log_complement(lower)
    fraction = _lentz(x + 1 - a, ((-i * (i - a), x + 2 * i + 1 - a) for i in itertools.count(1)))
    upper = min(front + math.log(a) - math.log(fraction), 0.0)
    return log_complement(upper), upper


def beta_tails(a: float, b: float, x: float, y: float) -> Tails:
    """Return ln I_x(a, b) and ln I_y(b, a), for a, b > 0 and y = 1 - x: both, since 1 - x may have no digits left."""
    if x <= 0:
        return -math.inf, 0.0
    if y <= 0:
        return 0.0, -math.inf
    front = _beta_front(a, b, x, y)
    # (a + 1) / (a + b + 2) in a form that also holds when x is within rounding of 1.
    if x * (b + 1) < y * (a + 1):
        lower = min(front - math.log(_beta_fraction(a, b, x, y)), 0.0)
        return lower, log_complement(lower)
    upper = min(front - math.log(_beta_fraction(b, a, y, x)), 0.0)
    return log_complement(upper), upper


def log_complement(log_probability: float) -> float:
    """Return ln(1 - p) from ln p."""
    return -math.inf if log_probability >= 0 else math.log(-math.expm1(log_probability))


def solve(function: Callable[[float], tuple[float, float]], start: float) -> float:
    """Return where a concave monotone function is 0, by Newton's method; it gives its value and its slope.

    On such a function the method cannot fail: from the first step on it comes nearer from one side.
    """
    at = start
    for _ in range(_MOST_STEPS):
        value, slope = function(at)
        step = value / slope
        at -= step
        # Each step squares the error: after one as small as this, nothing is left that a double can show.
        if abs(step) <= 1e-10:
            break
    return at


def _gamma_front(a: float, x: float) -> float:
    """Return ln(x^a e^-x / Gamma(a + 1))."""
    if a < LARGE:
        return a * math.log(x) - x - float(log_gamma(a + 1))
    return a * _log_excess(x / a, (x - a) / a) - HALF_LOG_TWO_PI - math.log(a) / 2 - stirling_remainder(a)


def _beta_front(a: float, b: float, x: float, y: float) -> float:
    """Return ln(x^a y^b / B(a, b)); with large parameters as a distance from the mean, where nothing large cancels."""
    if min(a, b) < LARGE:
        log_x = math.log(x) if x < 0.5 else math.log1p(-y)
        log_y = math.log(y) if y < 0.5 else math.log1p(-x)
        return a * log_x + b * log_y - float(log_beta(a, b))
    n, shift = a + b, x * b - y * a
    distance = a * _log_excess(x * n / a, shift / a) + b * _log_excess(y * n / b, -shift / b)
    remainders = stirling_remainder(n) - stirling_remainder(a) - stirling_remainder(b)
    return distance + remainders + (math.log(a) + math.log(b) - math.log(n)) / 2 - HALF_LOG_TWO_PI


def _log_excess(ratio: float, less_one: float) -> float:
    """Return ln(ratio) - (ratio - 1), of which both parts nearly cancel around 1 (4.6.4)."""
    if abs(less_one) > 0.4:
        return math.log(ratio) - less_one
    r = less_one / (2 + less_one)
    square = r * r
    total = math.fsum(square**k / (2 * k + 3) for k in range(16))
    return r * (2 * square * total - less_one)


def _gamma_series(a: float, x: float) -> float:
    """Return the sum of x^n / ((a + 1) ... (a + n)) (8.7.1)."""
    total = term = 1.0
    for n in itertools.count(1):
        term *= x / (a + n)
        total += term
        if not term > total * _SMALLEST_STEP / 10:
            break
    return total


def _beta_fraction(a: float, b: float, x: float, y: float) -> float:
    """Return the continued fraction whose reciprocal, times the front, is I_x(a, b): the even part of 8.17.22.

    As in A. R. DiDonato, A. H. Morris, "Algorithm 708", ACM TOMS 18 (1992), 360-373: through a * y - b * x it keeps its
    digits where x is within rounding of 1, and it takes half the steps.
    """
    shift = a * y - b * x + 1

    def terms() -> Iterator[tuple[float, float]]:
        for m in itertools.count(1):
            width = a + 2 * m - 1
            numerator = (a + m - 1) * (a + b + m - 1) / width * (m * (b - m) / width) * x * x
            yield numerator, m + m * (b - m) * x / width + (a + m) * (shift + m * (1 + y)) / (width + 2)

    return _lentz(a * shift / (a + 1), terms())


def _lentz(first: float, terms: Iterator[tuple[float, float]]) -> float:
    """Return first + n1 / (d1 + n2 / (d2 + ...)) from the pairs (n, d).

    W. J. Lentz, Applied Optics 15 (1976), 668-671, as modified by I. J. Thompson and A. R. Barnett, Journal of
    Computational Physics 64 (1986), 490-509: a divisor of 0 is replaced by a tiny one.
    """
    value = above = first or _TINY
    below = 0.0
    for numerator, denominator in terms:
        below = 1 / ((denominator + numerator * below) or _TINY)
        above = (denominator + numerator / above) or _TINY
        change = above * below
        value *= change
        # This way round, what is not a number ends it too.
        if not abs(change - 1) > _SMALLEST_STEP:
            break
    return value
