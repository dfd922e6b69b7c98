"""The confidence sequence: its arithmetic, its gate, its variances. How often it errs: test_acceptance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splitleaf.statistics.power import growth_needed
from splitleaf.statistics.records import ArmTotals, Interval
from splitleaf.statistics.sequences import (
    Score,
    bound,
    compare,
    estimate_mean,
    is_enough,
    log_e_value,
    mean_variance,
    mixture_width,
    planned_variance,
    score_difference,
)

ALPHA = 0.05


def single(successes: list[int], units: list[int]) -> ArmTotals:
    return ArmTotals.of_single(successes, units)


def test_the_bound_is_the_formula() -> None:
    rho = mixture_width(450.0, ALPHA)
    assert rho == pytest.approx(225 / (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))), rel=1e-12)
    assert float(bound(300.0, rho, ALPHA)) == pytest.approx(
        math.sqrt((300 + rho) * math.log((300 + rho) / (rho * ALPHA**2))), rel=1e-12
    )


def test_the_sequence_is_narrowest_at_half_the_planned_variance() -> None:
    here = float(bound(225.0, mixture_width(450.0, ALPHA), ALPHA))
    others = [float(bound(225.0, mixture_width(planned, ALPHA), ALPHA)) for planned in (45.0, 300.0, 600.0, 4500.0)]
    assert all(here < other for other in others)


def test_evidence_and_bound_say_the_same() -> None:
    rho = mixture_width(450.0, ALPHA)
    score = score_difference(single([900], [1000]), single([940], [1000]))
    edge = Score(bound(score.variance, rho, ALPHA), score.variance, score.weight)
    assert float(log_e_value(edge, rho)) == pytest.approx(-math.log(ALPHA), rel=1e-9)


def test_a_difference_is_the_weighted_mean_of_its_strata() -> None:
    result = compare(single([900, 400], [1000, 500]), single([930, 450], [1000, 500]), 100.0)
    assert result.value == pytest.approx((500 * 0.03 + 250 * 0.1) / 750)
    assert result.value in result.interval


def test_strata_keep_drift_from_passing_for_an_effect() -> None:
    # Accuracy falls from .92 to .86 for everybody while the candidate's share rises from 1 to 50 %.
    control, candidate = single([9108, 4300], [9900, 5000]), single([92, 4300], [100, 5000])
    assert compare(control, candidate, 500.0).value == pytest.approx(0.0, abs=1e-12)
    pooled = compare(single([13408], [14900]), single([4392], [5100]), 500.0)
    assert pooled.interval.high < 0


@pytest.mark.parametrize(
    ("successes", "units", "enough"), [(90, 100, True), (91, 100, False), (10, 20, True), (9, 100, False)]
)
def test_the_gate_opens_at_ten_of_each(successes: int, units: int, enough: bool) -> None:
    other = single([50], [100])
    assert bool(is_enough(single([successes], [units]), other)) is enough
    result = compare(other, single([successes], [units]), 100.0)
    assert result.is_enough is enough
    assert (result.interval == Interval(-1.0, 1.0)) is not enough
    assert (result.log_e_value == 0) is not enough


def test_the_variance_of_single_outcomes_has_a_pseudo_count_of_each() -> None:
    assert float(mean_variance(single([1000], [1000]))[0]) == pytest.approx((1001 / 1002) * (1 / 1002) / 1000)


def test_the_clustered_variance_is_that_of_unit_means() -> None:
    generator = np.random.default_rng(3)
    rate = generator.beta(4, 1, size=(4000, 1))
    images = generator.integers(1, 9, size=4000)
    right = generator.binomial(images[:, None], rate)[:, 0]
    truth = float(mean_variance(ArmTotals.of_units(images, right))[0])
    draws = generator.integers(0, 4000, size=(500, 4000))
    resampled = (right[draws].sum(axis=1) / images[draws].sum(axis=1)).var()
    assert truth == pytest.approx(float(resampled), rel=0.2)
    flat = single([int(right.sum())], [int(images.sum())])
    assert truth > 1.5 * float(mean_variance(flat)[0])


def test_units_without_images_count_for_nothing() -> None:
    full = ArmTotals.of_units([3, 2, 4], [2, 2, 3])
    padded = ArmTotals.of_units([3, 0, 2, 4, 0], [2, 0, 2, 3, 0])
    assert float(padded.units[0]) == float(full.units[0]) == 3
    assert float(mean_variance(padded)[0]) == float(mean_variance(full)[0])


def test_an_empty_stratum_changes_nothing() -> None:
    one = compare(single([900], [1000]), single([930], [1000]), 100.0)
    two = compare(single([900, 50], [1000, 60]), single([930, 0], [1000, 0]), 100.0)
    assert two.interval == one.interval


@pytest.mark.parametrize("units", [0, 1, 10**3, 10**9, 10**15])
@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_extremes_stay_finite(units: int, rate: float) -> None:
    arm = single([int(units * rate)], [units])
    result = compare(arm, arm, planned_variance(0.9, 1000, 1000))
    assert result.value == 0
    assert -1 <= result.interval.low <= 0 <= result.interval.high <= 1
    assert math.isfinite(result.log_e_value)


def test_a_mean_has_its_own_sequence() -> None:
    result = estimate_mean(single([900], [1000]), 2000)
    assert result.value == pytest.approx(0.9)
    assert 0.86 < result.interval.low < 0.88
    assert 0.92 < result.interval.high < 0.94
    assert estimate_mean(single([5], [5]), 2000).interval == Interval(0.0, 1.0)
    with pytest.raises(ValueError, match="one stratum"):
        estimate_mean(single([900, 90], [1000, 100]), 2000)


def test_growth_is_how_much_more_data_an_aim_needs() -> None:
    rho = mixture_width(450.0, ALPHA)
    score = score_difference(single([900], [1000]), single([940], [1000]))
    growth = growth_needed(float(score.variance), float(score.weight), rho, 0.01)
    grown = float(bound(growth * score.variance, rho, ALPHA) / (growth * score.weight))
    assert growth > 1
    assert grown == pytest.approx(0.01, rel=1e-6)
    assert growth_needed(float(score.variance), float(score.weight), rho, 0.5) == 1
