"""Numbers that other implementations give: golden ones of the design, and statsmodels to 1e-6."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import normal_power_het, normal_sample_size_one_tail
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    power_proportions_2indep,
    proportions_ztest,
)

from splitleaf.statistics import power
from splitleaf.statistics.multiplicity import adjust_holm
from tests.statistics.fixed_horizon import chi_square_p_value, mcnemar_p_value, wald, welch, z_statistic

COUNTS = [((4500, 4600), (5000, 5000)), ((9, 3), (120, 40)), ((1, 999_000), (500, 1_000_000))]


def test_the_single_look_is_that_of_an_independent_implementation() -> None:
    result = welch((4500, 4600), (5000, 5000))
    assert result.interval.low == pytest.approx(0.0087873608, abs=1e-10)
    assert result.interval.high == pytest.approx(0.0312126392, abs=1e-10)
    assert result.p_value == pytest.approx(0.00047362, abs=5e-9)


def test_the_chi_square_of_a_split_is_that_of_an_independent_implementation() -> None:
    assert chi_square_p_value([5000, 5200], [1, 1]) == pytest.approx(0.0476703807, abs=1e-10)


@pytest.mark.parametrize(("successes", "totals"), COUNTS)
def test_intervals_and_p_values_equal_statsmodels(successes: tuple[int, int], totals: tuple[int, int]) -> None:
    ours = wald(successes, totals)
    low, high = confint_proportions_2indep(successes[1], totals[1], successes[0], totals[0], method="wald")
    statistic, p_value = proportions_ztest(successes[::-1], totals[::-1])
    assert (ours.interval.low, ours.interval.high) == pytest.approx((low, high), abs=1e-6)
    assert float(z_statistic(*successes, *totals)) == pytest.approx(statistic, rel=1e-6)
    assert ours.p_value == pytest.approx(p_value, abs=1e-6, rel=1e-6)


@pytest.mark.parametrize(("only_control", "only_candidate"), [(10, 30), (0, 6), (0, 0), (501, 430), (7, 7)])
def test_mcnemar_for_a_single_look_equals_statsmodels(only_control: int, only_candidate: int) -> None:
    theirs = mcnemar([[100, only_control], [only_candidate, 40]], exact=True).pvalue
    assert mcnemar_p_value(only_control, only_candidate) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.05])
@pytest.mark.parametrize("candidate", [0.92, 0.85, 0.9001])
def test_power_equals_statsmodels(candidate: float, share: float) -> None:
    images = 4000
    theirs = power_proportions_2indep(candidate - 0.9, 0.9, images * share, ratio=(1 - share) / share)
    assert power.power(0.9, candidate, images, share) == pytest.approx(theirs.power, abs=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_sizes_equal_statsmodels(share: float) -> None:
    ours = power.images_needed(0.9, 0.92, share=share)
    pooled = 0.9 * (1 - share) + 0.92 * share
    null = np.sqrt(pooled * (1 - pooled) / (share * (1 - share)))
    true = np.sqrt(0.09 / (1 - share) + 0.0736 / share)
    theirs = normal_sample_size_one_tail(0.02, 0.8, 0.025, std_null=null, std_alternative=true)
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_sizes_of_pairs_have_their_power() -> None:
    pairs = power.pairs_needed(0.02, 0.06, power=0.9)
    null, true = np.sqrt(0.06), np.sqrt(0.06 - 0.02**2)
    assert normal_power_het(0.02, pairs, 0.05, std_null=null, std_alternative=true) == pytest.approx(0.9, abs=1e-6)


def test_sizes_grow_with_the_power_and_false_alarms_alone_need_no_images() -> None:
    powers = (1e-9, 0.01, 0.02, 0.1, 0.5, 0.8, 0.999)
    for sizes in ([size(one) for one in powers] for size in (_split, _pairs)):
        assert sizes[:2] == [0, 0]
        assert sizes == sorted(sizes)
    plans = power.plan_split(0.9, 0.92, 100, power=1e-9), power.plan_pairs(0.02, 0.06, 100, power=1e-9)
    assert {one.fixed_images for one in plans} == {1}, "a plan has images"


def _split(wanted: float) -> float:
    return power.images_needed(0.9, 0.92, wanted)


def _pairs(wanted: float) -> float:
    return power.pairs_needed(0.02, 0.06, wanted)


def test_holm_equals_statsmodels() -> None:
    p_values = {"v2": 0.03, "v3": 0.01, "v4": 0.2, "v5": 0.011, "v6": 0.9}
    theirs = multipletests(list(p_values.values()), method="holm")[1]
    assert [adjust_holm(p_values)[name] for name in p_values] == pytest.approx(list(theirs), abs=1e-12)


def test_pairs_save_what_the_design_says() -> None:
    assert power.pairs_needed(0.02, 0.06) == pytest.approx(1160, rel=0.02)
    assert power.images_needed(0.9, 0.92) == pytest.approx(6370, rel=0.02)
