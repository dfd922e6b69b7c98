"""Drawn images tell how accurate a version is, in whatever order experts came to label them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splitleaf.analysis.audit import Block, find_block, weigh
from splitleaf.analysis.labels import LabelledImage
from splitleaf.analysis.report import Report
from splitleaf.analysis.report.measures import ArmMeasure
from splitleaf.core.ids import shadow_prediction_id
from splitleaf.flows.curate_reviews import ReviewCurator
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.review_images import Annotation, ImageReview, Request
from splitleaf.flows.run_experiment import create_experiment, start_experiment
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.outcomes.events import Feedback, FeedbackSource
from splitleaf.outcomes.reviews import ReviewTurn, TurnKind
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.analysis.labelling import audit_level, audited_split, clustered_recalls
from tests.flows.test_curate_reviews import ids
from tests.outcomes.facts import outcome
from tests.statistics.readings import Reading
from tests.support.stores import EmptyStore
from tests.support.synthetic import LABELS, REQUEST, StandingClock, Synthetic, World, shadow_plan

KNOWN = (*LABELS, "nothing")


def labelled(sampling_probability: float | None = None) -> LabelledImage:
    return LabelledImage("p", 1, "control", "u", 0, "rust", FeedbackSource.AUDIT, sampling_probability, False, None)


def level(report: Report, arm: str = "control") -> ArmMeasure:
    metric = next(one for one in report.metrics if one.metric == "audited_accuracy")
    return next(one for one in metric.arms if one.arm == arm)


class Queued:
    """A shadow experiment in SQLite; its images wait in the real review queue for an expert who knows the truth."""

    def __init__(self, folder: Path, audit_share: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.store = SqlOutcomeStore(f"sqlite:///{folder / 'outcomes.sqlite3'}")
        self.store.migrate()
        self.clock = StandingClock()
        self.images = DirectoryImageArchive(folder / "images")
        self.curator = ReviewCurator(self.store, self.clock, audit_share)
        self.review = ImageReview(self.store, self.images, self.clock, draw=self.random.random)
        self.plan = shadow_plan(planned_n=3_000)
        self.right: dict[str, bool] = {}
        create_experiment(self.store, self.plan, REQUEST, self.clock)
        start_experiment(self.store, self.plan.key, self.plan.versions, REQUEST, self.clock)

    def come(self, count: int) -> None:
        """Images come, 90 % answered right; the shadow disagrees mostly where the answer is wrong."""
        outcomes = []
        for number, one in enumerate(ids(count, len(self.right))):
            is_right = self.random.random() < 0.9
            differs = self.random.random() < (0.03 if is_right else 0.7)
            said = LABELS[0] if is_right else LABELS[1]
            common = {"experiment": self.plan.key, "created_ms": self.clock.now_ms() + number, "revision": 1}
            primary = outcome(prediction_id=one, variant="control", label=said, unit_hash=one, **common)
            label = (LABELS[1] if is_right else LABELS[0]) if differs else said
            unseen = replace(primary, prediction_id=shadow_prediction_id(one, "v2"), primary_id=one, role="shadow")
            outcomes += [primary, replace(unseen, assigned_version="v2", served_version="v2", label=label)]
            self.right[one] = is_right
            self.images.keep(one, b"x")
        self.clock.set(self.clock.now_ms() + count)
        self.store.record_outcomes(outcomes)
        while self.curator.enrol_once():
            pass

    def label(self, count: int) -> None:
        for _ in range(count):
            for item in self.review.next_items(Request("anna", self.plan.key)):
                self.review.say(item.prediction_id, Annotation("anna", LABELS[0]), KNOWN)


@pytest.fixture
def queued(tmp_path: Path) -> Iterator[Queued]:
    made = Queued(tmp_path, 0.2, 5)
    yield made
    made.store.close()


@pytest.mark.slow
def test_the_level_is_right_though_disagreements_are_labelled_before_their_turn(queued: Queued) -> None:
    for _ in range(2):
        queued.come(900)
        queued.label(110)
    truth = np.mean(list(queued.right.values()))
    found = level(judge_experiment(queued.store, queued.plan.key, queued.clock))
    assert found.estimate is not None
    assert found.estimate.low <= truth <= found.estimate.high
    assert abs(found.estimate.value - truth) < 0.09, "standard deviation .04"
    drawn = queued.store.sampling_probabilities(queued.right)
    said = [bool(one.correct) for one in queued.store.current_feedback(list(drawn))]
    assert np.mean(said) < truth - 0.1, "all labelled draws are no random sample"
    assert found.labels is not None
    assert 40 < found.labels < len(said)


def test_the_block_is_the_largest_without_an_image_that_waits() -> None:
    generator = random.Random(3)
    for _ in range(200):
        bounds = [generator.choice([10, generator.randrange(10)]) for _ in range(generator.randrange(1, 9))]
        found = find_block(bounds)
        sizes = [
            min(bounds[first:end]) * (end - first)
            for first in range(len(bounds))
            for end in range(first + 1, len(bounds) + 1)
        ]
        assert (found.end - found.first) * found.below == max(sizes)
        assert all(bound >= found.below for bound in bounds[found.first : found.end])
    assert find_block([]) == Block(0, 0, 0)


@pytest.mark.parametrize(
    ("figure", "runs"),
    [(audit_level, 60), (clustered_recalls, 100), pytest.param(audited_split, 30, marks=pytest.mark.slow)],
)
def test_the_figure_is_reached_and_what_was_done_before_fails(
    figure: Callable[[int, int], list[Reading]], runs: int
) -> None:
    assert not [reading for reading in figure(runs, 20_260) if not reading.is_met]


def test_new_arrivals_and_labels_out_of_turn_leave_a_block_as_large_as_it_was() -> None:
    labelled_up_to = [2**30] * 1_000
    arrivals = [5] * 50
    assert find_block(labelled_up_to + arrivals) == Block(0, 1_000, 2**30)


def test_what_nobody_can_label_widens_the_level_and_stops_nothing() -> None:
    experiment = Synthetic(shadow_plan(), World(audit=0.2)).run(2_000)
    whole = level(judge_experiment(experiment.store, experiment.plan.key, experiment.clock))
    draws = experiment.store.audit_draws(experiment.plan.key)
    lost = [one.prediction_id for one in draws if one.place < 2**31 // 20]

    class Losing(EmptyStore):
        def record_labels(self, labels: Sequence[Feedback]) -> None:
            super().record_labels([one for one in labels if one.prediction_id not in lost])

    store = Synthetic(shadow_plan(), World(audit=0.2), store=Losing()).run(2_000).store
    blocked = level(judge_experiment(store, experiment.plan.key, experiment.clock))
    for one in lost:
        store.record_turn(ReviewTurn(one, "", TurnKind.GONE, 0, 0))
    report = judge_experiment(store, experiment.plan.key, experiment.clock)
    widened = level(report)
    assert whole.labels == len(draws)
    assert blocked.labels is not None
    assert blocked.labels < len(draws) / 5, "an open one in front is waited for"
    assert widened.labels == len(draws) - len(lost)
    assert whole.estimate is not None
    assert widened.estimate is not None
    missing = len(lost) / len(draws)
    assert widened.estimate.high - widened.estimate.low > whole.estimate.high - whole.estimate.low + missing / 2
    accuracy = next(one for one in report.metrics if one.metric == "accuracy")
    labels = len(draws) - len(lost)
    assert accuracy.basis == f"Levels: {labels} labels drawn at random; {len(lost)} more could not be labelled"


def test_an_impossible_sampling_probability_is_refused() -> None:
    for chance in (0.0, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match="probability"):
            weigh([labelled(chance)])
    assert weigh([labelled(), labelled(0.02)]).tolist() == [1, 50]
