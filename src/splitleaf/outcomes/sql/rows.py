"""Events <-> rows."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any, Final

from sqlalchemy import Row

from splitleaf.outcomes.events import AliasChange, Feedback, FeedbackKind, FeedbackSource, Outcome, RoutingRevision
from splitleaf.outcomes.experiments import AuditEntry, ExperimentRecord, RevisionRecord
from splitleaf.outcomes.reviews import ReviewItem, ReviewReason, ReviewTurn, TurnKind

NO_SHARES: Final = "[]"
"""How the end of a split is written."""
_OUTCOME_COLUMNS: Final = tuple(one.name for one in fields(Outcome) if one.name != "number")


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    # Written for every prediction, and `asdict` copies all that is inside.
    row = {name: getattr(outcome, name) for name in _OUTCOME_COLUMNS}
    return {**row, "top": _compact(outcome.top), "flags": _compact(outcome.flags)}


def read_outcome(row: Row[Any]) -> Outcome:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a row's names
    top = tuple((label, name, confidence) for label, name, confidence in json.loads(values["top"]))
    return Outcome(**{**values, "top": top, "flags": tuple(json.loads(values["flags"]))})


def feedback_row(feedback: Feedback) -> dict[str, Any]:
    return {**asdict(feedback), "source": feedback.source.value, "verdict": feedback.verdict.value}


def read_feedback(row: Row[Any]) -> Feedback:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    del values["number"]
    return Feedback(
        **{**values, "source": FeedbackSource(values["source"]), "verdict": FeedbackKind(values["verdict"])}
    )


def read_alias_change(row: Row[Any]) -> AliasChange:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    del values["sequence"]
    return AliasChange(**values)


def routing_row(revision: RoutingRevision) -> dict[str, Any]:
    return {**asdict(revision), "shares": _compact(revision.shares)}


def read_routing(row: Row[Any]) -> RoutingRevision:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    shares = tuple((version, count) for version, count in json.loads(values["shares"]))
    return RoutingRevision(**{**values, "shares": shares, "slots": bytes(values["slots"])})


def experiment_row(record: ExperimentRecord) -> dict[str, Any]:
    row = {**asdict(record), "held": _compact(record.held)}
    del row["number"]
    return row


def read_experiment(row: Row[Any]) -> ExperimentRecord:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    held = tuple((start, stop) for start, stop in json.loads(values["held"]))
    return ExperimentRecord(**{**values, "held": held})


def numbered(record: ExperimentRecord, number: int) -> ExperimentRecord:
    return replace(record, number=number)


def revision_row(revision: RevisionRecord) -> dict[str, Any]:
    return {**asdict(revision), "shares": _compact(revision.shares)}


def read_revision(row: Row[Any]) -> RevisionRecord:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    shares = tuple((variant, count) for variant, count in json.loads(values["shares"]))
    return RevisionRecord(**{**values, "shares": shares, "slots": bytes(values["slots"])})


def audit_row(entry: AuditEntry) -> dict[str, Any]:
    row = asdict(entry)
    del row["number"]
    return row


def read_audit(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**dict(row._mapping))  # noqa: SLF001 - as above


def review_item_row(item: ReviewItem) -> dict[str, Any]:
    return {**asdict(item), "reason": item.reason.value}


def read_review_item(row: Row[Any]) -> ReviewItem:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    del values["number"]
    return ReviewItem(**{**values, "reason": ReviewReason(values["reason"])})


def review_turn_row(turn: ReviewTurn) -> dict[str, Any]:
    return {**asdict(turn), "kind": turn.kind.value}


def read_review_turn(row: Row[Any]) -> ReviewTurn:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    del values["number"]
    return ReviewTurn(**{**values, "kind": TurnKind(values["kind"])})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
