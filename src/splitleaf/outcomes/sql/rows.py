"""Events <-> rows."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from splitleaf.outcomes.events import AliasChange, Feedback, FeedbackSource, Outcome, RoutingRevision


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    row = {**asdict(outcome), "top": _compact(outcome.top), "flags": _compact(outcome.flags)}
    del row["number"]
    return row


def read_outcome(row: Row[Any]) -> Outcome:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a row's names
    top = tuple((label, name, confidence) for label, name, confidence in json.loads(values["top"]))
    return Outcome(**{**values, "top": top, "flags": tuple(json.loads(values["flags"]))})


def feedback_row(feedback: Feedback) -> dict[str, Any]:
    return {**asdict(feedback), "source": feedback.source.value}


def read_feedback(row: Row[Any]) -> Feedback:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    del values["number"]
    return Feedback(**{**values, "source": FeedbackSource(values["source"])})


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


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
