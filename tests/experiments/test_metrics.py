"""Every metric that is declared is whole: what it may be, the plan, the report and the documentation all have."""

from __future__ import annotations

from pathlib import Path

import pytest

from splitleaf.analysis.report import Report
from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.metrics import METRICS, Exceedance, LabelSource, Mean, Role
from splitleaf.experiments.plan import Plan
from splitleaf.flows.guard_candidate import tell
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.run_experiment import find_experiment
from splitleaf.flows.watch_experiment import ExperimentWatcher
from tests.support.synthetic import Synthetic, World, plan_of, shadow_plan

DOCS = Path(__file__).parents[2] / "docs/reference"
FULL = World(
    accuracy={"v1": 0.9, "v2": 0.7},
    error_rate={"v1": 0.05, "v2": 0.3},
    latency_factor={"v2": 3.0},
    cost_factor={"v2": 3.0},
    confidence={"v2": -0.2},
    unsure={"v1": 0.1, "v2": 0.4},
    response={True: 0.5, False: 0.5},
    audit=0.3,
    labels_disagreements=True,
    fallback=0.2,
)


def threshold(name: str) -> dict[str, float]:
    return {"threshold_ms": 60.0} if METRICS[name].needs_threshold else {}


def primary_of(name: str) -> dict[str, object]:
    return {"metric": name, "direction": METRICS[name].direction, **threshold(name)}


def judged(plan: Plan, images: int = 1500) -> Report:
    experiment = Synthetic(plan, FULL).run(images)
    return judge_experiment(experiment.store, plan.key, experiment.clock)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_declared_whole(name: str) -> None:
    spec = METRICS[name]
    assert spec.name == name
    assert all((spec.title, spec.description, *spec.words, spec.roles))
    assert spec.better == ("higher" if spec.direction == "increase" else "lower")
    if Role.GUARDRAIL in spec.roles:
        assert spec.bad
        assert not isinstance(spec.reading, Mean), "a guardrail's exact evidence is of yes and no"
        assert spec.label_source in (None, LabelSource.USERS), "labels come too late to guard anybody"
    assert ("{threshold_ms}" in spec.title) == isinstance(spec.reading, Exceedance)


@pytest.mark.parametrize("name", METRICS)
def test_the_reference_has_every_metric(name: str) -> None:
    roles = METRICS[name].roles
    if roles != {Role.GUARDRAIL}:
        assert f"| `{name}` |" in (DOCS / "report.md").read_text(encoding="utf-8")
    if roles & {Role.PRIMARY, Role.GUARDRAIL}:
        assert f"`{name}`" in (DOCS / "experiments.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", METRICS)
def test_a_plan_takes_a_metric_for_what_it_may_be_and_for_nothing_else(name: str) -> None:
    for role, changes in (
        (Role.PRIMARY, {"primary": primary_of(name)}),
        (Role.GUARDRAIL, {"guardrails": [{"metric": name}]}),
    ):
        if role in METRICS[name].roles:
            plan_of(**changes)
        else:
            with pytest.raises(Unprocessable, match="Input should be"):
                plan_of(**changes)


@pytest.mark.parametrize("name", [one.name for one in METRICS.values() if Role.PRIMARY in one.roles])
def test_a_report_decides_by_each_metric_that_may_decide_and_says_it_in_its_words(name: str) -> None:
    for plan in (plan_of(primary=primary_of(name)), shadow_plan(primary=primary_of(name))):
        if plan.mode == "shadow" and METRICS[name].shadows != "compared" and name != "accuracy":
            continue
        report = judged(plan)
        found = report.metrics[0]
        assert (found.metric, found.unit, found.better) == (name, METRICS[name].unit, METRICS[name].better)
        assert found.is_primary
        assert any(word in report.statement.headline for word in METRICS[name].words)
        assert any(series.metric == name for series in report.courses)


def test_a_report_shows_every_metric_that_is_no_mere_guardrail() -> None:
    shown = {one.metric for one in judged(plan_of(shadows=[{"version": "v2"}, {"version": "v1"}])).metrics}
    assert shown == {one.name for one in METRICS.values() if one.roles != {Role.GUARDRAIL}}


@pytest.mark.parametrize("name", [one.name for one in METRICS.values() if Role.GUARDRAIL in one.roles])
def test_controller_and_report_come_to_the_same_evidence_on_each_guardrail(name: str) -> None:
    plan = plan_of(guardrails=[{"metric": name, **threshold(name)}])
    experiment = Synthetic(plan, FULL).run(1500)
    watch = ExperimentWatcher(experiment.store, plan.key)
    record = find_experiment(experiment.store, plan.key)
    now_ms = experiment.clock.now_ms()
    seen = watch.look(record, now_ms + 1, now_ms).guardrails[0]
    told = judge_experiment(experiment.store, plan.key, experiment.clock).guardrails[0]
    counts = (told.control_units, told.control_bad, told.candidate_units, told.candidate_bad)
    assert counts == (seen.control_units, seen.control_bad, seen.candidate_units, seen.candidate_bad)
    assert told.log10_e == pytest.approx(seen.log_peak / 2.302585, abs=1e-5)
    assert METRICS[name].name_bad(seen.threshold_ms) in tell(seen)
    assert seen.candidate_bad > 0
