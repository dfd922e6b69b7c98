"""The exact evidence: fair under the null whatever happens, the same in one go and in pieces."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from splitleaf.statistics.eprocess import EProcess, log_path
from splitleaf.statistics.exceedance import observe_latency, threshold_ms

Bools = NDArray[np.bool_]
SIX = list(itertools.product([False, True], repeat=6))


def expected_evidence(rates: list[tuple[float, float]], share: float, is_one_sided: bool) -> float:
    """Return E[e] after three outcomes, over all that can happen, when (control, candidate) have these rates."""
    total = 0.0
    for outcome in SIX:
        arms, right = np.array(outcome[:3]), np.array(outcome[3:])
        chance = 1.0
        for is_candidate, is_right, rate in zip(arms, right, rates, strict=True):
            p = rate[int(is_candidate)]
            chance *= (share if is_candidate else 1 - share) * (p if is_right else 1 - p)
        total += chance * math.exp(log_path(arms, right, share, EProcess(is_one_sided))[-1])
    return total


@pytest.mark.parametrize("share", [0.5, 0.05, 0.01])
@pytest.mark.parametrize("rates", [[0.9] * 3, [0.99, 0.5, 0.01]])
def test_evidence_is_fair_under_the_null_even_under_drift(share: float, rates: list[float]) -> None:
    assert expected_evidence([(rate, rate) for rate in rates], share, is_one_sided=False) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_a_better_candidate_is_never_expected_to_be_proved_worse(share: float) -> None:
    assert expected_evidence([(0.5, 0.7), (0.9, 0.9), (0.2, 0.9)], share, is_one_sided=True) <= 1 + 1e-12
    assert expected_evidence([(0.5, 0.7)] * 3, share, is_one_sided=False) > 1.0001


def draw(runs: int, n: int, rates: tuple[float, float], share: float) -> tuple[Bools, Bools]:
    generator = np.random.default_rng(5)
    arms = generator.random((runs, n)) < share
    return arms, generator.random((runs, n)) < np.where(arms, rates[1], rates[0])


def test_pieces_give_the_same_as_the_whole() -> None:
    arms, right = (each[0] for each in draw(1, 500, (0.9, 0.8), 0.3))
    whole = EProcess(is_one_sided=True).observe(arms, right, 0.3)
    pieces = EProcess(is_one_sided=True)
    for start, end in itertools.pairwise([0, 1, 2, 70, 70, 400, 500]):
        pieces = pieces.observe(arms[start:end], right[start:end], 0.3)
    assert (pieces.log_e, pieces.log_peak) == pytest.approx((whole.log_e, whole.log_peak), abs=1e-9)
    assert pieces.candidate_failures == whole.candidate_failures == int((arms & ~right).sum())
    assert pieces.control_successes == whole.control_successes == int((~arms & right).sum())


def test_what_was_proved_stays_proved() -> None:
    arms, right = np.tile([False, True], 100), np.tile([True, False], 100)
    proved = EProcess(is_one_sided=True).observe(arms, right, 0.5)
    assert proved.is_proved(0.01)
    later = proved.observe(np.tile([False, True], 400), np.tile([False, True], 400), 0.5)
    assert later.log_e < proved.log_e
    assert later.log_peak >= proved.log_peak
    assert later.is_proved(0.01)
    assert later.p_value <= 0.01


def test_one_side_does_not_hear_of_a_better_candidate() -> None:
    arms, right = (each[0] for each in draw(1, 3000, (0.5, 0.9), 0.5))
    assert EProcess(is_one_sided=False).observe(arms, right, 0.5).is_proved(1e-6)
    assert not EProcess(is_one_sided=True).observe(arms, right, 0.5).is_proved(0.05)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        EProcess(is_one_sided=True).observe([True], [True], share)


def test_nothing_observed_changes_nothing() -> None:
    empty = EProcess(is_one_sided=True)
    assert empty.observe([], [], 0.5) == empty


def test_extremes_stay_finite() -> None:
    huge = EProcess(True, 10**15, 0, 10**13, 0)
    after = huge.observe([True, False, True], [False, True, False], 1e-4)
    assert math.isfinite(after.log_e)
    assert after.is_proved(0.01)
    assert math.isfinite(EProcess(False, 0, 10**15, 0, 10**15).observe([True], [True], 0.5).log_e)


def test_a_slower_candidate_is_told_by_exceedance() -> None:
    generator = np.random.default_rng(8)
    limit = threshold_ms(40 * np.exp(0.3 * generator.standard_normal(2000)))
    arms = generator.random(4000) < 0.5
    latency = 40 * np.exp(0.3 * generator.standard_normal(4000))
    same = observe_latency(EProcess(is_one_sided=True), arms, latency, 0.5, limit)
    slower = observe_latency(EProcess(is_one_sided=True), arms, np.where(arms, 1.2, 1) * latency, 0.5, limit)
    silent = observe_latency(EProcess(is_one_sided=True), arms, np.where(arms, np.inf, latency), 0.5, limit)
    assert not same.is_proved(0.05)
    assert slower.is_proved(0.05)
    assert silent.is_proved(1e-9)


def test_a_latency_guardrail_asks_one_question_of_a_limit_from_elsewhere() -> None:
    with pytest.raises(ValueError, match="slower"):
        observe_latency(EProcess(is_one_sided=False), [True], [1.0], 0.5, 2.0)
    with pytest.raises(ValueError, match="no earlier"):
        threshold_ms([])
    assert threshold_ms(np.arange(1, 101)) == 95
