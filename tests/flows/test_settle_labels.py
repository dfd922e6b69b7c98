"""Labels that contradict each other are reported, decided by somebody, and their authors named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from splitleaf.analysis.dissent import Dissenter, find_dissenters
from splitleaf.analysis.report import Report
from splitleaf.core.errors import Conflict, NotFound, Unprocessable
from splitleaf.flows.import_labels import LabelConflict, LabelImport, Prefer, import_labels
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.settle_labels import list_disputes, settle_label, undo_settlement
from splitleaf.outcomes.events import Feedback, FeedbackSource
from tests.outcomes.facts import feedback
from tests.support.synthetic import LABELS, Synthetic, World, shadow_plan

MISLABELLED = 60


def disputed() -> tuple[Synthetic, dict[str, str]]:
    """Return an experiment of which an expert mislabels the first 60 disagreements, and the truth of all of them."""
    world = World(accuracy={"v1": 0.80, "v2": 0.92}, likeness=0.9, labels_disagreements=True)
    experiment = Synthetic(shadow_plan(planned_n=2_000), world, are_ids_real=True).run(2_000)
    right = {one.prediction_id: one for _, one in experiment.store.labels_after(0, 5_000)}
    for one in list(right.values())[:MISLABELLED]:
        assert one.label
        shown = experiment.store.outcome(one.prediction_id)
        assert shown
        wrong = next(label for label in LABELS if label not in (one.label, shown.label))
        wrong = shown.label if shown.label != one.label and shown.label else wrong
        experiment.store.record_feedback(
            replace(one, feedback_id=f"{one.feedback_id[:31]}x", label=wrong, correct=wrong == shown.label)
        )
    return experiment, {key: one.label for key, one in right.items() if one.label}


def bring(experiment: Synthetic, truth: dict[str, str], prefer: Prefer = "none") -> LabelImport:
    text = "\n".join(["prediction_id,label", *(f"{one},{label}" for one, label in truth.items())])
    return import_labels(
        experiment.store, text, author="field", known_labels=LABELS, clock=experiment.clock, prefer=prefer
    )


def judge(experiment: Synthetic) -> tuple[Report, str, str]:
    report = judge_experiment(experiment.store, experiment.plan.key, experiment.clock)
    (truth,) = (one for one in report.health.checks if one.name == "truth")
    return report, truth.status, truth.summary


def win(report: Report) -> float:
    row = report.metrics[0].arms[1]
    return row.difference.value if row.difference else 0.0


def test_a_file_that_contradicts_an_expert_is_told_and_both_are_named() -> None:
    experiment, truth = disputed()
    before, status, _ = judge(experiment)
    assert status == "ok"
    done = bring(experiment, truth)
    assert (done.imported, len(done.conflicts)) == (len(truth), MISLABELLED)
    report, status, summary = judge(experiment)
    assert status == "warning"
    assert f"expert on {MISLABELLED} of {len(truth)}, field on {MISLABELLED} of {len(truth)}" in summary
    assert len(list_disputes(experiment.store, experiment.plan.key)) == MISLABELLED
    assert win(report) == win(before), "what stood counts until somebody decides"


@pytest.mark.parametrize("prefer", ["import", "expert"])
def test_an_import_may_decide_for_itself_or_for_what_stood(prefer: Prefer) -> None:
    experiment, truth = disputed()
    before, *_ = judge(experiment)
    bring(experiment, truth, prefer)
    report, status, summary = judge(experiment)
    assert list_disputes(experiment.store, experiment.plan.key) == []
    assert status == "warning"
    named, cleared = ("expert", "field") if prefer == "import" else ("field", "expert")
    assert f"Against the others: {named} on {MISLABELLED} of {len(truth)}." in summary
    assert cleared not in summary.split("others")[1]
    assert win(report) > win(before) + 0.03 if prefer == "import" else win(report) == win(before)
    assert bring(experiment, truth).conflicts == (), "it is decided"


def test_a_decision_counts_before_all_others_and_a_later_one_before_it() -> None:
    experiment, truth = disputed()
    done = bring(experiment, truth)
    store, clock, key = experiment.store, experiment.clock, experiment.plan.key
    first = done.conflicts[0]
    assert first == LabelConflict(first.line, first.prediction_id, truth[first.prediction_id], first.current, "expert")
    for label in (first.label, first.current):
        settle_label(store, first.prediction_id, label, "head", LABELS, clock)
        (found,) = (
            one for one in store.labelled_outcomes(key) if one.image_id == first.prediction_id and one.role == "primary"
        )
        assert (found.truth, found.source, found.is_contested) == (label, FeedbackSource.ADJUDICATION, False)
    assert first.prediction_id not in {one.prediction_id for one in list_disputes(store, key)}
    with pytest.raises(Unprocessable):
        settle_label(store, first.prediction_id, "rust", "head", LABELS, clock)
    with pytest.raises(NotFound):
        settle_label(store, "nothing", LABELS[0], "head", LABELS, clock)


def test_an_undone_decision_leaves_what_stood_before_it_and_deletes_nothing() -> None:
    experiment, truth = disputed()
    first = bring(experiment, truth).conflicts[0]
    store, clock, key, item = experiment.store, experiment.clock, experiment.plan.key, first.prediction_id

    def truth_now() -> tuple[str | None, FeedbackSource]:
        (found,) = (one for one in store.labelled_outcomes(key) if one.image_id == item and one.role == "primary")
        return found.truth, found.source

    with pytest.raises(Conflict):
        undo_settlement(store, item, "head", clock)
    settle_label(store, item, first.current, "deputy", LABELS, clock)
    settle_label(store, item, first.label, "head", LABELS, clock)
    rows = len(store.feedback(item))
    assert [one.author for one in undo_settlement(store, item, "head", clock)][-1] == "deputy"
    assert truth_now() == (first.current, FeedbackSource.ADJUDICATION), "the earlier decision of somebody else counts"
    with pytest.raises(Conflict):
        undo_settlement(store, item, "head", clock)
    assert {one.source for one in undo_settlement(store, item, "deputy", clock)} == {
        FeedbackSource.EXPERT,
        FeedbackSource.IMPORT,
    }
    assert truth_now() == (first.current, FeedbackSource.EXPERT)
    assert item in {one.prediction_id for one in list_disputes(store, key)}
    assert len(store.feedback(item)) == rows + 2
    settle_label(store, item, first.label, "head", LABELS, clock)
    assert truth_now() == (first.label, FeedbackSource.ADJUDICATION)
    with pytest.raises(NotFound):
        undo_settlement(store, "nothing", "head", clock)


def test_one_of_three_who_is_against_the_others_is_named_alone() -> None:
    words: list[Feedback] = []
    for number in range(40):
        one: dict[str, Any] = {"source": FeedbackSource.EXPERT, "created_ms": number}
        for author in ("ann", "ben", "cid"):
            label = "b" if author == "cid" and number % 2 else "a"
            words.append(feedback(f"p{number}", author=author, label=label, **one))
    assert find_dissenters(words) == [Dissenter("cid", 20, 40)]
    assert find_dissenters(words[:6]) == [], "too few to name anybody"
    assert json.dumps([one.author for one in find_dissenters([])]) == "[]"


@pytest.mark.parametrize(("images", "named"), [(2, []), (9, []), (10, ["ann", "ben"])])
def test_nobody_is_named_on_fewer_than_ten_compared_images(images: int, named: list[str]) -> None:
    words = [
        feedback(f"p{number}", author=author, label=label, source=FeedbackSource.EXPERT)
        for number in range(images)
        for author, label in (("ann", "a"), ("ben", "b"))
    ]
    assert [one.author for one in find_dissenters(words)] == named
