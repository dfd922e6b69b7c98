"""Experiments in memory: for tests of what stands on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from splitleaf.core.errors import Conflict
from splitleaf.outcomes.events import Feedback, FeedbackSource, Outcome
from splitleaf.outcomes.experiments import (
    OPEN_STATES,
    AuditEntry,
    ExperimentRecord,
    Exposure,
    ExposureCount,
    RatedExposure,
    RevisionRecord,
)
from splitleaf.outcomes.exposures import Row


class ExperimentMemory:
    """What is known of experiments. Whoever changes it holds a lock."""

    def __init__(self) -> None:
        self.records: list[ExperimentRecord] = []
        self.revisions: list[RevisionRecord] = []
        self.entries: list[AuditEntry] = []

    def present(self) -> list[ExperimentRecord]:
        newest = {record.key: record for record in self.records}
        return sorted(newest.values(), key=lambda record: record.number)

    def require_turn(self, record: ExperimentRecord, newest: int | None) -> None:
        present = max((one.sequence for one in self.records if one.key == record.key), default=0)
        if record.sequence == 1 and present:
            raise Conflict(f"there is an experiment {record.key!r} already", code="experiment_exists")
        if record.sequence != present + 1:
            raise Conflict("the experiment was changed by somebody else at the same moment")
        if newest is not None and len(self.records) > newest:
            raise Conflict("another experiment was changed at the same moment; try again")

    def require_new(self, revision: RevisionRecord | None) -> None:
        if revision and (revision.experiment, revision.revision) in {
            (one.experiment, one.revision) for one in self.revisions
        }:
            raise Conflict("the experiment was changed by somebody else at the same moment")

    def require_none_open(self) -> None:
        for one in self.present():
            if one.state in OPEN_STATES:
                raise Conflict(f"the experiment {one.key} is {one.state}; stop it first", code="experiments_running")

    def append(self, record: ExperimentRecord, revision: RevisionRecord | None, entry: AuditEntry) -> ExperimentRecord:
        numbered = replace(record, number=len(self.records) + 1)
        self.records.append(numbered)
        if revision is not None:
            self.revisions.append(revision)
        self.note(entry)
        return numbered

    def note(self, entry: AuditEntry) -> None:
        self.entries.append(replace(entry, number=len(self.entries) + 1))

    def running(self) -> list[tuple[ExperimentRecord, RevisionRecord]]:
        records = [one for one in self.present() if one.state == "running"]
        by_number = {(one.experiment, one.revision): one for one in self.revisions}
        return [
            (one, by_number[one.key, one.revision])
            for one in sorted(records, key=lambda one: (one.started_ms or 0, one.key))
        ]


def count(outcomes: Sequence[Outcome]) -> list[ExposureCount]:
    """Count outcomes by revision, variant, role and version, without overrides."""
    counted = [one for one in outcomes if not one.override]
    groups = Counter((one.revision, one.variant, one.role, one.assigned_version) for one in counted)
    fallbacks = Counter((one.revision, one.variant, one.role, one.assigned_version) for one in counted if one.fallback)
    return [ExposureCount(*group, fallbacks[group], groups[group]) for group in sorted(groups)]


def exposure_of(one: Outcome) -> Exposure | None:
    """Return the outcome as a guardrail reads it; None for a shadow and an override."""
    if one.role != "primary" or one.override:
        return None
    latency_ms = one.intake_ms + one.finished_ms - one.created_ms
    return Exposure(
        one.created_ms,
        one.prediction_id,
        one.revision,
        one.variant,
        one.unit_hash,
        one.status,
        one.fallback,
        latency_ms,
        one.is_sure,
    )


def rating_of(number: int, said: Feedback, about: Outcome | None, experiment: str) -> RatedExposure | None:
    """Return what a user said as a guardrail reads it; None for what is about something else."""
    if said.source is not FeedbackSource.USER or said.correct is None:
        return None
    if about is None:
        return RatedExposure(number, False, 0, "", "", said.correct, said.created_ms)
    if about.experiment != experiment or exposure_of(about) is None:
        return None
    return RatedExposure(number, True, about.revision, about.variant, about.unit_hash, said.correct, said.created_ms)


def exposure_row(one: Outcome) -> Row:
    """Return the outcome as `exposures.read_exposures` takes it."""
    whose = (one.role, one.revision, one.variant, one.served_version)
    sureness = "" if one.is_sure is None else int(one.is_sure)
    facts = (*whose, one.status, one.fallback, one.batch_size, one.origin, sureness)
    label = () if one.label is None else (one.label,)
    return (
        one.number,
        "/".join(str(fact) for fact in (*facts, *label)),
        one.unit_hash,
        one.confidence,
        one.created_ms,
        one.intake_ms + one.finished_ms - one.created_ms,
        one.queue_ms,
        one.preprocess_ms + one.inference_ms,
        picture_of(one),
    )


def picture_of(one: Outcome) -> str:
    return one.primary_id if one.role == "shadow" else one.prediction_id
