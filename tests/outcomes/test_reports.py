"""The same outcomes give the same report, wherever they are kept."""

from __future__ import annotations

from typing import Any

import pytest

from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.outcomes.store import OutcomeStore
from tests.support.alike import assert_alike
from tests.support.stores import EmptyStore
from tests.support.synthetic import Synthetic, World, plan_of

PLAN = plan_of(
    ramp=[{"share": 20}, {"share": 50}],
    shadows=[{"version": "v1"}, {"version": "v2"}],
    guardrails=[{"metric": "error_rate"}, {"metric": "feedback_accuracy"}],
    primary={"metric": "accuracy", "direction": "increase", "margin": 0.01},
)
WORLD = World(
    accuracy={"v1": 0.8, "v2": 0.9},
    error_rate={"v1": 0.1, "v2": 0.05},
    response={True: 0.3, False: 0.6},
    audit=0.2,
    labels_disagreements=True,
    fallback=0.05,
)


def report_from(store: OutcomeStore) -> dict[str, Any]:
    experiment = Synthetic(PLAN, WORLD, store=store).run(300, units=250).ramp(1).run(300, units=280)
    report = judge_experiment(store, PLAN.key, experiment.clock)
    # Numbers are the store's own, and on PostgreSQL have gaps.
    return report.model_dump(mode="json", exclude={"newest_outcome", "newest_label"})


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_postgresql_gives_the_same_report_as_sqlite(store: OutcomeStore) -> None:
    expected = report_from(EmptyStore())
    assert {"accuracy", "audited_accuracy", "feedback_accuracy"} <= {one["metric"] for one in expected["metrics"]}
    assert_alike(report_from(store), expected)
