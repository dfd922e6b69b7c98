"""Exact sequences of rates, pairs, quantiles and shares."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splitleaf.statistics import mcnemar, ratio
from splitleaf.statistics.mcnemar import PairedCounts, compare_paired, win_share
from splitleaf.statistics.proportions import estimate_rate, log_e_value
from splitleaf.statistics.quantiles import estimate_quantile, rank_bounds
from splitleaf.statistics.records import Interval


def test_paired_evidence_is_the_formula() -> None:
    b, c = 10, 30
    log_beta = math.lgamma(5 + b) + math.lgamma(5 + c) - math.lgamma(10 + b + c) - 2 * math.lgamma(5) + math.lgamma(10)
    assert float(mcnemar.log_evidence(b, c)) == pytest.approx(log_beta + 40 * math.log(2), abs=1e-10)
    assert float(mcnemar.log_evidence(0, 0)) == 0


def test_paired_evidence_is_fair_when_neither_is_better() -> None:
    after = 40
    expected = sum(
        math.comb(after, c) * 0.5**after * math.exp(float(mcnemar.log_evidence(after - c, c))) for c in range(after + 1)
    )
    assert expected == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize(("b", "c"), [(10, 30), (30, 10), (12, 30), (0, 7), (20, 20), (100, 150)])
def test_the_win_share_excludes_a_half_just_when_the_evidence_is_in(b: int, c: int) -> None:
    share = win_share(PairedCounts(1000, b, c))
    assert (0.5 not in share.interval) is (float(mcnemar.log_evidence(b, c)) >= math.log(20))
    assert share.value in share.interval


def test_a_paired_difference_needs_ten_disagreements() -> None:
    assert compare_paired(PairedCounts(1000, 4, 5), 2000).interval == Interval(-1.0, 1.0)
    assert not compare_paired(PairedCounts(0, 0, 0), 2000).is_enough
    result = compare_paired(PairedCounts(2000, 40, 90), 2000)
    assert result.is_enough
    assert result.value == pytest.approx(0.025)
    assert 0 < result.interval.low < result.value < result.interval.high < 0.05
    assert result.log_e_value == float(mcnemar.log_evidence(40, 90))


def test_a_paired_difference_waits_for_the_exact_evidence() -> None:
    # With thousands of disagreements the interval, tuned to the plan, is quicker than the evidence, which is not.
    lows = {wins: compare_paired(PairedCounts(100_000, 6000 - wins, wins), 100_000) for wins in (3125, 3140)}
    assert lows[3125].log_e_value < math.log(20) < lows[3140].log_e_value
    assert lows[3125].interval.low == 0 < lows[3140].interval.low
    assert compare_paired(PairedCounts(100_000, 3125, 2875), 100_000).interval.high == 0


@pytest.mark.parametrize("planned", [300, 20_000])
@pytest.mark.parametrize("images", [100, 3000])
def test_a_paired_difference_leaves_zero_out_just_when_the_evidence_is_in(images: int, planned: int) -> None:
    for discordant in range(10, 100):
        for wins in _near_the_border(discordant):
            found = compare_paired(PairedCounts(images, discordant - wins, wins), planned)
            is_told = found.interval.low > 0 or found.interval.high < 0
            assert is_told is (found.log_e_value >= math.log(20)), (discordant, wins)
            assert found.interval.low <= found.value <= found.interval.high


def _near_the_border(discordant: int) -> list[int]:
    """Return the wins of so many on both sides of the exact evidence's border, and those at the ends and the middle."""
    wins = np.arange(discordant + 1)
    short = np.abs(mcnemar.log_evidence(discordant - wins, wins) - math.log(20))
    return sorted({0, discordant // 2, discordant, *np.flatnonzero(short < 1).tolist()})


def test_a_rate_is_covered_at_all_looks() -> None:
    generator = np.random.default_rng(1)
    for rate in (0.02, 0.5, 0.9):
        right = np.cumsum(generator.random((1000, 500)) < rate, axis=1)
        evidence = log_e_value(right, np.arange(1, 501) - right, rate)
        assert (evidence.max(axis=1) >= math.log(20)).mean() <= 0.05
        naive = np.abs(right - rate * np.arange(1, 501)) > 1.96 * np.sqrt(rate * (1 - rate) * np.arange(1, 501))
        assert naive[:, 30:].any(axis=1).mean() > 0.25


def test_ends_of_a_rate_are_where_the_evidence_is_just_enough() -> None:
    result = estimate_rate(90, 10)
    for end in (result.interval.low, result.interval.high):
        assert float(log_e_value(90, 10, end)) == pytest.approx(math.log(20), abs=1e-6)


@pytest.mark.parametrize(
    ("right", "wrong"), [(0, 0), (0, 1), (1, 0), (0, 10**12), (10**12, 0), (10**9, 10**9), (1, 10**9)]
)
def test_rates_at_the_extremes(right: int, wrong: int) -> None:
    result = estimate_rate(right, wrong)
    assert 0 <= result.interval.low <= result.value <= result.interval.high <= 1
    assert (result.interval.low == 0) is (right == 0)
    assert (result.interval.high == 1) is (wrong == 0)


def test_more_outcomes_say_more() -> None:
    widths = [estimate_rate(9 * n, n).interval.half_width for n in (1, 10, 100, 1000, 10**6)]
    assert widths == sorted(widths, reverse=True)


def test_the_tail_of_a_small_sample_is_not_shown() -> None:
    assert rank_bounds(0, 0.5) is None
    assert rank_bounds(100, 0.5) is not None
    assert rank_bounds(100, 0.95) is None
    assert rank_bounds(500, 0.99) is None
    assert rank_bounds(2000, 0.99) is not None
    assert estimate_quantile(np.arange(500.0), 0.99) is None


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_ranks_are_those_of_the_mixture(quantile: float) -> None:
    n, prior = 3000, (600 * quantile, 600 * (1 - quantile))
    below = np.arange(n + 1)
    kept = below[log_e_value(below, n - below, quantile, prior) < math.log(20)]
    assert rank_bounds(n, quantile) == (kept[0], kept[-1] + 1)


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_quantiles_are_covered_at_all_looks(quantile: float) -> None:
    generator = np.random.default_rng(2)
    looks = np.arange(100, 5001, 100)
    bounds = [rank_bounds(int(n), quantile) for n in looks]
    # How many lie below the true quantile; the bound misses when that is less than low or at least high.
    below = np.cumsum(generator.random((500, 5000)) < quantile, axis=1)[:, looks - 1]
    low = np.array([each[0] if each else 0 for each in bounds])
    high = np.array([each[1] if each else 10**9 for each in bounds])
    assert 0.002 < ((below < low) | (below >= high)).any(axis=1).mean() <= 0.05


def test_a_quantile_is_an_observation_between_its_bounds() -> None:
    values = np.sort(np.random.default_rng(4).lognormal(size=5000))
    result = estimate_quantile(values, 0.95)
    assert result is not None
    assert result.value == values[4749]
    assert result.value in result.interval
    assert math.exp(1.6448536) in result.interval


def test_split_evidence_is_fair_at_the_shares_that_were_asked_for() -> None:
    n, share = 30, 0.1
    total = sum(
        math.comb(n, k)
        * share**k
        * (1 - share) ** (n - k)
        * math.exp(float(ratio.log_evidence([n - k, k], [1 - share, share])))
        for k in range(n + 1)
    )
    assert total == pytest.approx(1, abs=1e-10)


def test_a_lost_tenth_of_an_arm_is_a_mismatch() -> None:
    assert ratio.is_mismatch([50_000, 45_000], [1, 1])
    assert not ratio.is_mismatch([50_000, 50_100], [1, 1])
    assert not ratio.is_mismatch([0, 0], [1, 1])
    assert ratio.is_mismatch([80_000, 10_000, 9_000], [80, 10, 10])


def test_revisions_with_shares_of_their_own_are_judged_together() -> None:
    counts, shares = [[49_500, 500], [5000, 5000]], [[0.99, 0.01], [0.5, 0.5]]
    assert not ratio.is_mismatch(counts, shares)
    assert ratio.is_mismatch(np.sum(counts, axis=0), np.sum(shares, axis=0))
    assert ratio.is_mismatch([[49_500, 500], [5000, 5600]], shares)


def test_an_arm_without_a_share_is_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        ratio.log_evidence([10, 1], [1, 0])
    assert math.isfinite(float(ratio.log_evidence([10**15, 10**15], [0.5, 0.5])))
