"""Reports on experiments whose truth is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from splitleaf.analysis.report import Report
from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.verdicts import Verdict
from splitleaf.core.errors import NotFound
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.run_experiment import find_experiment, roll_back_experiment, stop_experiment
from splitleaf.flows.watch_experiment import ExperimentWatcher
from splitleaf.outcomes.events import Outcome
from tests.flows.golden import golden_report
from tests.support.alike import assert_alike
from tests.support.stores import EmptyStore
from tests.support.synthetic import REQUEST, StandingClock, Synthetic, World, plan_of, shadow_plan

TWO_CANDIDATES = {
    "control": {"version": "v1", "share": 40},
    "second": {"version": "v2", "share": 30},
    "third": {"version": "v3", "share": 30},
}


def judge(experiment: Synthetic) -> Report:
    return judge_experiment(experiment.store, experiment.plan.key, experiment.clock)


def metric(report: Report, name: str) -> Metric:
    return next(one for one in report.metrics if one.metric == name)


def row(report: Report, name: str, arm: str = "candidate") -> ArmMeasure:
    return next(one for one in metric(report, name).arms if one.arm == arm)


def check(report: Report, name: str) -> str:
    return next(one.status for one in report.health.checks if one.name == name)


def test_a_better_candidate_is_called_better_and_its_promotion_is_advised() -> None:
    experiment = Synthetic(plan_of(), World(error_rate={"v1": 0.06, "v2": 0.01})).run(4000)
    report = judge(experiment)
    assert report.statement.verdict is Verdict.BETTER
    assert report.statement.headline == "v2 is failing less often than v1."
    assert any("promote v2-against-v1 candidate" in step for step in report.statement.next_steps)
    found = row(report, "error_rate")
    assert found.difference is not None
    assert found.difference.low <= -0.05 <= found.difference.high
    assert found.images_needed == 0
    stop_experiment(experiment.store, experiment.plan.key, REQUEST, experiment.clock)
    assert judge(experiment).statement.next_steps[0].startswith("Promote it")


def test_a_worse_candidate_is_called_worse_and_is_to_be_rolled_back() -> None:
    plan = plan_of(guardrails=[{"metric": "error_rate"}])
    experiment = Synthetic(plan, World(error_rate={"v1": 0.01, "v2": 0.2})).run(1500)
    report = judge(experiment)
    assert row(report, "error_rate").verdict is Verdict.WORSE
    assert report.guardrails[0].is_fired
    assert report.statement.verdict is Verdict.HARMFUL
    assert report.statement.headline == "v2 is harmful: it is failing more often than v1."
    assert report.statement.certainty.startswith("The guardrail error_rate has fired: ")
    assert report.statement.concerns[0].startswith("v2 is failing more often than v1. ")
    assert "rollback" in report.statement.next_steps[0]
    roll_back_experiment(experiment.store, plan.key, REQUEST, experiment.clock)
    assert judge(experiment).statement.next_steps == [
        "Rolled back: all users are answered as before. A new experiment needs a new key."
    ]


def test_equal_versions_are_undecided_and_more_images_are_asked_for() -> None:
    report = judge(Synthetic(plan_of(), World(error_rate={"v1": 0.05, "v2": 0.05})).run(2000))
    assert report.statement.verdict is Verdict.UNDECIDED
    assert any("more images" in one for one in report.statement.missing)
    assert "The plan asks for 4,000 images; 2,000 have arrived." in report.statement.missing
    assert report.statement.next_steps == ["Let it run. You can look at the report as often as you like."]


def test_equal_versions_are_equivalent_once_the_interval_lies_within_the_margin() -> None:
    primary = {"metric": "confidence", "direction": "increase", "margin": 0.02}
    report = judge(Synthetic(plan_of(primary=primary), World()).run(3000))
    assert report.statement.verdict is Verdict.EQUIVALENT
    assert report.statement.headline == "v2 is as confident as v1, to within 2 points."


def test_a_loss_within_the_margin_is_no_reason_to_roll_back() -> None:
    primary = {"metric": "error_rate", "direction": "decrease", "margin": 0.03}
    experiment = Synthetic(plan_of(primary=primary), World(error_rate={"v1": 0.01, "v2": 0.025})).run(9000)
    report = judge(experiment)
    found = row(report, "error_rate").difference
    assert found is not None
    assert 0 < found.low < found.high < 0.03
    assert report.statement.verdict is Verdict.NOT_WORSE
    assert report.statement.headline == (
        "v2 is failing more often than v1, but not by more than the 3 points that the margin allows."
    )
    assert report.statement.next_steps[0].startswith("It is not worse than the margin allows")
    assert report.statement.missing == []


def test_a_loss_that_may_be_larger_than_the_margin_is_told_and_not_decided() -> None:
    primary = {"metric": "error_rate", "direction": "decrease", "margin": 0.05}
    report = judge(Synthetic(plan_of(primary=primary), World(error_rate={"v1": 0.02, "v2": 0.07})).run(1500))
    assert report.statement.verdict is Verdict.UNDECIDED
    assert report.statement.headline == (
        "v2 is failing more often than v1; it is not yet clear whether by more than 5 points."
    )


def test_a_measure_that_does_not_decide_is_named_only_beyond_what_so_many_measures_show_by_luck() -> None:
    primary = {"metric": "confidence", "direction": "increase"}
    report = judge(Synthetic(plan_of(primary=primary), World(error_rate={"v1": 0.01, "v2": 0.034})).run(2000))
    found = row(report, "error_rate")
    assert found.difference is not None
    assert found.difference.low > 0, "by itself it would be worse"
    assert found.log10_e is not None
    assert math.log10(20) <= found.log10_e < 2
    assert found.verdict is Verdict.UNDECIDED
    assert not any("failing" in one for one in report.statement.concerns)


ALIKE = World(accuracy={"v1": 0.9987, "v2": 0.9987}, likeness=0.0, labels_disagreements=True)
"""They disagree on about one image in 400, and are right equally often."""


def test_versions_that_hardly_disagree_are_equivalent_and_no_label_is_asked_for() -> None:
    for world in (ALIKE, replace(ALIKE, labels_disagreements=False)):
        report = judge(Synthetic(shadow_plan(), world).run(3000))
        found = report.agreements[0]
        assert 2 <= sum(one.images for one in found.disagreements) < 10
        assert found.most_difference is not None
        assert found.most_difference < 0.01
        assert report.statement.verdict is Verdict.EQUIVALENT
        assert report.statement.headline == "v2 is as accurate as v1, to within 1 points."
        assert "even without labels" in report.statement.certainty
        assert not any("abel" in step for step in report.statement.next_steps)


def test_an_empty_queue_is_not_to_be_labelled_but_more_images_are_to_come() -> None:
    report = judge(Synthetic(shadow_plan(), ALIKE).run(700))
    assert report.statement.verdict is Verdict.NOT_ENOUGH_DATA
    assert not any("queue" in step for step in report.statement.next_steps)
    assert any("more images without labels" in one for one in report.statement.missing)


def test_what_the_plan_asks_for_is_not_asked_for_again_once_it_has_come() -> None:
    report = judge(Synthetic(plan_of(planned_n=600), World(error_rate={"v1": 0.05, "v2": 0.05})).run(600))
    assert report.statement.verdict is Verdict.UNDECIDED
    assert not any("The plan asks" in one for one in report.statement.missing)


def test_good_news_of_a_harmful_candidate_is_no_concern() -> None:
    plan = plan_of(
        primary={"metric": "confidence", "direction": "increase"}, guardrails=[{"metric": "error_rate"}], planned_n=1500
    )
    world = World(error_rate={"v1": 0.01, "v2": 0.2}, confidence={"v1": -0.3})
    statement = judge(Synthetic(plan, world).run(1500)).statement
    assert statement.verdict is Verdict.HARMFUL
    assert "Apart from that: v2 is more confident than v1." in statement.certainty
    assert not any("more confident" in one for one in statement.concerns)


def test_evidence_is_called_evidence_and_more_than_a_million_is_not_counted() -> None:
    plan = plan_of(guardrails=[{"metric": "error_rate"}])
    report = judge(Synthetic(plan, World(error_rate={"v1": 0.01, "v2": 0.4})).run(1500))
    words = " ".join(
        [report.statement.certainty, *report.statement.concerns, *(one.certainty for one in report.statements)]
    )
    assert "over a million" in words
    assert "proof" not in words
    assert "10^" not in words


def test_with_two_candidates_confidence_and_evidence_are_what_both_together_ask_for() -> None:
    plan = plan_of(variants=TWO_CANDIDATES)
    world = World(accuracy=dict.fromkeys(("v1", "v2", "v3"), 0.9), error_rate=dict.fromkeys(("v1", "v2", "v3"), 0.05))
    report = judge(Synthetic(plan, world).run(1500))
    assert [one.alpha for one in metric(report, "error_rate").arms] == [None, 0.025, 0.025]
    assert "97.5 % confidence" in report.statement.certainty
    assert ", and the threshold is 40" in report.statement.certainty


def test_few_failures_give_no_interval_but_exact_evidence_counts() -> None:
    none = judge(Synthetic(plan_of(), World(error_rate={"v1": 0.001, "v2": 0.001})).run(600))
    assert none.statement.verdict is Verdict.NOT_ENOUGH_DATA
    assert row(none, "error_rate").difference is None
    broken = judge(Synthetic(plan_of(), World(error_rate={"v2": 0.6})).run(120))
    assert row(broken, "error_rate").difference is None, "control has not failed ten times"
    assert broken.statement.verdict is Verdict.WORSE


def test_nothing_is_said_of_an_experiment_without_an_outcome() -> None:
    for plan in (plan_of(), shadow_plan()):
        report = judge(Synthetic(plan))
        assert report.statement.verdict is Verdict.NOT_ENOUGH_DATA
        assert (report.metrics, report.newest_outcome, report.courses) == ([], 0, [])
        assert report.health.is_sound


def test_lost_units_make_the_report_invalid() -> None:
    world = World(error_rate={"v1": 0.06, "v2": 0.01}, lost={"candidate": 0.2})
    report = judge(Synthetic(plan_of(), world).run(5000))
    assert check(report, "split") == "failed"
    assert report.health.split_log10_e >= 3
    assert report.statement.verdict is Verdict.INVALID
    assert all(one.verdict is Verdict.INVALID for one in metric(report, "error_rate").arms[1:])
    assert "`split`" in report.statement.next_steps[0]


def test_feedback_reads_low_and_is_marked_as_biased() -> None:
    world = World(accuracy={"v1": 0.9, "v2": 0.9}, response={True: 0.2, False: 0.6}, audit=0.2)
    report = judge(Synthetic(plan_of(), world).run(4000))
    said = metric(report, "feedback_accuracy")
    assert said.caveat is not None
    assert said.caveat.startswith("Biased")
    assert said.arms[0].estimate is not None
    assert said.arms[0].estimate.high < 0.85
    audited = row(report, "audited_accuracy", "control")
    assert audited.estimate is not None
    assert audited.estimate.low <= 0.9 <= audited.estimate.high


def test_arms_that_do_not_answer_equally_often_spoil_what_users_say() -> None:
    primary = {"metric": "feedback_accuracy", "direction": "increase"}
    world = World(response={True: 0.3, False: 0.3}, response_factor={"candidate": 1.6})
    report = judge(Synthetic(plan_of(primary=primary), world).run(4000))
    assert check(report, "responses") == "failed"
    assert report.statement.verdict is Verdict.INVALID
    elsewhere = judge(Synthetic(plan_of(), world).run(4000))
    assert check(elsewhere, "responses") == "warning", "users' word does not decide there"
    assert elsewhere.health.is_sound


def test_shadows_find_the_better_version_from_labels_of_disagreements_alone() -> None:
    world = World(accuracy={"v1": 0.88, "v2": 0.94}, labels_disagreements=True)
    report = judge(Synthetic(shadow_plan(), world).run(2000))
    assert report.statement.headline == "v2 is more accurate than v1."
    found = row(report, "accuracy", "v2")
    assert found.labels is not None
    assert found.labels < 500 < found.images == 2000
    assert found.difference is not None
    assert found.difference.low <= 0.06 <= found.difference.high
    assert found.estimate is None, "how accurate they are, disagreements cannot say"
    (agreement,) = report.agreements
    assert sum(map(sum, agreement.matrix)) == 2000
    off_diagonal = 2000 - sum(agreement.matrix[place][place] for place in range(len(agreement.labels)))
    assert sum(one.images for one in agreement.disagreements) == off_diagonal
    assert sum(one.labelled for one in agreement.disagreements) == found.labels
    assert len(agreement.examples) == 24
    newest = agreement.examples[0]
    assert newest.truth is not None
    assert newest.control_label != newest.other_label
    assert newest.prediction_id > agreement.examples[1].prediction_id


def test_a_shadow_without_labels_asks_for_them() -> None:
    report = judge(Synthetic(shadow_plan(), World(accuracy={"v1": 0.88, "v2": 0.94})).run(800))
    assert report.statement.verdict is Verdict.NOT_ENOUGH_DATA
    assert any("have none yet" in one for one in report.statement.missing)
    assert report.agreements[0].agreement is not None


def test_images_of_one_unit_are_a_concern_that_says_what_to_do() -> None:
    world = World(accuracy={"v1": 0.88, "v2": 0.94}, labels_disagreements=True)
    report = judge(Synthetic(shadow_plan(), world).run(400, units=1))
    assert check(report, "units") == "warning"
    (concern,) = report.statement.concerns
    assert concern.startswith("All 400 images came from one unit")
    assert "splitleaf predict --units" in concern
    assert report.statement.verdict is Verdict.NOT_ENOUGH_DATA
    assert report.statement.missing[0].startswith("At least 10 units")
    assert check(judge(Synthetic(shadow_plan(), world).run(400)), "units") == "ok"


def test_what_more_a_shadow_takes_does_not_speak_of_shares() -> None:
    world = World(accuracy={"v1": 0.9, "v2": 0.92}, labels_disagreements=True)
    wanted = [one for one in judge(Synthetic(shadow_plan(), world).run(600)).statement.missing if "more images" in one]
    assert len(wanted) == 1
    assert wanted[0].endswith("more images, labelled where the versions disagree.")


def test_half_of_the_labels_give_the_same_difference_less_surely() -> None:
    world = World(accuracy={"v1": 0.86, "v2": 0.94}, labels_disagreements=True)
    whole = Synthetic(shadow_plan(), world).run(1500)
    half = Synthetic(shadow_plan(), world, amend=lambda said: said[1::2]).run(1500)
    differences = [row(judge(one), "accuracy", "v2").difference for one in (whole, half)]
    assert differences[0] is not None
    assert differences[1] is not None
    assert differences[1].value == pytest.approx(differences[0].value, abs=0.03)
    assert differences[1].high - differences[1].low > 1.2 * (differences[0].high - differences[0].low)


def test_a_slow_candidate_is_slow_more_often() -> None:
    primary = {"metric": "slow_rate", "direction": "decrease", "threshold_ms": 80}
    report = judge(Synthetic(plan_of(primary=primary), World(latency_factor={"v2": 1.5})).run(3000))
    assert report.statement.headline == "v2 is slow more often than v1."
    assert (report.latency.threshold_ms, report.latency.is_objective) == (80, True)
    medians = [one for one in report.latency.quantiles if (one.part, one.quantile) == ("total", 0.5)]
    assert [one.arm for one in medians] == ["control", "candidate"]
    assert medians[0].measured is not None
    assert medians[0].measured.low <= 40 <= medians[0].measured.high


def test_without_an_objective_the_threshold_is_taken_from_controls_first_answers() -> None:
    report = judge(Synthetic(plan_of()).run(1000))
    assert not report.latency.is_objective
    assert report.latency.threshold_ms == pytest.approx(91, rel=0.2)
    assert sum(one.images for one in metric(report, "slow_rate").arms) < 700, "they teach it, and are not judged by it"


def test_a_dearer_candidate_is_a_concern_beside_its_accuracy() -> None:
    world = World(accuracy={"v1": 0.86, "v2": 0.94}, cost_factor={"v2": 1.5}, labels_disagreements=True)
    report = judge(Synthetic(shadow_plan(), world).run(1500))
    assert report.statement.verdict is Verdict.BETTER
    assert any("more expensive to run" in one for one in report.statement.concerns)
    found = row(report, "cost_ms", "v2").difference
    assert found is not None
    assert found.low <= 10 <= found.high


def test_what_control_answers_in_a_candidates_place_counts_against_the_candidate() -> None:
    report = judge(Synthetic(plan_of(), World(fallback=0.1)).run(1000))
    assert report.statement.verdict is Verdict.WORSE
    assert check(report, "fallbacks") == "warning"
    assert report.health.fallback_share == pytest.approx(0.05, abs=0.02)


def test_those_whom_a_ramp_hands_over_answer_as_often_as_before() -> None:
    plan = plan_of(ramp=[{"share": 5}, {"share": 25}, {"share": 50}])
    experiment = Synthetic(plan, World(response={True: 0.2, False: 0.2}))
    for stage in range(3):
        if stage:
            experiment.ramp(stage)
        experiment.run(1500, units=600)
    report = judge(experiment)
    assert check(report, "responses") == "ok"
    arms = {one.name: one.units for one in report.arms}
    assert arms["candidate"] > 200, "of 600 who all came in the first stage"
    rates = {one.arm: one for one in report.health.responses}
    assert {arm: one.units for arm, one in rates.items()} == arms
    # Everybody brings some images in each stage, and speaks of a fifth of them.
    assert rates["candidate"].rate.low < 0.5 < rates["control"].rate.high
    assert rates["candidate"].responding < rates["candidate"].units


def test_a_ramp_under_drift_is_no_effect() -> None:
    plan = plan_of(
        ramp=[{"share": 5}, {"share": 25}, {"share": 50}], primary={"metric": "confidence", "direction": "increase"}
    )
    experiment = Synthetic(plan)
    for stage, drift in enumerate((0.0, -0.05, -0.15)):
        if stage:
            experiment.ramp(stage)
        experiment.run(1200, confidence={"v1": drift, "v2": drift})
    report = judge(experiment)
    found = row(report, "confidence")
    assert found.verdict is Verdict.UNDECIDED
    assert [stage.shares["candidate"] for stage in report.ramp] == [5, 25, 50]
    rows = experiment.store.exposures(plan.key)
    means = [
        float(rows.confidence[rows.variant == rows.variants.index(arm)].mean()) for arm in ("control", "candidate")
    ]
    assert found.difference is not None
    assert means[1] - means[0] < -0.03 < found.difference.low, "pooled, it would have looked much worse"


def test_people_who_come_back_are_counted_once() -> None:
    report = judge(Synthetic(plan_of(), World(error_rate={"v1": 0.1, "v2": 0.1})).run(2000, units=100))
    assert sum(one.units for one in report.arms) == 100
    assert sum(one.units for one in report.health.split) == 100
    assert sum(one.units for one in metric(report, "error_rate").arms) == 100
    assert check(report, "crossovers") == "ok"


def test_of_two_candidates_each_is_judged_at_holms_level() -> None:
    plan = plan_of(variants=TWO_CANDIDATES)
    world = World(accuracy={"v1": 0.9, "v2": 0.9, "v3": 0.9}, error_rate={"v1": 0.08, "v2": 0.08, "v3": 0.02})
    report = judge(Synthetic(plan, world).run(5000))
    assert [one.verdict for one in report.statements] == [Verdict.UNDECIDED, Verdict.BETTER]
    assert report.statement.arm == "third"
    second, third = (row(report, "error_rate", arm) for arm in ("second", "third"))
    assert second.p_value is not None
    assert third.log10_e is not None
    assert third.p_value == pytest.approx(2 * 10**-third.log10_e, rel=1e-6)


def test_an_a_a_experiment_that_differs_is_a_fault_of_the_set_up() -> None:
    variants = {name: {"version": "v1", "share": 50} for name in ("control", "candidate")}
    plan = plan_of(mode="aa", variants=variants, primary={"metric": "confidence", "direction": "increase"})
    report = judge(Synthetic(plan, World(accuracy={"v1": 0.9})).run(1500))
    assert report.statement.verdict is Verdict.UNDECIDED
    assert report.statement.headline == "It is not yet clear whether candidate is more confident than control."
    assert report.statement.next_steps[0].startswith("The check shows no problem")
    assert check(report, "aa") == "ok"


def test_the_last_look_of_a_course_is_the_report() -> None:
    report = judge(Synthetic(plan_of(), World(error_rate={"v1": 0.06, "v2": 0.02})).run(2500))
    (series,) = report.courses
    found = row(report, "error_rate")
    assert found.difference is not None
    last = series.looks[-1]
    assert (last.value, last.low, last.high) == pytest.approx(tuple(found.difference.model_dump().values()))
    assert last.log10_e == pytest.approx(found.log10_e)
    assert series.looks[0].value is None
    assert [look.images for look in series.looks] == sorted(look.images for look in series.looks)


def test_traffic_that_changes_is_seen_in_the_drift_strip() -> None:
    experiment = Synthetic(plan_of(), seed=5).run(3200)
    steady = judge(experiment).drift
    assert [one.measure for one in steady] == ["answers", "confidence"] * 2
    assert not any(one.is_drift for one in steady)
    drifted = judge(experiment.run(1200, confidence={"v1": -0.1, "v2": -0.1})).drift
    assert [one.is_drift for one in drifted if one.measure == "confidence"][-1]


def test_segments_and_traffic_add_up_to_all_images() -> None:
    report = judge(Synthetic(plan_of(), World(error_rate={"v1": 0.1, "v2": 0.1})).run(1500, units=700))
    visits = [one.images for one in report.segments if one.dimension == "visit"]
    assert sum(visits) == 1500
    assert sum(map(sum, report.traffic.images.values())) == 1500
    assert sum(one.images for one in report.arms) == 1500


def test_a_difference_is_shown_by_how_the_images_came_as_far_as_that_is_known() -> None:
    experiment = Synthetic(plan_of(), World(error_rate={"v1": 0.3, "v2": 0.1})).run(2000)
    older = [replace(one, prediction_id=f"9{one.prediction_id[1:]}", origin="") for one in images_of(experiment)[:500]]
    experiment.store.record_outcomes(older)
    report = judge(experiment)
    found = {one.segment: one for one in report.segments if one.dimension == "origin"}
    assert list(found) == ["the page", "API, units named", "API, no units named", "/predict"]
    assert [one.images for one in found.values()] == [500] * 4
    assert sum(one.images for one in report.arms) == 2500
    for one in found.values():
        assert one.difference is not None
        assert one.difference.low <= -0.2 <= one.difference.high < 0


def images_of(experiment: Synthetic) -> list[Outcome]:
    return list(experiment.store.outcomes_after(0, 10_000))


def test_honest_confidence_and_recall_come_from_the_audit() -> None:
    world = World(accuracy={"v1": 0.9, "v2": 0.9}, audit=0.5, labels_disagreements=True)
    report = judge(Synthetic(shadow_plan(), world).run(1500))
    assert {(one.arm, one.truth) for one in report.reliability} == {("control", "audit"), ("v2", "audit")}
    assert all(one.calibration_error < 0.1 for one in report.reliability)
    assert sum(one.images for one in report.recalls) == report.reliability[0].images
    points = {one.arm: one for one in report.tradeoff}
    assert points["control"].part == points["v2"].part == "inference"
    assert points["v2"].accuracy is not None
    assert points["v2"].accuracy.low <= 0.9 <= points["v2"].accuracy.high


@pytest.mark.parametrize("metric_of", ["error_rate", "slow_rate", "fallback_rate", "feedback_accuracy"])
def test_a_guardrail_reads_in_the_report_as_it_does_in_the_controller(metric_of: str) -> None:
    plan = plan_of(guardrails=[{"metric": metric_of}], ramp=[{"share": 20}, {"share": 50}])
    world = World(
        error_rate={"v1": 0.05, "v2": 0.1}, latency_factor={"v2": 1.2}, fallback=0.02, response={True: 0.3, False: 0.5}
    )
    experiment = Synthetic(plan, world).run(700, units=500).ramp(1).run(700, units=600)
    (ours,) = judge(experiment).guardrails
    record = find_experiment(experiment.store, plan.key)
    now_ms = experiment.clock.now_ms()
    (theirs,) = ExperimentWatcher(experiment.store, plan.key).look(record, now_ms + 1, now_ms).guardrails
    assert theirs.control_bad > 0 or metric_of == "fallback_rate"
    assert (ours.control_units, ours.control_bad) == (theirs.control_units, theirs.control_bad)
    assert (ours.candidate_units, ours.candidate_bad) == (theirs.candidate_units, theirs.candidate_bad)
    assert (ours.alpha, ours.threshold_ms) == (theirs.alpha, theirs.threshold_ms)
    assert ours.log10_e == pytest.approx(theirs.log_peak / math.log(10))


def test_overrides_are_in_no_part() -> None:
    experiment = Synthetic(plan_of()).run(300)
    before = judge(experiment)
    outcome = experiment.store.exposures_after(experiment.plan.key, 0, 1)[0]
    forced = [replace(outcome, prediction_id=f"f{number:025d}", override=True, status="failed") for number in range(50)]
    experiment.store.record_outcomes(forced)
    assert judge(experiment).metrics == before.metrics


def test_a_report_needs_an_experiment() -> None:
    with pytest.raises(NotFound):
        judge_experiment(EmptyStore(), "nothing", StandingClock())


GOLDEN = Path(__file__).parent / "golden/report.json"


def test_a_seeded_experiment_gives_the_report_that_was_checked_by_hand() -> None:
    """Made anew by `python -m tests.flows.golden`, after a look at what changed and why."""
    assert_alike(golden_report().model_dump(mode="json"), json.loads(GOLDEN.read_text(encoding="utf-8")))


def test_one_busy_unit_beside_thousands_hides_no_interval_decides_nothing_and_is_named() -> None:
    world = World(error_rate={"v1": 0.02, "v2": 0.02})
    quiet = Synthetic(plan_of(), world).run(3_000)
    expected = judge(quiet).metrics[0].arms[1].difference
    assert expected is not None
    quiet.run(200, units=1, error_rate={"v1": 1.0, "v2": 1.0})
    report = judge(quiet)
    found = report.metrics[0].arms[1].difference
    assert found is not None
    assert abs(found.value - expected.value) < 0.007, "ten images in fifteen hundred"
    (units,) = [one for one in report.health.checks if one.name == "units"]
    assert units.status == "warning"
    assert "One unit sent 201 of them (6 %)" in units.summary
    assert "Its first is outcome" in units.summary


def test_a_units_failures_alone_open_no_gate() -> None:
    report = judge(Synthetic(plan_of()).run(3_000).run(200, units=2, error_rate={"v1": 1.0, "v2": 1.0}))
    assert report.metrics[0].arms[1].difference is None


def test_a_one_sided_question_asks_for_less_evidence_and_says_so() -> None:
    world = World(error_rate={"v1": 0.1, "v2": 0.07})
    both = judge(Synthetic(plan_of(), world).run(3_000))
    primary = {"metric": "error_rate", "direction": "decrease", "one_sided": True}
    one = judge(Synthetic(plan_of(primary=primary), world).run(3_000))
    wide, narrow = (report.metrics[0].arms[1].difference for report in (both, one))
    assert wide is not None
    assert narrow is not None
    assert narrow.high - narrow.low < 0.95 * (wide.high - wide.low)
    assert "with 90 % confidence (95 % to either side) at any number of looks" in one.statement.certainty


def test_a_plan_that_will_hardly_be_decided_in_time_says_so() -> None:
    world = World(error_rate={"v1": 0.1, "v2": 0.1})
    futile = judge(Synthetic(plan_of(planned_n=2_000, mde=0.005), world).run(1_500))
    open_still = judge(Synthetic(plan_of(planned_n=2_000, mde=0.005), world).run(500))
    assert any("The 2,000 images of the plan are unlikely to decide it" in one for one in futile.statement.missing)
    assert not any("hardly" in one for one in open_still.statement.missing)
