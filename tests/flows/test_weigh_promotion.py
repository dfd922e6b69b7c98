"""What a report says of promoting: for the winner, against the rest, and of control as long as nothing beats it."""

from __future__ import annotations

from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.weigh_promotion import Evidence, weigh_promotion
from tests.support.synthetic import Synthetic, World, plan_of, shadow_plan


def weigh(experiment: Synthetic, variant: str) -> Evidence:
    return weigh_promotion(judge_experiment(experiment.store, experiment.plan.key, experiment.clock), variant)


def test_the_better_one_may_be_promoted_and_control_then_may_not() -> None:
    experiment = Synthetic(plan_of(), World(error_rate={"v1": 0.06, "v2": 0.01})).run(4000)
    assert weigh(experiment, "candidate") == Evidence("better", "v2 is failing less often than v1.", is_for=True)
    assert not weigh(experiment, "control").is_for


def test_what_is_undecided_or_worse_speaks_for_control() -> None:
    for rate, verdict in ((0.05, "undecided"), (0.2, "worse")):
        experiment = Synthetic(plan_of(), World(error_rate={"v1": 0.05, "v2": rate})).run(2000)
        assert (weigh(experiment, "candidate").verdict, weigh(experiment, "candidate").is_for) == (verdict, False)
        assert weigh(experiment, "control").is_for


def test_without_an_outcome_nothing_speaks_for_a_shadow() -> None:
    assert weigh(Synthetic(shadow_plan()), "v2") == Evidence(
        "not_enough_data", "There is not enough data yet to compare v2 with v1.", is_for=False
    )


def test_both_arms_of_one_version_are_alike() -> None:
    variants = {"control": {"version": "v1", "share": 50}, "candidate": {"version": "v1", "share": 50}}
    assert weigh(Synthetic(plan_of(mode="aa", variants=variants)), "candidate").is_for
