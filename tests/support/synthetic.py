"""Experiments whose truth is known, written into a store as the running system would write them; seeded."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from splitleaf.core.ids import shadow_prediction_id
from splitleaf.core.prediction import Origin
from splitleaf.experiments.bucketing import slot_of
from splitleaf.experiments.plan import Plan
from splitleaf.experiments.reading import read_plan
from splitleaf.flows.curate_reviews import random_place
from splitleaf.flows.run_experiment import ChangeRequest, create_experiment, ramp_to_stage, start_experiment
from splitleaf.outcomes.events import Feedback, FeedbackSource, Outcome
from splitleaf.outcomes.reviews import ReviewItem, ReviewReason
from splitleaf.outcomes.store import OutcomeStore
from tests.support.stores import EmptyStore

START_MS = 1_777_887_000_000
ORIGINS = (Origin.PAGE, Origin.UNIT, Origin.API, Origin.PREDICT)
"""How images come: each unit's all alike, by its number."""
LABELS = tuple(f"condition_{number}" for number in range(5))
REQUEST = ChangeRequest("ann", "to find out")


class StandingClock:
    """Shows what it is set to."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000

    def set(self, now_ms: int) -> None:
        self._now_ms = now_ms


def plan_of(**changes: Any) -> Plan:
    table = {
        "key": "v2-against-v1",
        "hypothesis": "v2 is right more often",
        "mode": "ab",
        "salt": "a1b2c3",
        "variants": {"control": {"version": "v1", "share": 50}, "candidate": {"version": "v2", "share": 50}},
        "primary": {"metric": "error_rate", "direction": "decrease"},
        "planned_n": 4000,
    }
    return read_plan({**table, **changes})


def shadow_plan(**changes: Any) -> Plan:
    table = {
        "mode": "shadow",
        "variants": {"control": {"version": "v1", "share": 100}},
        "shadows": [{"version": "v2"}],
        "primary": {"metric": "accuracy", "direction": "increase", "margin": 0.01},
    }
    return plan_of(**{**table, **changes})


@dataclass(frozen=True)
class World:
    """What is true."""

    accuracy: Mapping[str, float] = field(default_factory=lambda: {"v1": 0.9, "v2": 0.9})
    likeness: float = 0.7
    """How often two versions find the same images difficult."""
    error_rate: Mapping[str, float] = field(default_factory=dict)
    latency_factor: Mapping[str, float] = field(default_factory=dict)
    cost_factor: Mapping[str, float] = field(default_factory=dict)
    confidence: Mapping[str, float] = field(default_factory=dict)
    """Added to a version's confidences."""
    unsure: Mapping[str, float] = field(default_factory=dict)
    """Share of a version's answers that are not sure."""
    images_per_unit: int = 1
    response: Mapping[bool, float] = field(default_factory=dict)
    """Share of the answers that users speak of, by whether they are right."""
    response_factor: Mapping[str, float] = field(default_factory=dict)
    """By variant."""
    lost: Mapping[str, float] = field(default_factory=dict)
    """Share of a variant's units that never arrive."""
    audit: float = 0.0
    """Probability with which an image is drawn for an expert."""
    labels_disagreements: bool = False
    fallback: float = 0.0
    """Share of the candidates' images that control answers."""


@dataclass
class Synthetic:
    """An experiment in a store."""

    plan: Plan
    world: World = World()
    seed: int = 1
    store: OutcomeStore = field(default_factory=EmptyStore)
    clock: StandingClock = field(default_factory=StandingClock)
    amend: Callable[[list[Feedback]], Sequence[Feedback]] = list
    """What becomes of a run's feedback before it is recorded."""
    are_ids_real: bool = False
    """Whether predictions' ids have the form of real ones, for what looks at it."""
    _images: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        create_experiment(self.store, self.plan, REQUEST, self.clock)
        start_experiment(self.store, self.plan.key, self.plan.versions, REQUEST, self.clock)

    def run(self, images: int, units: int | None = None, **changes: Any) -> Synthetic:
        """Let so many images come, one a second, from `units` people (one image each unless said otherwise)."""
        world = replace(self.world, **changes)
        people = units or max(1, images // world.images_per_unit)
        numbers = self.random.permutation(np.arange(images) % people) + (0 if units else self._images)
        outcomes: list[Outcome] = []
        said: list[Feedback] = []
        self._revision = self.store.experiment_revisions(self.plan.key)[0]
        for number in numbers.tolist():
            self._images += 1
            self.clock.set(self.clock.now_ms() + 1000)
            made, opinions = self._image(world, f"{number:032x}")
            outcomes += made
            said += opinions
        self.store.record_outcomes(outcomes)
        said = list(self.amend(said))
        self._enrol([one for one in said if one.source is FeedbackSource.AUDIT])
        self.store.record_labels(said)
        return self

    def _enrol(self, words: Sequence[Feedback]) -> None:
        """Enrol what an audit's word was said of, as the curator would have."""
        items = [
            ReviewItem(
                one.prediction_id,
                self.plan.key,
                ReviewReason.AUDIT,
                one.sampling_probability,
                random_place(self.plan.salt or "", one.prediction_id),
                one.created_ms,
            )
            for one in words
        ]
        place = self.store.review_progress()
        self.store.enrol(items, expected=place, reached=place + 1, now_ms=self.clock.now_ms())

    def ramp(self, stage: int) -> Synthetic:
        ramp_to_stage(self.store, self.plan.key, stage, REQUEST, self.clock)
        return self

    def _image(self, world: World, unit: str) -> tuple[list[Outcome], list[Feedback]]:
        revision = self._revision
        variant = revision.shares[revision.slots[slot_of(self.plan.salt or "", unit)]][0]
        if not variant or self.random.random() < world.lost.get(variant, 0.0):
            return [], []
        truth = LABELS[int(self.random.integers(len(LABELS)))]
        difficulty = self.random.random()
        answers = {version: self._answer(world, version, truth, difficulty) for version in sorted(self.plan.versions)}
        prediction_id = f"{self._images:026d}"
        if self.are_ids_real:
            prediction_id = prediction_id.translate(str.maketrans("0123456789", "abcdefghij"))
        version = self.plan.variants[variant].version
        fallback = variant != self.plan.default and self.random.random() < world.fallback
        served = self.plan.variants[self.plan.default].version if fallback else version
        primary = self._outcome(world, served, answers[served], unit, prediction_id, variant, revision.revision)
        if fallback:
            primary = replace(primary, fallback="not_ready")
        shadows = [
            replace(
                self._outcome(
                    world, one.version, answers[one.version], unit, prediction_id, variant, revision.revision
                ),
                prediction_id=shadow_prediction_id(prediction_id, one.version),
                role="shadow",
                primary_id=prediction_id,
            )
            for one in self.plan.shadows
            if one.version != served and self.random.random() < one.sampling / 100
        ]
        said = self._words(world, primary, truth, variant, [one.label for one in (primary, *shadows)])
        return [primary, *shadows], said

    def _answer(self, world: World, version: str, truth: str, difficulty: float) -> str:
        own = difficulty if self.random.random() < world.likeness else self.random.random()
        if own < world.accuracy[version]:
            return truth
        return LABELS[(LABELS.index(truth) + 1 + int(self.random.integers(len(LABELS) - 1))) % len(LABELS)]

    def _outcome(  # noqa: PLR0917
        self, world: World, version: str, label: str, unit: str, prediction_id: str, variant: str, revision: int
    ) -> Outcome:
        failed = self.random.random() < world.error_rate.get(version, 0.0)
        confidence = min(0.999, max(0.2, self.random.beta(9, 1) + world.confidence.get(version, 0.0)))
        inference_ms = 20 * float(self.random.lognormal(0, 0.3)) * world.cost_factor.get(version, 1.0)
        total_ms = 40 * float(self.random.lognormal(0, 0.5)) * world.latency_factor.get(version, 1.0)
        unsure = self.random.random() < world.unsure[version] if version in world.unsure else False
        now_ms = self.clock.now_ms()
        return Outcome(
            prediction_id=prediction_id,
            status="failed" if failed else "succeeded",
            role="primary",
            assigned_version=version,
            served_version=version,
            served_digest="d" * 64,
            revision=revision,
            experiment=self.plan.key,
            variant=variant,
            override=False,
            unit_hash=unit,
            request_id="r",
            label=None if failed else label,
            confidence=None if failed else confidence,
            entropy=None if failed else 0.3,
            is_sure=None if failed else not unsure,
            top=() if failed else ((label, label, confidence),),
            error_code="inference_failed" if failed else None,
            error_detail="broken" if failed else None,
            flags=(),
            created_ms=now_ms,
            finished_ms=now_ms + round(total_ms),
            intake_ms=0.0,
            queue_ms=total_ms / 2,
            preprocess_ms=1.0,
            inference_ms=inference_ms,
            batch_size=1,
            deliveries=1,
            worker="w",
            origin=ORIGINS[int(unit, 16) % len(ORIGINS)],
        )

    def _words(
        self, world: World, primary: Outcome, truth: str, variant: str, said: list[str | None]
    ) -> list[Feedback]:
        if primary.label is None:
            return []
        words = []
        right = primary.label == truth
        chance = world.response.get(right, 0.0) * world.response_factor.get(variant, 1.0)
        if self.random.random() < chance:
            words.append(self._feedback(primary, FeedbackSource.USER, "correct" if right else "wrong", truth, None))
        if self.random.random() < world.audit:
            words.append(self._feedback(primary, FeedbackSource.AUDIT, "audit", truth, world.audit))
        elif world.labels_disagreements and len(set(said)) > 1:
            words.append(self._feedback(primary, FeedbackSource.EXPERT, "expert", truth, None))
        return words

    def _feedback(
        self, primary: Outcome, source: FeedbackSource, author: str, truth: str, chance: float | None
    ) -> Feedback:
        number = uuid.UUID(int=self.random.integers(2**62).item()).hex
        right = primary.label == truth
        return Feedback(number, primary.prediction_id, source, author, right, truth, chance, self.clock.now_ms())
