"""Calibration, classes, audits, drift, plans, verdicts, and rows into totals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from splitleaf.analysis.classes import (
    Disagreement,
    agreement,
    compare_recalls,
    count_pairs,
    list_disagreements,
)
from splitleaf.analysis.verdicts import Verdict, judge
from splitleaf.statistics.calibration import measure_reliability
from splitleaf.statistics.drift import measure_drift, null_threshold
from splitleaf.statistics.grouping import total
from splitleaf.statistics.multiplicity import adjust_holm
from splitleaf.statistics.power import design_effect, pairs_needed, plan_pairs, plan_split
from splitleaf.statistics.records import Difference, Interval
from splitleaf.statistics.sequences import compare


def test_the_analysis_runs_without_scipy() -> None:
    program = """
import importlib, pkgutil, sys, splitleaf.analysis, splitleaf.statistics
for package in (splitleaf.analysis, splitleaf.statistics):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
sys.exit("scipy" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_calibration_error_is_the_mean_gap() -> None:
    result = measure_reliability([0.95, 0.95, 0.95, 0.95, 0.55, 0.55], [1, 1, 1, 0, 1, 0])
    assert result.calibration_error == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)
    assert result.gaps[14] == pytest.approx(-0.2)
    assert result.gaps[0] == 0
    assert measure_reliability([], []).calibration_error == 0
    assert measure_reliability([1.0, 0.0], [1, 0]).calibration_error == 0


def test_weights_stand_for_images_that_were_not_labelled() -> None:
    weighted = measure_reliability([0.95, 0.55], [1, 0], [3, 1])
    repeated = measure_reliability([0.95, 0.95, 0.95, 0.55], [1, 1, 1, 0])
    assert weighted.calibration_error == pytest.approx(repeated.calibration_error)


def test_versions_are_compared_class_by_class() -> None:
    matrix = count_pairs([0, 0, 1, 2, 2, 2], [0, 1, 1, 1, 0, 1], 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 2, 0]]
    assert agreement(matrix) == pytest.approx(2 / 6)
    assert list_disagreements(matrix) == [Disagreement(2, 1, 2), Disagreement(0, 1, 1), Disagreement(2, 0, 1)]
    assert agreement(count_pairs([], [], 3)) == 1


def test_a_class_that_got_worse_is_found_and_the_others_are_left_alone() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 5, 5000)
    control = np.where(generator.random(5000) < 0.9, truth, (truth + 1) % 5)
    candidate = np.where((truth == 3) & (generator.random(5000) < 0.15), 0, control)
    results = compare_recalls(truth, control, candidate, 5, planned_images=5000)
    assert [one.interval.high < 0 for one in results] == [False, False, False, True, False]
    # The price of judging five classes at once: each by itself is judged at a fifth of alpha.
    only = truth == 3
    wrong = [(answers[only] != 3).astype(int) for answers in (control, candidate)]
    alone = compare_recalls(np.zeros_like(wrong[0]), wrong[0], wrong[1], 1, planned_images=1000, alpha=0.01)
    assert results[3].interval == alone[0].interval


@pytest.mark.slow
def test_drift_is_judged_by_what_chance_alone_does() -> None:
    generator = np.random.default_rng(3)
    even = np.full(10, 0.1)
    for size, quantile in ((200, 0.120), (500, 0.049), (2000, 0.015)):
        draws = zip(generator.multinomial(5000, even, 2000), generator.multinomial(size, even, 2000), strict=True)
        indices = [measure_drift(*pair).index for pair in draws]
        assert np.quantile(indices, 0.99) == pytest.approx(quantile, rel=0.1)
        assert null_threshold(5000, size, 10) == pytest.approx(quantile, rel=0.1)
    assert measure_drift([100] * 10, [60] * 5 + [140] * 5).is_drift
    assert not measure_drift([100] * 10, [100] * 10).is_drift


def test_a_bin_that_was_never_seen_is_no_infinity() -> None:
    assert np.isfinite(measure_drift([500, 500, 0], [500, 400, 100]).index)


def test_holm_gives_the_smallest_the_strictest_test() -> None:
    assert adjust_holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert adjust_holm({}) == {}


def test_plans_say_how_many_and_how_long() -> None:
    split = plan_split(0.90, 0.92, 1000)
    assert split.sequential_images == split.labels == pytest.approx(2 * 6426, abs=2)
    assert split.days == 13
    clustered = plan_split(0.90, 0.92, 1000, images_per_unit=5, intraclass_correlation=0.1)
    assert clustered.fixed_images == pytest.approx(1.4 * split.fixed_images, abs=2)
    assert design_effect(5, 0.1) == pytest.approx(1.4)
    assert plan_split(0.90, 0.92, 1000, share=0.05).days > 4 * split.days
    pairs = plan_pairs(0.02, 0.06, 1000)
    assert pairs.labels * 12 < split.labels
    assert pairs.days == 3
    with pytest.raises(ValueError, match="differ"):
        pairs_needed(0.05, 0.02)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.03, Verdict.BETTER),
        (-0.03, -0.006, Verdict.WORSE),
        (-0.03, -0.001, Verdict.UNDECIDED),
        (-0.004, -0.001, Verdict.NOT_WORSE),
        (-0.004, 0.03, Verdict.NOT_WORSE),
        (-0.004, 0.004, Verdict.EQUIVALENT),
        (-0.02, 0.03, Verdict.UNDECIDED),
    ],
)
def test_verdicts_follow_the_interval(low: float, high: float, verdict: Verdict) -> None:
    difference = Difference((low + high) / 2, Interval(low, high), 1.0, is_enough=True)
    assert judge(difference, 0.005) is verdict
    assert judge(difference, 0.005, is_mismatch=True) is Verdict.INVALID
    assert judge(Difference(0.0, Interval(-1, 1), 0.0, is_enough=False), 0.005) is Verdict.NOT_ENOUGH_DATA


def test_rows_become_totals_by_revision_and_unit() -> None:
    sample = total([7, 7, 7, 9, 9, 9], [0, 0, 1, 0, 1, 1], [4, 4, 5, 6, 8, 8], [1, 0, 1, 1, 1, 1])
    assert sample.control.units.tolist() == [1, 1]
    assert sample.control.images.tolist() == [2, 1]
    assert sample.control.outcomes.tolist() == [1, 1]
    assert sample.candidate.units.tolist() == [1, 1]
    assert sample.candidate.images_squared.tolist() == [1, 4]
    assert sample.candidate.products.tolist() == [1, 4]
    assert sample.overlap == 0
    assert total([], [], [], []).control.units.shape == (0,)


def test_the_overlap_is_what_returning_units_add() -> None:
    generator = np.random.default_rng(6)
    revision, unit = generator.integers(0, 3, 200), generator.integers(0, 30, 200)
    arms, right = (unit + revision) % 3 == 0, generator.random(200) < 0.7
    sample = total(revision, arms, unit, right)
    apart, together = 0.0, np.zeros(30)
    for stratum in range(3):
        n, m = float(sample.control.units[stratum]), float(sample.candidate.units[stratum])
        for arm, sign in ((False, -1), (True, 1)):
            cell = (revision == stratum) & (arms == arm)
            for person in range(30):
                own = right[cell & (unit == person)]
                share = sign * n * m / (n + m) * (own.sum() - right[cell].mean() * own.size) / cell.sum()
                apart += share**2
                together[person] += share
    assert sample.overlap == pytest.approx((together**2).sum() - apart, rel=1e-9)
    assert sample.overlap != 0


@pytest.mark.slow
def test_people_who_return_in_the_next_stage_are_not_news() -> None:
    generator = np.random.default_rng(4)
    rejected = {"with": 0, "without": 0}
    for _ in range(300):
        rate = generator.beta(0.9 * 1.0, 0.1 * 1.0, 400)
        arms = generator.random(400) < 0.5
        unit = np.tile(np.arange(400), 8)
        right = generator.random(3200) < rate[unit]
        sample = total(np.repeat(np.arange(8), 400), arms[unit], unit, right)
        for name, overlap in (("with", sample.overlap), ("without", 0.0)):
            interval = compare(sample.control, sample.candidate, 72.0, 0.05, overlap).interval
            rejected[name] += 0 not in interval
    assert rejected["with"] <= 15
    assert rejected["without"] >= 30
