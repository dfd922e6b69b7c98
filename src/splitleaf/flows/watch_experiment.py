"""An open experiment's outcomes -> what its guardrails, its split and its stage say, kept up as more are recorded.

Exposures are taken in the order of their creation, each when nothing older is still to come: in the order of recording
a slower arm's outcomes would be missing among the others, and that would look like evidence. So a controller that
starts again, or takes over, comes to the same evidence, too. Synchronous: called off the event loop.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from splitleaf.core.clock import MOST_SKEW_MS
from splitleaf.experiments.allocation import OUTSIDE
from splitleaf.experiments.plan import Plan
from splitleaf.experiments.ramping import next_step, summarize
from splitleaf.experiments.reading import parse_plan
from splitleaf.experiments.watch import ExperimentWatch, SplitWatch, StageWatch
from splitleaf.flows.guard_candidate import CandidateGuard, Trial
from splitleaf.outcomes.experiments import AuditEntry, ExperimentRecord, Exposure, RatedExposure, RevisionRecord
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.statistics.ratio import ALPHA, CONCENTRATION, CONCENTRATION_OF_FEW, log_evidence

PAGE: Final = 5_000
LATE_MS: Final = 10_000
"""What was said of a prediction whose outcome is not recorded after so long is passed over: it will not come."""


class ExperimentWatcher:
    """Follows one experiment. Only a unit's first outcome is evidence: who returns would bring the same luck again."""

    def __init__(self, store: OutcomeStore, key: str) -> None:
        self._store = store
        self._key = key
        self._forget()

    def look(self, record: ExperimentRecord, settled_ms: int, now_ms: int) -> ExperimentWatch:
        """Read what is new and return how things stand. Raises `Unprocessable` for a plan of another release.

        All that was created before `settled_ms` must be recorded, as `LeaderElection.settled_ms` promises.
        """
        self._follow(record)
        self._read(settled_ms)
        if any(guard.listens for guard in self._guards):
            self._listen(now_ms)
        plan, stage = self._plan, self._stage(record, now_ms)
        split = self._split(plan, self._arrived, CONCENTRATION)
        held_by = tuple(self._holds(record, stage, split))
        step, waiting_for = next_step(stage, held_by)
        return ExperimentWatch(
            experiment=record.key,
            state=record.state,
            sequence=record.sequence,
            read_up_to=self._read_up_to,
            settled_ms=self._settled_ms,
            late=self._late,
            stage=stage,
            split=split,
            guardrails=tuple(guard.watch(self._has_control(record.revision, guard)) for guard in self._guards),
            step=step,
            waiting_for=waiting_for,
            held_by=held_by,
            summary=summarize(stage, step, waiting_for, held_by),
        )

    def _forget(self) -> None:
        self._sequence = 0
        self._plan_text = ""
        self._read_up_to = 0
        self._settled_ms = 0
        self._place = (-1, "")
        self._late = 0
        self._said_up_to = 0
        self._units: set[int] = set()
        self._raters: set[int] = set()
        self._images: Counter[int] = Counter()
        self._arrived: dict[int, Counter[str]] = {}
        self._canceled: dict[int, Counter[str]] = {}
        self._guards: list[CandidateGuard] = []
        self._revisions: dict[int, RevisionRecord] = {}
        self._steps: Sequence[AuditEntry] = ()

    def _follow(self, record: ExperimentRecord) -> None:
        """Take note of what was changed; other guardrails begin with the first outcome, like all."""
        if record.sequence == self._sequence:
            return
        if record.plan != self._plan_text:
            self._forget()
            self._plan = parse_plan(record.plan)
            self._plan_text = record.plan
            self._guards = [
                CandidateGuard(rail, candidate, self._plan)
                for rail in self._plan.guardrails
                for candidate in self._plan.candidates
            ]
        self._revisions = {one.revision: one for one in self._store.experiment_revisions(self._key)}
        self._steps = self._store.audit_log(f"experiment/{self._key}", limit=1_000)[::-1]
        self._sequence = record.sequence

    def _read(self, settled_ms: int) -> None:
        # What comes after all, behind what was taken, has lost its place: which of them do may depend on their arms.
        self._read_up_to, late = self._store.newer_exposures(self._key, self._read_up_to, self._settled_ms)
        self._late += late
        self._settled_ms = max(self._settled_ms, settled_ms)
        while page := self._store.evidence_after(self._key, self._place, self._settled_ms, PAGE):
            self._count(page)
            self._place = (page[-1].created_ms, page[-1].prediction_id)
            if len(page) < PAGE:
                break

    def _count(self, page: Sequence[Exposure]) -> None:
        fresh = []
        for one in page:
            self._images[one.revision] += 1
            # A hash of 64 bits instead of the text: a million units are to fit.
            unit = hash(one.unit_hash)
            if unit not in self._units:
                self._units.add(unit)
                fresh.append(Trial.of_exposure(one))
                self._arrived.setdefault(one.revision, Counter())[one.variant] += 1
                if one.is_canceled:
                    self._canceled.setdefault(one.revision, Counter())[one.variant] += 1
        shares = self._shares(fresh)
        for guard in self._guards:
            if not guard.listens:
                guard.observe(fresh, shares)

    def _listen(self, now_ms: int) -> None:
        """Read what users said. An opinion may arrive before its outcome is recorded; the next look finds both."""
        while page := self._store.ratings_after(self._key, self._said_up_to, PAGE):
            ready = _until_unrecorded(page, now_ms)
            fresh = []
            for one in ready:
                unit = hash(one.unit_hash)
                if one.is_recorded and unit not in self._raters:
                    self._raters.add(unit)
                    fresh.append(Trial.of_rating(one))
            shares = self._shares(fresh)
            for guard in self._guards:
                if guard.listens:
                    guard.observe(fresh, shares)
            self._said_up_to = ready[-1].number if ready else self._said_up_to
            if len(ready) < PAGE:
                break

    def _shares(self, trials: Sequence[Trial]) -> Mapping[int, Mapping[str, int]]:
        wanted = {one.revision for one in trials}
        if not wanted <= self._revisions.keys():
            # Ramped since the last look, by a person or another controller.
            self._revisions = {one.revision: one for one in self._store.experiment_revisions(self._key)}
        return {number: self._slots(number) for number in wanted}

    def _slots(self, revision: int) -> dict[str, int]:
        """Return variant -> slots, without those that are in no variant."""
        found = self._revisions.get(revision)
        return {name: count for name, count in found.shares if name != OUTSIDE} if found else {}

    def _has_control(self, revision: int, guard: CandidateGuard) -> bool:
        slots = self._slots(revision)
        return bool(slots.get(self._plan.default)) and bool(slots.get(guard.candidate))

    def _stage(self, record: ExperimentRecord, now_ms: int) -> StageWatch:
        plan, revision = self._plan, self._revisions[record.revision]
        slots = self._slots(record.revision)
        present = plan.ramp[record.stage] if record.stage < len(plan.ramp) else None
        following = plan.ramp[record.stage + 1] if record.stage + 1 < len(plan.ramp) else None
        return StageWatch(
            stage=record.stage,
            stages=len(plan.ramp),
            revision=record.revision,
            share=sum(slots.get(name, 0) for name in plan.candidates) / 100,
            next_share=following.share if following else None,
            began_ms=revision.created_ms,
            minutes=_running_ms(self._steps, revision.created_ms, now_ms) / 60_000,
            min_minutes=present.min_minutes if present else 0.0,
            images=self._images[record.revision],
            min_images=present.min_n if present else 0,
        )

    def _split(self, plan: Plan, found: Mapping[int, Counter[str]], concentration: float) -> SplitWatch:
        units: Counter[str] = Counter(dict.fromkeys(plan.variants, 0))
        expected = dict.fromkeys(plan.variants, 0.0)
        log_e = 0.0
        for revision, arrived in found.items():
            slots = self._slots(revision)
            units.update(arrived)
            for name, count in slots.items():
                expected[name] += arrived.total() * count / sum(slots.values())
            if len(slots) > 1:
                log_e += float(log_evidence([arrived[name] for name in slots], list(slots.values()), concentration))
        log_limit = -math.log(ALPHA)
        return SplitWatch(dict(units), expected, log_e, log_limit, is_off=log_e >= log_limit)

    def _holds(self, record: ExperimentRecord, stage: StageWatch, split: SplitWatch) -> list[str]:
        held = []
        if record.state == "paused":
            held.append("paused")
        if split.is_off:
            seen = ", ".join(f"{name} {split.units[name]:,} of {split.expected[name]:,.0f}" for name in split.units)
            held.append(f"the split is off ({seen} expected units)")
        canceled = self._split(self._plan, self._canceled, CONCENTRATION_OF_FEW)
        if canceled.is_off:
            seen = ", ".join(
                f"{name} {count:,} of {canceled.expected[name]:,.0f}" for name, count in canceled.units.items()
            )
            held.append(f"clients take images back more often in one arm ({seen} expected units)")
        if stage.next_share is not None and not self._is_of_plan(record):
            held.append("the active shares are not the stage's; ramp to a stage by hand")
        return held

    def _is_of_plan(self, record: ExperimentRecord) -> bool:
        slots, planned = self._slots(record.revision), self._plan.shares_at(record.stage)
        # Rounding to slots moves a share by less than one.
        return all(abs(slots.get(name, 0) - 100 * planned.get(name, 0)) < 1 for name in {*slots, *planned})


def _until_unrecorded(page: Sequence[RatedExposure], now_ms: int) -> Sequence[RatedExposure]:
    for place, one in enumerate(page):
        # One of the future was asked for before the clock went back.
        if not one.is_recorded and -MOST_SKEW_MS < now_ms - one.created_ms < LATE_MS:
            return page[:place]
    return page


def _running_ms(steps: Sequence[AuditEntry], since_ms: int, now_ms: int) -> int:
    """Return for how long the experiment has run since that moment; `steps` are all of its steps, oldest first."""
    paused_ms, paused_at = 0, None
    for step in steps:
        if step.action == "pause":
            paused_at = max(step.created_ms, since_ms)
        elif step.action == "resume" and paused_at is not None:
            paused_ms += max(0, step.created_ms - paused_at)
            paused_at = None
    if paused_at is not None:
        paused_ms += max(0, now_ms - paused_at)
    return max(0, now_ms - since_ms - paused_ms)
