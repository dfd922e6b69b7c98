"""The report on an experiment: one frozen record, and the shape of its JSON at the same time.

The admin API sends it, the command line prints it, the dashboard draws it. docs/reference/report.md has an example.
"""

from __future__ import annotations

from typing import Any, Literal

from splitleaf.analysis.report.comparisons import Agreement, ClassRecall, Reliability, Tradeoff
from splitleaf.analysis.report.curves import DriftWindow, Latency, Segment, Stage, TimeSeries, Traffic
from splitleaf.analysis.report.health import Health
from splitleaf.analysis.report.measures import GuardrailState, Metric
from splitleaf.analysis.report.parts import Part
from splitleaf.analysis.report.statement import Statement

__all__ = ["Arm", "AuditRow", "Report", "Subject"]


class Subject(Part):
    """What the report is about, as planned."""

    key: str
    hypothesis: str
    mode: Literal["shadow", "ab", "aa"]
    state: str
    unit: str
    primary_metric: str
    primary_direction: Literal["increase", "decrease"]
    margin: float
    alpha: float
    mde: float | None
    planned_n: int
    revision: int
    started_ms: int | None
    ended_ms: int | None
    promoted: str | None
    """The variant that won."""


class Arm(Part):
    """A variant, or a version that scores unseen."""

    name: str
    """The variant's name; of a shadow that is no variant, its version."""
    version: str
    role: Literal["control", "candidate", "shadow"]
    share: float | None
    """Percent of all units now; null for a shadow."""
    units: int
    images: int
    """Images assigned to it, or scored unseen by it; overrides left out."""


class AuditRow(Part):
    at_ms: int
    actor: str
    action: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Report(Part):
    """All intervals hold at all looks together, unless a part says that it only describes."""

    schema_version: Literal[1] = 1
    made_ms: int
    newest_outcome: int
    """The `number` of the last outcome that is in it; 0: there is none."""
    newest_label: int
    """In the same way of what was said about answers."""
    experiment: Subject
    arms: list[Arm]
    """Control first."""
    statement: Statement
    """On the candidate that matters most."""
    statements: list[Statement]
    """On each candidate, in the order of the arms."""
    health: Health
    metrics: list[Metric]
    """The primary one first."""
    guardrails: list[GuardrailState]
    agreements: list[Agreement]
    recalls: list[ClassRecall]
    reliability: list[Reliability]
    tradeoff: list[Tradeoff]
    latency: Latency
    courses: list[TimeSeries]
    """Of the primary metric and, where that is another, the error rate."""
    traffic: Traffic
    ramp: list[Stage]
    """Oldest first."""
    segments: list[Segment]
    drift: list[DriftWindow]
    audit: list[AuditRow]
    """Newest first."""
