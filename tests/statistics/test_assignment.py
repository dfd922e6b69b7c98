"""Exact evidence from the assignment: fair under the null whatever happens, and as quick as a test that must wait."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from splitleaf.statistics.assignment import weigh_assignment
from splitleaf.statistics.eprocess import EProcess, log_path

SIX = list(itertools.product([False, True], repeat=6))


def expected(rates: list[tuple[float, float]], share: float) -> tuple[float, float]:
    """Return E[e] of either side after three outcomes, over all that can happen, with these (control, candidate)."""
    higher = lower = 0.0
    for outcome in SIX:
        arms, right = np.array(outcome[:3]), np.array(outcome[3:])
        chance = 1.0
        for is_candidate, is_right, rate in zip(arms, right, rates, strict=True):
            p = rate[int(is_candidate)]
            chance *= (share if is_candidate else 1 - share) * (p if is_right else 1 - p)
        found = weigh_assignment(arms, right, share)
        higher += chance * math.exp(found.higher[-1])
        lower += chance * math.exp(found.lower[-1])
    return higher, lower


@pytest.mark.parametrize("share", [0.5, 0.05, 0.99])
@pytest.mark.parametrize("rates", [[0.9] * 3, [0.99, 0.5, 0.01]])
def test_evidence_is_fair_while_the_arms_are_alike_also_under_drift(share: float, rates: list[float]) -> None:
    assert expected([(one, one) for one in rates], share) == pytest.approx((1, 1), abs=1e-9)


def test_either_side_hears_nothing_of_the_other() -> None:
    higher, lower = expected([(0.5, 0.7), (0.9, 0.9), (0.2, 0.9)], 0.3)
    assert higher > 1
    assert lower < 1


def test_all_runs_at_once_are_each_by_itself_and_a_share_may_change() -> None:
    generator = np.random.default_rng(1)
    share = np.repeat([0.1, 0.5], 400)
    arms = generator.random((3, 800)) < share
    right = generator.random((3, 800)) < 0.8
    together = weigh_assignment(arms, right, share)
    assert together.ends[-1] == 800
    assert 400 in together.ends
    for run in range(3):
        alone = weigh_assignment(arms[run], right[run], share)
        assert together.higher[run] == pytest.approx(alone.higher)
        assert together.either[run] == pytest.approx(np.maximum(alone.higher, alone.lower) - math.log(2))


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        weigh_assignment([True], [True], share)


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_equal_arms_are_told_apart_in_less_than_alpha_however_often_one_looks(share: float) -> None:
    generator = np.random.default_rng(2)
    arms = generator.random((400, 5_000)) < share
    found = weigh_assignment(arms, generator.random((400, 5_000)) < 0.95, share)
    assert float((found.either.max(axis=1) >= math.log(20)).mean()) <= 0.05


@pytest.mark.parametrize(("rates", "share", "fixed", "most"), [
    ((0.97, 0.99), 0.5, 1_531, 1.15), ((0.90, 0.93), 0.5, 2_705, 1.15), ((0.98, 0.90), 0.01, 11_062, 1.0),
])  # fmt: skip
def test_it_needs_about_as_many_outcomes_as_a_fixed_test_without_waiting_for_ten_failures(
    rates: tuple[float, float], share: float, fixed: int, most: float
) -> None:
    generator = np.random.default_rng(3)
    arms = generator.random((300, 4 * fixed)) < share
    right = generator.random(arms.shape) < np.where(arms, rates[1], rates[0])
    found = weigh_assignment(arms, right, share)
    is_in = found.either >= math.log(20)
    stops = np.where(is_in.any(axis=1), found.ends[is_in.argmax(axis=1)], np.inf)
    assert float(np.median(stops)) <= most * fixed
    plug_in = log_path(arms, right, share, EProcess(is_one_sided=False)) >= math.log(20)
    assert float(np.median(stops)) <= 1.1 * float(np.median(np.where(plug_in.any(axis=1), plug_in.argmax(axis=1), 1e9)))
