"""What a report says of accuracy when images resemble each other, and when arms are compared in different ways."""

from __future__ import annotations

import numpy as np

from splitleaf.analysis.verdicts import Verdict
from splitleaf.core.ids import shadow_prediction_id
from splitleaf.flows.import_labels import import_labels
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.outcomes.events import Outcome
from tests.flows.test_curate_reviews import ids
from tests.outcomes.facts import outcome
from tests.support.stores import EmptyStore
from tests.support.synthetic import LABELS, Synthetic, World, plan_of, shadow_plan


def test_twenty_alike_images_of_one_unit_are_not_twenty_proofs_of_a_recall() -> None:
    """Both versions get 80 % of the units right; by image, a difference would be claimed in nine of ten runs."""
    experiment = Synthetic(shadow_plan())
    generator = np.random.default_rng(4)
    lines, outcomes = ["prediction_id,label"], []
    for unit in range(60):
        truth = LABELS[unit % 3]
        says = [truth if generator.random() < 0.8 else LABELS[4] for _ in range(2)]
        for one in ids(20, unit):
            outcomes += _scored(experiment, one, f"{unit:032x}", says)
            lines.append(f"{one},{truth}")
    experiment.store.record_outcomes(outcomes)
    text = "\n".join(lines)
    import_labels(experiment.store, text, author="field", known_labels=LABELS, clock=experiment.clock)
    report = judge_experiment(experiment.store, experiment.plan.key, experiment.clock)
    assert len(report.recalls) == 3
    for recall in report.recalls:
        assert recall.images == 400
        assert recall.difference is None or recall.difference.low <= 0 <= recall.difference.high
        assert recall.control is not None
        assert recall.control.high - recall.control.low > 0.3, "20 units tell no more than that"


def _scored(experiment: Synthetic, prediction_id: str, unit: str, says: list[str]) -> list[Outcome]:
    common = {"experiment": experiment.plan.key, "revision": 1, "unit_hash": unit, "variant": "control"}
    return [
        outcome(prediction_id=prediction_id, label=says[0], **common),
        outcome(
            prediction_id=shadow_prediction_id(prediction_id, "v2"),
            primary_id=prediction_id,
            role="shadow",
            assigned_version="v2",
            served_version="v2",
            label=says[1],
            **common,
        ),
    ]


def test_a_candidate_is_judged_by_the_audit_beside_a_further_shadow() -> None:
    plan = plan_of(
        shadows=[{"version": "v3"}], primary={"metric": "accuracy", "direction": "increase"}, planned_n=4_000
    )
    world = World(accuracy={"v1": 0.75, "v2": 0.92, "v3": 0.75}, audit=0.3)
    experiment = Synthetic(plan, world).run(4_000)
    report = judge_experiment(experiment.store, plan.key, experiment.clock)
    primary = report.metrics[0]
    assert (primary.metric, [one.arm for one in primary.arms]) == ("accuracy", ["control", "v3", "candidate"])
    candidate = primary.arms[2]
    assert candidate.verdict is Verdict.BETTER
    assert candidate.difference is not None
    assert candidate.difference.low <= 0.17 <= candidate.difference.high
    assert (report.statement.arm, report.statement.verdict) == ("candidate", Verdict.BETTER)
    assert {one.arm for one in report.courses if one.metric == "accuracy"} == {"v3", "candidate"}
    assert primary.method.endswith(
        "; candidate: labels weighted by one over their probability; by revision, clustered by unit"
    )


def test_a_shadow_that_has_scored_nothing_yet_spoils_no_report() -> None:
    plan = shadow_plan(shadows=[{"version": "v2"}, {"version": "v3"}])
    experiment = Synthetic(plan, World(accuracy={"v1": 0.9, "v2": 0.9, "v3": 0.9})).run(100)
    store = EmptyStore()
    late = Synthetic(plan, store=store)
    store.record_outcomes([one for one in experiment.store.outcomes_after(0, 1_000) if one.served_version != "v3"])
    report = judge_experiment(store, plan.key, late.clock)
    assert {row.arm for metric in report.metrics for row in metric.arms} == {"control", "v2"}
