"""A service's past, written through the store: traffic of some days, experiments in every state, labels, opinions.

All of it follows from a seed. What the versions say and what is true is drawn so that v2 is better than v1.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.web.images import leaf

from splitleaf.core.clock import SystemClock
from splitleaf.core.ids import new_prediction_id
from splitleaf.experiments.bucketing import SLOTS, hash_unit, slot_of
from splitleaf.experiments.reading import read_plan
from splitleaf.flows import run_experiment as flow
from splitleaf.flows.change_routing import move_alias
from splitleaf.flows.curate_reviews import is_audited
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.images.archive import ImageArchive
from splitleaf.outcomes.events import Feedback, FeedbackSource, Outcome
from splitleaf.outcomes.store import OutcomeStore

LABELS: Final = ("Early_blight", "healthy", "Late_blight")
READY: Final = ("v1", "v2")
HOUR_MS: Final = 3_600_000
NASTY: Final = '<img src=x onerror="window.owned=1"> "quoted" & <script>window.owned=1</script>'
"""For every text that somebody else may write."""

_AB = {
    "key": "v2-against-v1",
    "hypothesis": "v2 is right more often, also on images from the field",
    "mode": "ab",
    "traffic": 60,
    "variants": {"control": {"version": "v1", "share": 50}, "candidate": {"version": "v2", "share": 50}},
    "shadows": [{"version": "v1", "sampling": 100}, {"version": "v2", "sampling": 100}],
    "primary": {"metric": "accuracy", "direction": "increase", "margin": 0.01},
    "guardrails": [{"metric": "error_rate"}, {"metric": "slow_rate", "threshold_ms": 250}],
    "mde": 0.03,
    "planned_n": 4000,
    "ramp": [{"share": 5, "min_minutes": 60, "min_n": 200}, {"share": 25, "min_n": 500}, {"share": 50}],
}
_SHADOW = {
    "key": "v2-unseen",
    "hypothesis": "v2 finds early blight that v1 misses",
    "mode": "shadow",
    "traffic": 40,
    "variants": {"control": {"version": "v1", "share": 100}},
    "shadows": [{"version": "v2"}],
    "primary": {"metric": "accuracy", "direction": "increase"},
    "planned_n": 2000,
}

_AUDIT_SLOTS = 200


@dataclass
class PastClock(SystemClock):
    """Stands where the story is."""

    at_ms: int = 0

    def now_ms(self) -> int:
        return self.at_ms


@dataclass
class Past:
    """Writes a past that ends now."""

    store: OutcomeStore
    now_ms: int
    images: int = 3_000
    hours: int = 48
    archive: ImageArchive | None = None
    """Where the images on which the versions differ are kept; None: nowhere."""
    rng: random.Random = field(default_factory=lambda: random.Random(20260504))

    def write(self) -> None:
        self.clock = PastClock(at_ms=self.now_ms - self.hours * HOUR_MS)
        self._move_aliases()
        self._decide_earlier_ones()
        self._run_open_ones()
        self._draft()

    def _hand(self, why: str) -> ChangeRequest:
        return ChangeRequest("key:1f3a9c02", why)

    def _move_aliases(self) -> None:
        move_alias(self.store, "champion", "v2", READY, None, "key:1f3a9c02", "better on the test photos", self.clock)
        move_alias(self.store, "champion", "v1", READY, "v2", "key:77aa01be", NASTY, self.clock)

    def _decide_earlier_ones(self) -> None:
        start, store, clock = self._hand("first look"), self.store, self.clock
        for key, verdict in (("v1-itself", "reject"), ("v2-too-early", "roll_back")):
            mode = "aa" if verdict == "reject" else "ab"
            second = "v1" if mode == "aa" else "v2"
            plan: dict[str, Any] = {**_AB, "key": key, "mode": mode, "shadows": [], "guardrails": [], "ramp": []}
            plan["variants"] = {
                "control": {"version": "v1", "share": 50},
                "candidate": {"version": second, "share": 50},
            }
            flow.create_experiment(store, read_plan(plan), start, clock)
            flow.start_experiment(store, key, READY, start, clock)
            if verdict == "roll_back":
                flow.roll_back_experiment(store, key, ChangeRequest("controller", "error_rate: evidence of 132"), clock)
            else:
                flow.stop_experiment(store, key, self._hand("as many images as planned"), clock)
                flow.reject_experiment(store, key, self._hand("the test tests well"), clock)

    def _run_open_ones(self) -> None:
        store, clock = self.store, self.clock
        for plan in (_AB, _SHADOW):
            flow.create_experiment(store, read_plan(plan), self._hand("better on the test photos"), clock)
            flow.start_experiment(store, str(plan["key"]), READY, self._hand("first look"), clock)
        step_ms = self.hours * HOUR_MS // 3
        for stage in range(3):
            if stage:
                flow.ramp_to_stage(store, "v2-against-v1", stage, self._hand("nothing is wrong"), clock)
            self._pass(clock.at_ms, step_ms)
            clock.at_ms += step_ms

    def _draft(self) -> None:
        plan = {**_AB, "key": "next-idea", "hypothesis": NASTY}
        flow.create_experiment(self.store, read_plan(plan), ChangeRequest("key:77aa01be", NASTY), self.clock)

    def _pass(self, since_ms: int, length_ms: int) -> None:
        """Let a third of the images come within this stretch of time."""
        running = self.store.running_experiments()
        outcomes: list[Outcome] = []
        said: list[Feedback] = []
        for index in range(self.images // 3):
            at_ms = since_ms + int((index + self.rng.random()) * length_ms * 3 / self.images)
            unit = hash_unit(f"visitor {self.rng.randrange(900)}", b"pepper")
            truth = self.rng.choices(LABELS, (3, 5, 2))[0]
            experiment, variant, version, shadows = self._assign(running, unit)
            primary = self._outcome(at_ms, unit, version, truth, experiment, variant)
            outcomes.append(primary)
            outcomes += [
                self._outcome(at_ms, unit, other, truth, experiment, variant, primary_id=primary.prediction_id)
                for other in shadows
                if other != version
            ]
            said += self._opinions(primary, outcomes[-1], truth)
            if self.archive and primary.label != outcomes[-1].label:
                self.archive.keep(primary.prediction_id, leaf(spots=4 + len(said) % 8, seed=len(said) % 8))
        self.store.record_outcomes(outcomes)
        for one in said:
            self.store.record_feedback(one)

    def _assign(self, running: Any, unit: str) -> tuple[Any, str, str, tuple[str, ...]]:
        if slot_of("layer:main", unit) >= 6_000:
            record, revision = next(one for one in running if one[0].key == "v2-unseen")
        else:
            record, revision = next(one for one in running if one[0].key == "v2-against-v1")
        variant = revision.shares[revision.slots[slot_of(record.salt, unit)]][0]
        if record.key == "v2-unseen":
            return (record.key, revision.revision), variant or "control", "v1", ("v2",)
        return (record.key, revision.revision), variant, "v2" if variant == "candidate" else "v1", ("v1", "v2")

    def _outcome(  # noqa: PLR0917 - one draw of everything
        self,
        at_ms: int,
        unit: str,
        version: str,
        truth: str,
        experiment: tuple[str, int],
        variant: str,
        primary_id: str = "",
    ) -> Outcome:
        rng, is_v2 = self.rng, version == "v2"
        is_failed = rng.random() < 0.004
        is_right = rng.random() < (0.95 if is_v2 else 0.89)
        label = truth if is_right else rng.choice([one for one in LABELS if one != truth])
        confidence = min(0.999, rng.betavariate(12, 1.4) if is_right else rng.betavariate(5, 3))
        queue_ms, inference_ms = rng.expovariate(1 / 6), rng.lognormvariate(3.4 if is_v2 else 3.1, 0.25)
        rest = (1 - confidence) / 2
        names = [label, *(one for one in LABELS if one != label)]
        return Outcome(
            prediction_id=("0" if primary_id else "") + new_prediction_id()[bool(primary_id) :],
            status="failed" if is_failed else "succeeded",
            role="shadow" if primary_id else "primary",
            assigned_version=version,
            served_version=version,
            served_digest="d" * 64,
            revision=experiment[1],
            experiment=experiment[0],
            variant=variant,
            override=False,
            unit_hash=unit,
            request_id="",
            label=None if is_failed else label,
            confidence=None if is_failed else confidence,
            entropy=None if is_failed else 1 - confidence,
            is_sure=None if is_failed else confidence > 0.5,
            top=() if is_failed else tuple((name, name, confidence if name == label else rest) for name in names),
            error_code="inference_failed" if is_failed else None,
            error_detail="The image could not be processed." if is_failed else None,
            flags=(),
            created_ms=at_ms,
            finished_ms=at_ms + int(queue_ms + inference_ms) + 4,
            intake_ms=4.0,
            queue_ms=queue_ms,
            preprocess_ms=1.0,
            inference_ms=inference_ms,
            batch_size=1,
            deliveries=1,
            worker="leaf-1",
            primary_id=primary_id,
        )

    def _opinions(self, primary: Outcome, other: Outcome, truth: str) -> Iterator[Feedback]:
        """Experts label most disagreements and draw two in a hundred; users complain more often than they praise."""
        at_ms, rng = primary.created_ms + 60_000, self.rng
        if primary.label is None:
            return
        record = self.store.experiment(primary.experiment)
        if is_audited(record.salt if record else "", primary.prediction_id, _AUDIT_SLOTS):
            # What the running service will draw, too: an audit counts where all that was drawn is labelled.
            yield _said(primary, FeedbackSource.AUDIT, "anna", truth, at_ms, probability=_AUDIT_SLOTS / SLOTS)
        elif other.label != primary.label and rng.random() < 0.8:
            yield _said(primary, FeedbackSource.EXPERT, rng.choice(["anna", "ben"]), truth, at_ms)
        if rng.random() < (0.1 if primary.label == truth else 0.35):
            yield _said(primary, FeedbackSource.USER, primary.unit_hash, truth, at_ms)


def _said(  # noqa: PLR0917 - a row
    outcome: Outcome, source: FeedbackSource, author: str, truth: str, at_ms: int, probability: float | None = None
) -> Feedback:
    return Feedback(
        feedback_id=f"{outcome.prediction_id}{source}"[:32],
        prediction_id=outcome.prediction_id,
        source=source,
        author=author,
        correct=outcome.label == truth,
        label=truth,
        sampling_probability=probability,
        created_ms=at_ms,
    )
