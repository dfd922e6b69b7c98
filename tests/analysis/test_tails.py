from __future__ import annotations

import pytest

from splitleaf.analysis.verdicts import Verdict
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.statistics.capping import find_cap
from tests.analysis import tails
from tests.support.synthetic import Synthetic, World, plan_of

SEED = 20_260


def test_an_arm_of_a_percent_and_a_half_that_is_dearer_is_measured_and_found() -> None:
    assert not [one for one in tails.tiny_shares(2, SEED) if not one.is_met]


@pytest.mark.slow
def test_times_with_heavy_tails_are_no_difference() -> None:
    assert not [one for one in tails.heavy_tails(60, SEED) if not one.is_met]


def test_a_report_on_a_candidate_of_one_percent_that_is_dearer_says_so_and_by_what_mean() -> None:
    plan = plan_of(
        variants={"control": {"version": "v1", "share": 99}, "candidate": {"version": "v2", "share": 1}},
        primary={"metric": "cost_ms", "direction": "decrease"},
    )
    experiment = Synthetic(plan, World(cost_factor={"v2": 4.0}), seed=3).run(4000)
    report = judge_experiment(experiment.store, plan.key, experiment.clock)
    found = report.metrics[0]
    assert found.method.startswith("means of values capped at ")
    assert report.statement.verdict is Verdict.WORSE
    for row in found.arms:
        assert row.estimate is not None
        assert row.estimate.low <= row.estimate.value <= row.estimate.high


def test_a_report_has_one_learnt_threshold_though_units_return() -> None:
    plan = plan_of(guardrails=[{"metric": "slow_rate"}])
    experiment = Synthetic(plan, World(latency_factor={"v1": 50.0, "v2": 50.0}), seed=2).run(1000, units=460)
    report = judge_experiment(experiment.store, plan.key, experiment.clock)
    assert report.latency.threshold_ms is not None
    assert report.latency.threshold_ms == report.guardrails[0].threshold_ms


def test_a_guardrail_without_a_threshold_takes_the_primarys_so_that_a_report_has_one() -> None:
    plan = plan_of(
        primary={"metric": "slow_rate", "direction": "decrease", "threshold_ms": 300.0},
        guardrails=[{"metric": "slow_rate"}, {"metric": "error_rate"}],
    )
    experiment = Synthetic(plan, World(), seed=2).run(100)
    report = judge_experiment(experiment.store, plan.key, experiment.clock)
    slow, error = report.guardrails
    assert (report.latency.threshold_ms, slow.threshold_ms, error.threshold_ms) == (300.0, 300.0, None)
    assert slow.control_units > 0, "no answers are spent on learning a threshold"


def test_the_cap_leaves_room_for_every_group_however_small() -> None:
    assert find_cap([[1.0] * 990, [5.0] * 10]) == 5.0  # type: ignore[list-item]
    assert find_cap([]) == 1.0
    assert find_cap([[0.0]]) > 0  # type: ignore[list-item]
