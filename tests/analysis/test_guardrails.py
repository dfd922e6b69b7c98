"""A guardrail's evidence, continued in batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from splitleaf.analysis.guardrails import CALIBRATION_SIZE, LEAST_FAILURES, GuardrailEvidence
from splitleaf.statistics.eprocess import EProcess
from splitleaf.statistics.exceedance import threshold_ms


def trials(count: int, share: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(count) < share, rng.gamma(4, 25, count)


@pytest.mark.parametrize("batches", [[2_000], [1] * 2_000, [199, 1, 800, 0, 1_000], [205, 1_795]])
def test_batches_of_any_size_come_to_the_same_evidence(batches: list[int]) -> None:
    arms, latencies = trials(2_000, 0.3)
    whole = GuardrailEvidence(0.01).with_latencies(arms, latencies, 0.3)
    evidence, place = GuardrailEvidence(0.01), 0
    for size in batches:
        part = slice(place, place + size)
        evidence, place = evidence.with_latencies(arms[part], latencies[part], 0.3), place + size
    assert evidence.threshold_ms == whole.threshold_ms
    assert evidence.process.log_e == pytest.approx(whole.process.log_e, abs=1e-9)
    assert evidence.process.candidate_failures == whole.process.candidate_failures


def test_a_learnt_threshold_is_controls_95th_percentile_and_judges_only_what_comes_later() -> None:
    arms, latencies = trials(1_000, 0.3)
    first_of_control = np.flatnonzero(~arms)[:CALIBRATION_SIZE]
    learnt = GuardrailEvidence(0.01).with_latencies(arms, latencies, 0.3)
    assert learnt.threshold_ms == np.sort(latencies[first_of_control])[math.ceil(0.95 * CALIBRATION_SIZE) - 1]
    later = slice(int(first_of_control[-1]) + 1, None)
    judged = EProcess(is_one_sided=True).observe(arms[later], latencies[later] <= learnt.threshold_ms, 0.3)
    assert learnt.process == judged


def test_a_slower_candidate_is_proved_slower_and_an_equal_one_is_not() -> None:
    arms, latencies = trials(4_000, 0.5)
    assert not GuardrailEvidence(0.01).with_latencies(arms, latencies, 0.5).is_proved
    assert GuardrailEvidence(0.01).with_latencies(arms, np.where(arms, 1.5 * latencies, latencies), 0.5).is_proved


def test_the_limit_is_one_over_alpha() -> None:
    assert math.exp(GuardrailEvidence(0.01).log_limit) == pytest.approx(100)
    arms = np.tile([True, False], 100)
    assert GuardrailEvidence(0.01).with_successes(arms, ~arms, 0.5).is_proved
    assert not GuardrailEvidence(0.01).with_successes(arms, arms, 0.5).is_proved


def test_a_single_failure_is_an_anecdote_however_unlikely_it_was() -> None:
    evidence = GuardrailEvidence(0.01).with_successes([False] * 200, [True] * 200, 0.01)
    for failures, fires in ((1, False), (2, False), (LEAST_FAILURES, True)):
        evidence = evidence.with_successes([True], [False], 0.01)
        assert evidence.process.is_proved(0.01)
        assert (evidence.process.candidate_failures, evidence.is_proved) == (failures, fires)


def test_a_threshold_is_learnt_from_answers_and_not_from_failures() -> None:
    generator = np.random.default_rng(1)
    latency = np.where(generator.random(500) < 0.1, np.inf, 40 * generator.lognormal(0, 0.5, 500))
    learnt = GuardrailEvidence(0.01).with_latencies(np.zeros(500, bool), latency, 0.5)
    answers = latency[np.isfinite(latency)][:CALIBRATION_SIZE]
    assert learnt.threshold_ms == threshold_ms(answers)


@pytest.mark.parametrize("threshold", [None, 100.0])
def test_what_was_taken_back_counts_once_it_had_waited_too_long_also_by_a_learnt_threshold(
    threshold: float | None,
) -> None:
    latency, arms = np.linspace(40, 100, 300), np.zeros(300, bool)
    learnt = GuardrailEvidence(0.01, threshold).with_latencies(arms, latency, 0.5)
    before = learnt.process.candidate_successes + learnt.process.candidate_failures
    taken_back = learnt.with_latencies([True] * 3, [50.0, 500.0, 600.0], 0.5, [False] * 3)
    assert (before, taken_back.process.candidate_successes, taken_back.process.candidate_failures) == (0, 0, 2)
    teaching = GuardrailEvidence(0.01).with_latencies(arms, latency, 0.5, arms)
    assert (teaching.threshold_ms, teaching.calibration) == (None, ())
