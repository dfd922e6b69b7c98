"""Our special functions beside scipy's, over wide seeded grids, and beside exact numbers where scipy has fewer digits."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
import scipy.special as oracle

from splitleaf.statistics import special
from splitleaf.statistics.records import Floats

POINTS = 400
LEAST = 1e-300
"""Below it doubles have fewer digits, and scipy says 0."""


def spread(generator: np.random.Generator, low: float, high: float, size: int = POINTS) -> Floats:
    """Return numbers of every order of magnitude between 10^low and 10^high."""
    return np.asarray(10 ** generator.uniform(low, high, size))


def assert_close(ours: Iterable[float], theirs: Iterable[float], rtol: float = 1e-10, atol: float = LEAST) -> None:
    np.testing.assert_allclose(np.array(list(ours)), np.array(list(theirs)), rtol=rtol, atol=atol)


def test_log_gamma_equals_scipy_to_twelve_digits() -> None:
    generator = np.random.default_rng(1)
    x = np.concatenate([spread(generator, -300, 300, 20_000), spread(generator, -3, 3, 20_000), np.arange(1, 300) / 2])
    away = np.minimum(abs(x - 1), abs(x - 2)) > 1e-3
    assert_close(special.log_gamma(x[away]), oracle.gammaln(x[away]), rtol=1e-12)
    assert special.log_gamma(x[:40_000].reshape(4, 100, 100)).shape == (4, 100, 100)


def test_log_gamma_keeps_its_digits_beside_its_zeros() -> None:
    # ln Gamma(1 + z) = -g z + pi^2 z^2 / 12 - ..., ln Gamma(2 + z) = (1 - g) z + (pi^2 / 6 - 1) z^2 / 2 - ...
    for wanted in (1e-15, -1e-12, 1e-9, -1e-8):
        first, second = (1 + wanted) - 1, (2 + wanted) - 2
        g, square = float(np.euler_gamma), math.pi**2 / 6
        assert_close([float(special.log_gamma(1 + first))], [-g * first + square * first**2 / 2], rtol=1e-12)
        assert_close(
            [float(special.log_gamma(2 + second))], [(1 - g) * second + (square - 1) * second**2 / 2], rtol=1e-12
        )


def test_log_gamma_at_the_edges() -> None:
    values = special.log_gamma([0, 1, 2, math.inf, -0.5, math.nan])
    assert values[:4].tolist() == [math.inf, 0, 0, math.inf]
    assert np.isnan(values[4:]).all()


def test_log_beta_equals_scipy() -> None:
    generator = np.random.default_rng(2)
    a, b = spread(generator, -5, 3, 20_000), spread(generator, -5, 3, 20_000)
    assert_close(special.log_beta(a, b), oracle.betaln(a, b), atol=1e-11)
    big = spread(generator, 3, 6, 2_000)
    assert_close(special.log_beta(big, big[::-1]), oracle.betaln(big, big[::-1]))


@pytest.mark.parametrize("large", [12, 10**3, 10**6, 10**9, 10**15])
@pytest.mark.parametrize("small", [1, 2, 9, 10, 25, 3000])
def test_log_beta_of_unequal_numbers_is_exact(small: int, large: int) -> None:
    exact = -math.log(small * math.comb(small + large - 1, small))
    assert float(special.log_beta(small, large)) == pytest.approx(exact, rel=1e-14)
    assert float(special.log_beta(large, small)) == pytest.approx(exact, rel=1e-14)


def test_x_log_y_equals_scipy() -> None:
    x, y = np.meshgrid([0, 0.5, -2, 1e300, math.nan], [0.0, 1e-300, 1, 7, math.inf, math.nan])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(special.x_log_y(x, y), oracle.xlogy(x, y), rtol=1e-15)


def test_chi_square_tails_equal_scipy() -> None:
    generator = np.random.default_rng(3)
    degrees = np.ceil(spread(generator, 0, 6))
    around = np.maximum(0, degrees + generator.normal(0, 6, POINTS) * np.sqrt(degrees))
    for statistic in (around, degrees * np.exp(generator.uniform(-4, 4, POINTS)), spread(generator, -300, 3)):
        ours = map(special.chi_square_tail, statistic.tolist(), degrees.tolist())
        assert_close(ours, oracle.chdtrc(degrees, statistic))


def test_chi_square_quantiles_equal_scipy() -> None:
    generator = np.random.default_rng(4)
    degrees = np.ceil(spread(generator, 0, 5))
    for tail in (spread(generator, -290, 0), generator.random(POINTS), 1 - spread(generator, -15, -1)):
        ours = map(special.chi_square_quantile, tail.tolist(), degrees.tolist())
        assert_close(ours, oracle.chdtri(degrees, tail))


def test_chi_square_at_the_edges() -> None:
    assert [special.chi_square_tail(x, 3) for x in (-1, 0, math.inf)] == [1, 1, 0]
    assert [special.chi_square_quantile(tail, 3) for tail in (1, 0)] == [0, math.inf]
    assert (special.chi_square_tail(0, 0), special.chi_square_tail(2, 0), special.chi_square_quantile(0.01, 0)) == (
        1,
        0,
        0,
    )


def test_binomials_equal_scipy() -> None:
    generator = np.random.default_rng(5)
    trials = np.ceil(spread(generator, 0.5, 8))
    for probability in (np.full(POINTS, 0.5), generator.random(POINTS), spread(generator, -9, -1)):
        deviation = np.sqrt(trials * probability * (1 - probability))
        around = np.round(trials * probability + generator.normal(0, 5, POINTS) * deviation)
        successes = np.clip(around, 0, trials - 1)
        ours = map(special.binomial_cdf, successes.tolist(), trials.tolist(), probability.tolist())
        assert_close(ours, oracle.betaincc(successes + 1, trials - successes, probability))


def test_binomials_are_the_sums_of_whole_numbers() -> None:
    for trials in (1, 7, 60, 1000):
        for successes in range(0, trials, max(1, trials // 13)):
            exact = sum(math.comb(trials, k) for k in range(successes + 1)) / 2**trials
            assert special.binomial_cdf(successes, trials, 0.5) == pytest.approx(exact, rel=1e-12)


def test_binomials_at_the_edges() -> None:
    assert [special.binomial_cdf(k, 5, 0.3) for k in (-1, 5, 6)] == [0, 1, 1]
    assert special.binomial_cdf(0, 0, 0.5) == 1
    assert [special.binomial_cdf(2, 5, p) for p in (0.0, 1.0)] == [1, 0]
    # An odd number of fair coins has its middle between two counts: exactly one half.
    assert special.binomial_cdf(500_000_000, 1_000_000_001, 0.5) == pytest.approx(0.5, rel=1e-10)


def test_students_tails_equal_scipy() -> None:
    generator = np.random.default_rng(6)
    degrees = spread(generator, 0, 9)
    for size in (spread(generator, -3, 1.2), spread(generator, -12, 6)):
        # scipy is given whichever argument is not within rounding of 1.
        x, y = degrees / (degrees + size**2), size**2 / (degrees + size**2)
        theirs = np.where(y < 0.5, oracle.betaincc(0.5, degrees / 2, y), oracle.betainc(degrees / 2, 0.5, x)) / 2
        lower = [special.student_cdf(-t, df) for t, df in zip(size.tolist(), degrees.tolist(), strict=True)]
        upper = [special.student_cdf(t, df) for t, df in zip(size.tolist(), degrees.tolist(), strict=True)]
        assert_close(lower, theirs)
        assert_close(upper, 1 - theirs)


def test_students_quantiles_equal_scipy() -> None:
    generator = np.random.default_rng(7)
    degrees = spread(generator, 0, 5)
    for probability in (spread(generator, -30, 0), generator.random(POINTS), 1 - spread(generator, -12, -1)):
        ours = map(special.student_quantile, probability.tolist(), degrees.tolist())
        assert_close(ours, oracle.stdtrit(degrees, probability))


@pytest.mark.parametrize("degrees", [1, 1.5, 30, 1e7])
@pytest.mark.parametrize("probability", [1e-290, 1e-100, 0.025, 0.499, 0.975])
def test_students_quantiles_lead_back(probability: float, degrees: float) -> None:
    found = special.student_quantile(probability, degrees)
    assert special.student_cdf(found, degrees) == pytest.approx(probability, rel=1e-10)


def test_student_at_the_edges() -> None:
    assert [special.student_cdf(t, 4) for t in (-math.inf, 0, math.inf)] == [0, 0.5, 1]
    assert [special.student_quantile(p, 4) for p in (0, 0.5, 1)] == [-math.inf, 0, math.inf]
    # One degree is Cauchy's distribution: 1 / (pi t) far out.
    assert special.student_cdf(-1e200, 1) == pytest.approx(1 / (math.pi * 1e200), rel=1e-12)
    assert special.student_quantile(1e-250, 1) == pytest.approx(-1 / (math.pi * 1e-250), rel=1e-12)


def test_normals_equal_scipy() -> None:
    z = np.linspace(-37, 8, 1001)
    assert_close(map(special.normal_cdf, z.tolist()), oracle.ndtr(z))
    tail = spread(np.random.default_rng(8), -300, -0.01)
    assert_close(map(special.normal_quantile, tail.tolist()), oracle.ndtri(tail))


def test_what_is_not_a_number_stays_so() -> None:
    assert math.isnan(special.student_cdf(math.nan, 4))
    assert math.isnan(special.chi_square_tail(math.nan, 4))
    assert math.isnan(special.binomial_cdf(2, 5, math.nan))
