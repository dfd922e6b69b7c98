"""The outcome store in memory: for tests of what stands on it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from splitleaf.core.errors import Conflict
from splitleaf.outcomes.audit import of_alias, of_split
from splitleaf.outcomes.events import (
    AliasChange,
    Feedback,
    FeedbackSource,
    Outcome,
    RoutingRevision,
    Sighting,
    TrafficCount,
)
from splitleaf.outcomes.experiments import (
    OF_LABEL,
    AliasMove,
    AuditEntry,
    ExperimentChange,
    ExperimentRecord,
    Exposure,
    ExposureCount,
    RatedExposure,
    RevisionRecord,
)
from splitleaf.outcomes.exposures import Exposures, read_exposures
from splitleaf.outcomes.keys import KeyRecord
from splitleaf.outcomes.memory_experiments import (
    ExperimentMemory,
    count,
    exposure_of,
    exposure_row,
    picture_of,
    rating_of,
)
from splitleaf.outcomes.memory_keys import MemoryKeys
from splitleaf.outcomes.memory_truths import TruthMemory
from splitleaf.outcomes.reviews import AuditDraw, Claim, ReviewCount, ReviewItem, ReviewTurn
from splitleaf.outcomes.truths import ASKED, LabelledOutcome, ResponseCount


class MemoryOutcomeStore:
    """Keeps the promises of `OutcomeStore` for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._experiments = ExperimentMemory()
        self._keys = MemoryKeys(self._experiments.note)
        self._outcomes: dict[str, Outcome] = {}
        self._feedback: list[Feedback] = []
        self._truths = TruthMemory(self._outcomes, self._feedback)
        self._aliases: list[AliasChange] = []
        self._routing: list[RoutingRevision] = []
        self._aside: list[tuple[str, str, str]] = []

    def migrate(self) -> None:
        """Nothing to bring up to date."""

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        with self._lock:
            before = len(self._outcomes)
            for outcome in outcomes:
                if outcome.prediction_id not in self._outcomes:
                    numbered = replace(outcome, number=len(self._outcomes) + 1)
                    self._outcomes[outcome.prediction_id] = numbered
            return len(self._outcomes) - before

    def outcome(self, prediction_id: str) -> Outcome | None:
        return self._outcomes.get(prediction_id)

    def outcomes_after(self, number: int, limit: int) -> Sequence[Outcome]:
        with self._lock:
            return list(self._outcomes.values())[number : number + limit]

    def set_aside(self, prediction_id: str, document: str, reason: str, now_ms: int) -> None:  # noqa: ARG002 - the port's
        self._aside.append((prediction_id, document, reason))

    def aside(self) -> Sequence[tuple[str, str, str]]:
        return list(self._aside)

    def count_by_status(self) -> dict[str, int]:
        return dict(Counter(one.status for one in self._outcomes.values() if one.role == "primary"))

    def count_since(self, created_ms: int) -> int:
        return sum(one.role == "primary" and one.created_ms >= created_ms for one in self._outcomes.values())

    def count_traffic(self, since_ms: int, period_ms: int, bounds_ms: Sequence[float]) -> Sequence[TrafficCount]:
        found = Counter(
            (
                (one.created_ms - since_ms) // period_ms,
                one.served_version or one.assigned_version,
                one.status,
                bisect_left(bounds_ms, one.finished_ms - one.created_ms + one.intake_ms),
            )
            for one in list(self._outcomes.values())
            if one.role == "primary" and one.created_ms >= since_ms
        )
        return [TrafficCount(*group, count) for group, count in found.items()]

    def count_sightings(self, served_digest: str) -> int:
        return len(self._sightings(served_digest))

    def newest_sightings(self, served_digest: str, limit: int) -> Sequence[Sighting]:
        return self._sightings(served_digest)[-limit:] if limit else []

    def _sightings(self, served_digest: str) -> list[Sighting]:
        with self._lock:
            return [
                Sighting(one.label, one.confidence, one.measures, one.created_ms)
                for one in self._outcomes.values()
                if one.served_digest == served_digest and one.measures and one.label and one.confidence is not None
            ]

    def record_feedback(self, feedback: Feedback) -> None:
        with self._lock:
            self._feedback.append(feedback)

    def feedback(self, prediction_id: str) -> Sequence[Feedback]:
        return [one for one in self._feedback if one.prediction_id == prediction_id]

    def move_alias(
        self, alias: str, version: str, *, expected: str | None, actor: str, reason: str, now_ms: int
    ) -> AliasChange:
        with self._lock:
            change = self._append_move(AliasMove(alias, version, expected), actor, reason, now_ms)
            self._experiments.note(of_alias(change))
            return change

    def _append_move(self, move: AliasMove, actor: str, reason: str, now_ms: int) -> AliasChange:
        previous = self.aliases().get(move.alias)
        if previous != move.expected:
            raise Conflict(f"{move.alias} names {previous}, not {move.expected}")
        number = len(self._aliases) + 1
        change = AliasChange(move.alias, move.version, previous, actor, reason, now_ms, change_id=number)
        self._aliases.append(change)
        return change

    def aliases(self) -> dict[str, str]:
        return {change.alias: change.version for change in self._aliases}

    def alias_history(self, alias: str) -> Sequence[AliasChange]:
        return [change for change in reversed(self._aliases) if change.alias == alias]

    def set_routing(self, revision: RoutingRevision) -> None:
        with self._lock:
            if revision.shares:
                self._experiments.require_none_open()
            if revision.revision != len(self._routing) + 1:
                raise Conflict("the routing was changed by somebody else at the same moment")
            before = self.routing()
            self._routing.append(replace(revision))
            self._experiments.note(of_split(before, revision))

    def routing(self) -> RoutingRevision | None:
        return self._routing[-1] if self._routing else None

    def routing_history(self) -> Sequence[RoutingRevision]:
        return list(reversed(self._routing))

    def change_experiment(self, change: ExperimentChange) -> ExperimentRecord:
        record, entry = change.record, change.entry
        with self._lock:
            self._experiments.require_turn(record, change.newest)
            self._experiments.require_new(change.revision)
            if record.state == "running" and self._routing and self._routing[-1].shares:
                raise Conflict("a static split is in force; end it first", code="split_in_force")
            if move := change.alias:
                self._append_move(move, entry.actor, entry.reason, record.created_ms)
            return self._experiments.append(record, change.revision, entry)

    def experiments(self) -> Sequence[ExperimentRecord]:
        return self._experiments.present()

    def experiment(self, key: str) -> ExperimentRecord | None:
        return next((one for one in self._experiments.present() if one.key == key), None)

    def running_experiments(self) -> Sequence[tuple[ExperimentRecord, RevisionRecord]]:
        return self._experiments.running()

    def experiment_revisions(self, key: str) -> Sequence[RevisionRecord]:
        return [one for one in reversed(self._experiments.revisions) if one.experiment == key]

    def record_audit(self, entry: AuditEntry) -> None:
        with self._lock:
            self._experiments.note(entry)

    def audit_log(
        self, subject: str | None = None, before: int | None = None, limit: int = 100, *, with_labels: bool = True
    ) -> Sequence[AuditEntry]:
        entries = [
            one
            for one in reversed(self._experiments.entries)
            if subject in (None, one.subject)
            and (before is None or one.number < before)
            and (with_labels or not one.subject.startswith(OF_LABEL))
        ]
        return entries[:limit]

    def exposures_after(self, experiment: str, number: int, limit: int) -> Sequence[Outcome]:
        mine = [one for one in self._outcomes.values() if experiment and one.experiment == experiment]
        return [one for one in mine if one.number > number][:limit]

    def exposures(
        self,
        experiment: str,
        *,
        before_ms: int | None = None,
        with_pictures: bool = True,  # noqa: ARG002 - the port's
    ) -> Exposures:
        found = [one for one in self.exposures_after(experiment, 0, len(self._outcomes)) if not one.override]
        found = [one for one in found if before_ms is None or one.created_ms < before_ms]
        found.sort(key=lambda one: (one.created_ms, one.prediction_id))
        return read_exposures([[exposure_row(one) for one in found]])

    def newest_exposure(self, experiment: str) -> int:
        return max((one.number for one in self.exposures_after(experiment, 0, len(self._outcomes))), default=0)

    def newest_feedback(self) -> int:
        return len(self._feedback)

    def picture_ids(self, numbers: Collection[int]) -> Mapping[int, str]:
        return {one.number: picture_of(one) for one in self._outcomes.values() if one.number in numbers}

    def count_exposures(self, experiment: str) -> Sequence[ExposureCount]:
        return count(self.exposures_after(experiment, 0, len(self._outcomes)))

    def evidence_after(self, experiment: str, place: tuple[int, str], before_ms: int, limit: int) -> Sequence[Exposure]:
        mine = [exposure_of(one) for one in list(self._outcomes.values()) if one.experiment == experiment]
        placed = {(one.created_ms, one.prediction_id): one for one in mine if one is not None}
        return [placed[at] for at in sorted(placed) if place < at < (before_ms, "")][:limit]

    def newer_exposures(self, experiment: str, number: int, before_ms: int) -> tuple[int, int]:
        mine = [one for one in self.exposures_after(experiment, number, len(self._outcomes)) if exposure_of(one)]
        return max([number, *(one.number for one in mine)]), sum(one.created_ms < before_ms for one in mine)

    def ratings_after(self, experiment: str, number: int, limit: int) -> Sequence[RatedExposure]:
        said = [
            rating_of(place, one, self._outcomes.get(one.prediction_id), experiment)
            for place, one in enumerate(self._feedback, 1)
        ]
        return [one for one in said if one is not None and one.number > number][:limit]

    def truths(self, experiment: str, sources: Collection[FeedbackSource] = ASKED) -> Iterator[LabelledOutcome]:
        with self._lock:
            return iter(list(self._truths.truths(experiment, sources)))

    def count_responses(self, experiment: str) -> Sequence[ResponseCount]:
        with self._lock:
            return self._truths.count_responses(experiment)

    def record_labels(self, labels: Sequence[Feedback]) -> None:
        with self._lock:
            if {one.feedback_id for one in labels} & {one.feedback_id for one in self._feedback}:
                raise Conflict("somebody else changed that at the same moment")
            self._feedback.extend(labels)

    def standing(self, prediction_ids: Collection[str]) -> Sequence[Feedback]:
        with self._lock:
            return [one for _, one in self._truths.standing() if one.prediction_id in prediction_ids]

    def labels_after(self, number: int, limit: int, experiment: str | None = None) -> Sequence[tuple[int, Feedback]]:
        with self._lock:
            return self._truths.labels_after(number, limit, experiment)

    def review_progress(self) -> int:
        return self._truths.progress

    def enrol(self, items: Sequence[ReviewItem], *, expected: int, reached: int, now_ms: int) -> int:  # noqa: ARG002 - the port's
        with self._lock:
            return self._truths.enrol(items, expected, reached)

    def lease_item(self, claim: Claim) -> str | None:
        with self._lock:
            return self._truths.lease_item(claim)

    def record_turn(self, turn: ReviewTurn) -> None:
        with self._lock:
            self._truths.turns.append(turn)

    def last_turn(self, prediction_id: str, expert: str) -> ReviewTurn | None:
        return self._truths.last_turn(prediction_id, expert)

    def review_items(self, prediction_id: str) -> Sequence[ReviewItem]:
        return [item for item in self._truths.items if item.prediction_id == prediction_id]

    def sampling_probabilities(self, prediction_ids: Collection[str]) -> dict[str, float]:
        drawn = [one for one in self._truths.items if one.prediction_id in prediction_ids]
        return {one.prediction_id: one.sampling_probability for one in drawn if one.sampling_probability is not None}

    def audit_draws(self, experiment: str) -> Sequence[AuditDraw]:
        with self._lock:
            return self._truths.audit_draws(experiment)

    def outcomes_of_pictures(self, prediction_ids: Collection[str]) -> Sequence[Outcome]:
        with self._lock:
            return self._truths.outcomes_of_pictures(prediction_ids)

    def count_reviews(self, experiment: str) -> Sequence[ReviewCount]:
        with self._lock:
            return self._truths.count_reviews(experiment)

    def expert_labels(self, experiment: str) -> Sequence[Feedback]:
        with self._lock:
            return self._truths.expert_labels(experiment)

    def add_key(self, record: KeyRecord, entry: AuditEntry) -> None:
        with self._lock:
            self._keys.add(record, entry)

    def revoke_key(self, key_id: str, entry: AuditEntry) -> None:
        with self._lock:
            self._keys.revoke(key_id, entry)

    def api_keys(self) -> Sequence[KeyRecord]:
        return self._keys.all()

    def note_key_use(self, key_id: str, now_ms: int) -> None:
        with self._lock:
            self._keys.note_use(key_id, now_ms)

    def end_session(self, session_id: str, expires_ms: int, now_ms: int) -> None:
        with self._lock:
            self._keys.end_session(session_id, expires_ms, now_ms)

    def ended_sessions(self) -> frozenset[str]:
        return self._keys.ended_sessions()

    def ping(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to give back."""
