"""The seeded experiment whose report is kept as JSON."""

from __future__ import annotations

from splitleaf.analysis.report import Report
from splitleaf.flows.judge_experiment import judge_experiment
from tests.support.synthetic import Synthetic, World, plan_of

READ_THROUGH = (
    "accuracy",
    "audited_accuracy",
    "feedback_accuracy",
    "error_rate",
    "slow_rate",
    "latency_ms",
    "confidence",
    "cost_ms",
)
"""Metrics of the golden reports: one that is added changes nothing of them."""


def golden_report() -> Report:
    """A ramp of three stages with shadows of both versions, an audit, users and labelled disagreements."""
    plan = plan_of(
        ramp=[{"share": 5}, {"share": 25}, {"share": 50}],
        shadows=[{"version": "v1"}, {"version": "v2"}],
        guardrails=[{"metric": "error_rate"}, {"metric": "slow_rate", "threshold_ms": 100}],
        primary={"metric": "accuracy", "direction": "increase", "margin": 0.01},
    )
    world = World(
        accuracy={"v1": 0.88, "v2": 0.93},
        error_rate={"v1": 0.03, "v2": 0.02},
        latency_factor={"v2": 1.1},
        cost_factor={"v2": 1.3},
        response={True: 0.2, False: 0.6},
        audit=0.1,
        labels_disagreements=True,
    )
    experiment = Synthetic(plan, world, seed=11)
    experiment.run(500, units=400).ramp(1).run(500, units=450).ramp(2).run(1000, units=900)
    return read_through(judge_experiment(experiment.store, plan.key, experiment.clock))


def read_through(report: Report) -> Report:
    """Return the report without metrics that came later."""
    return report.model_copy(update={"metrics": [one for one in report.metrics if one.metric in READ_THROUGH]})
