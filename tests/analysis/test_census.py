"""Labels of all images speak for themselves; labels that somebody picked do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from splitleaf.analysis.report import Report
from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.experiments.plan import Plan
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.outcomes.events import Feedback, FeedbackSource
from tests.support.synthetic import Synthetic, World, plan_of, shadow_plan

IMAGES = 1000
LIVE = {"metric": "accuracy", "direction": "increase"}


def judge(plan: Plan, is_imported: Callable[[int, Feedback], bool], more: int = 0) -> Report:
    """Judge an experiment of which some labels are imported; `more` images came since, some of them audited."""

    def imported(said: list[Feedback]) -> list[Feedback]:
        labels = [one for number, one in enumerate(said) if is_imported(number, one)]
        return [replace(one, source=FeedbackSource.IMPORT, author="field", sampling_probability=None) for one in labels]

    world = World(accuracy={"v1": 0.88, "v2": 0.94}, audit=1.0)
    experiment = Synthetic(plan, world, amend=imported).run(IMAGES)
    experiment.amend = list
    if more:
        experiment.run(more, audit=0.05)
    return judge_experiment(experiment.store, plan.key, experiment.clock)


def accuracy(report: Report) -> tuple[Metric, ArmMeasure, ArmMeasure]:
    metric = next(one for one in report.metrics if one.metric == "accuracy")
    control, other = metric.arms
    return metric, control, other


def test_the_level_is_the_mean_of_all_images_when_all_are_labelled() -> None:
    report = judge(shadow_plan(), lambda _, __: True)
    metric, control, other = accuracy(report)
    assert metric.basis == "Levels: labels of all images (1,000)"
    assert (control.estimate_labels, other.estimate_labels) == (IMAGES, IMAGES)
    assert control.estimate is not None
    assert other.estimate is not None
    assert control.estimate.low < 0.88 < control.estimate.high < control.estimate.low + 0.07
    assert other.estimate.low < 0.94 < other.estimate.high
    assert {one.truth for one in report.tradeoff} == {"census"}
    assert {one.truth for one in report.reliability} == {"census"}
    assert sum(one.images for one in report.recalls) == IMAGES


def test_images_that_came_after_the_import_do_not_undo_it() -> None:
    _, control, _ = accuracy(judge(shadow_plan(), lambda _, __: True, more=500))
    assert control.estimate_labels == IMAGES


def test_audit_labels_count_as_one_image_each_in_a_census() -> None:
    """With their weight of 50 each, thirty of them would outweigh all others."""

    def audited(number: int, one: Feedback) -> Feedback:
        return replace(one, source=FeedbackSource.AUDIT, sampling_probability=0.02) if number < 30 else one

    imported: list[Feedback] = []

    def amend(said: list[Feedback]) -> list[Feedback]:
        labels = sorted(said, key=lambda one: bool(one.correct))
        imported.extend(replace(one, source=FeedbackSource.IMPORT, sampling_probability=None) for one in labels)
        return [audited(number, one) for number, one in enumerate(imported)]

    world = World(accuracy={"v1": 0.88, "v2": 0.94}, audit=1.0)
    experiment = Synthetic(shadow_plan(), world, amend=amend).run(IMAGES)
    _, control, _ = accuracy(judge_experiment(experiment.store, experiment.plan.key, experiment.clock))
    assert control.estimate is not None
    assert control.estimate.value == pytest.approx(sum(bool(one.correct) for one in imported) / IMAGES)


def test_a_few_missing_labels_widen_the_level_by_what_they_could_be_at_worst() -> None:
    """Even when just the wrong answers were left out, the truth lies in the interval."""
    wrong = iter(range(IMAGES))

    def is_kept(_: int, one: Feedback) -> bool:
        return bool(one.correct) or next(wrong) >= 45

    whole = accuracy(judge(shadow_plan(), lambda _, __: True))[1].estimate
    metric, control, _ = accuracy(judge(shadow_plan(), is_kept))
    assert metric.basis == "Levels: labels of all images (955; at most 4.5 % of an arm's are missing)"
    assert whole is not None
    assert control.estimate is not None
    assert control.estimate.low < whole.value < control.estimate.value < control.estimate.high
    assert control.estimate.high - control.estimate.low > whole.high - whole.low + 0.03


@pytest.mark.parametrize("plan", [shadow_plan(), plan_of(primary=LIVE)], ids=["shadow", "live"])
def test_labels_of_half_of_the_images_give_no_level(plan: Plan) -> None:
    metric, control, other = accuracy(judge(plan, lambda number, _: number % 2 == 0))
    assert (control.estimate, other.estimate, metric.basis) == (None, None, None)


def test_a_split_whose_images_are_all_labelled_is_judged_by_them() -> None:
    metric, _, candidate = accuracy(judge(plan_of(primary=LIVE), lambda _, __: True))
    assert metric.caveat is None
    assert candidate.difference is not None
    assert candidate.difference.low < 0.06 < candidate.difference.high


def test_missing_labels_take_from_the_evidence_of_a_split_what_they_could_undo() -> None:
    whole = accuracy(judge(plan_of(primary=LIVE), lambda _, __: True))[2]
    most = accuracy(judge(plan_of(primary=LIVE), lambda number, _: number % 50 > 0))[2]
    assert whole.difference is not None
    assert most.difference is not None
    missing = (most.difference.high - most.difference.low) - (whole.difference.high - whole.difference.low)
    assert 2 * 0.03 < missing < 2 * 0.06, "2 % of each arm, to either side"
    assert whole.log10_e is not None
    assert most.log10_e is not None
    assert most.log10_e < whole.log10_e - 0.3
