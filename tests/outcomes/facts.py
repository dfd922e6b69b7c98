"""Facts for tests."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from splitleaf.core.ids import new_prediction_id
from splitleaf.experiments.slots import new_table, to_slots
from splitleaf.outcomes.events import Feedback, FeedbackSource, Outcome, RoutingRevision
from splitleaf.outcomes.experiments import AliasMove, AuditEntry, ExperimentChange, ExperimentRecord, RevisionRecord
from splitleaf.outcomes.reviews import ReviewItem, ReviewReason

NOW_MS = 1_750_000_000_000


def outcome(**changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "prediction_id": new_prediction_id(),
        "status": "succeeded",
        "role": "primary",
        "assigned_version": "v1",
        "served_version": "v1",
        "served_digest": "d" * 64,
        "revision": 3,
        "experiment": "leaf size",
        "variant": "B",
        "override": False,
        "unit_hash": "u" * 32,
        "request_id": "req-1",
        "label": "late_blight",
        "confidence": 0.9731,
        "entropy": 0.123,
        "is_sure": True,
        "top": (("late_blight", 'Late "blight" 🍅', 0.9731), ("healthy", "Gesund", 0.0269)),
        "error_code": None,
        "error_detail": None,
        "flags": ("low_information", "ünusual"),
        "created_ms": NOW_MS,
        "finished_ms": NOW_MS + 40,
        "intake_ms": 4.5,
        "queue_ms": 1.25,
        "preprocess_ms": 0.5,
        "inference_ms": 7.125,
        "batch_size": 4,
        "deliveries": 1,
        "worker": "host-1",
        "origin": "unit",
        "fingerprint": "f" * 32,
    }
    return Outcome(**{**values, **changes})


def failed_outcome(**changes: Any) -> Outcome:
    nothing = {"label": None, "confidence": None, "entropy": None, "is_sure": None, "top": (), "flags": ()}
    why = {"status": "failed", "error_code": "inference_failed", "error_detail": "The image could not be processed."}
    return outcome(**{**nothing, **why, **changes})


def feedback(prediction_id: str, **changes: Any) -> Feedback:
    values: dict[str, Any] = {
        "feedback_id": uuid.uuid4().hex,
        "prediction_id": prediction_id,
        "source": FeedbackSource.USER,
        "author": "u" * 32,
        "correct": True,
        "label": "late_blight",
        "sampling_probability": None,
        "created_ms": NOW_MS,
    }
    return Feedback(**{**values, **changes})


def review_item(prediction_id: str, reason: ReviewReason = ReviewReason.AUDIT, **changes: Any) -> ReviewItem:
    chance = 0.02 if reason is ReviewReason.AUDIT else None
    item = ReviewItem(prediction_id, "leaf size", reason, chance, 7, NOW_MS)
    return replace(item, **changes)


def revision(number: int, **percentages: float) -> RoutingRevision:
    shares = to_slots(percentages or {"v1": 50, "v2": 50})
    return RoutingRevision(number, "3f9c2a7be1d04c58", shares, new_table(shares), "ann", "try it", NOW_MS + number)


def experiment_record(key: str = "leaf", sequence: int = 1, state: str = "draft", **changes: Any) -> ExperimentRecord:
    return ExperimentRecord(key, sequence, state, '{"key":"ü"}', "5a17", NOW_MS + sequence, **changes)


def experiment_revision(number: int = 1, key: str = "leaf", **percentages: float) -> RevisionRecord:
    shares = to_slots(percentages or {"": 20, "control": 40, "candidate": 40})
    return RevisionRecord(key, number, number - 1, shares, new_table(shares), "ann", "try it", NOW_MS + number)


def audit_entry(key: str = "leaf", action: str = "create", **changes: Any) -> AuditEntry:
    values: dict[str, Any] = {"before": "null", "after": '{"state":"draft"}', "created_ms": NOW_MS}
    return AuditEntry("ann", action, f"experiment/{key}", "because ü", **{**values, **changes})


def step(
    key: str = "leaf",
    sequence: int = 1,
    state: str = "draft",
    *,
    table: RevisionRecord | None = None,
    alias: AliasMove | None = None,
    newest: int | None = None,
    **changes: Any,
) -> ExperimentChange:
    record = experiment_record(key, sequence, state, **changes)
    return ExperimentChange(record, audit_entry(key, state), table, alias, newest)
