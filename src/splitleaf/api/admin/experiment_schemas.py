"""Request and response schemas of the admin routes for experiments."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation

from splitleaf.api.admin.schemas import Name, Reason
from splitleaf.api.schemas import Schema
from splitleaf.core.clock import as_rfc3339
from splitleaf.experiments.metrics import LabelSource, MetricSpec, Role
from splitleaf.experiments.plan import Plan
from splitleaf.flows.weigh_promotion import Evidence
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.experiments import AuditEntry, ExperimentRecord, ExposureCount, RevisionRecord

_TIME = "2026-05-04T09:30:00.000Z"
_PLAN = {
    "key": "v2-against-v1",
    "hypothesis": "v2 is right more often",
    "mode": "ab",
    "variants": {"control": {"version": "v1", "share": 50}, "candidate": {"version": "v2", "share": 50}},
    "primary": {"metric": "accuracy", "direction": "increase", "margin": 0.01},
    "guardrails": [{"metric": "error_rate"}],
    "planned_n": 5000,
    "ramp": [{"share": 1, "min_minutes": 60, "min_n": 500}, {"share": 50}],
}
Percentages = dict[str, float]


class StepBody(Reason):
    """A step of an experiment, with its reason."""

    expected: int | None = Field(
        None,
        description="The `sequence` on which the decision is based. Guards against concurrent changes.",
        examples=[3],
    )


class PlanChange(StepBody):
    # `read_plan` validates the plan, with errors that name each entry.
    plan: Annotated[
        SkipValidation[Plan], Field(description="The plan, with the entries of a TOML file.", examples=[_PLAN])
    ]


class Ramp(StepBody):
    """Send exactly one of `stage` and `shares`."""

    stage: int | None = Field(
        None, ge=0, description="A later stage of the ramp in the plan, counted from 0.", examples=[1]
    )
    shares: dict[Name, float] | None = Field(
        None, description="Variant -> percent of all units.", examples=[{"control": 75, "candidate": 25}]
    )


class Promotion(StepBody):
    variant: Name = Field(description="A variant, or the version of a shadow.", examples=["candidate"])
    against_evidence: bool = Field(
        default=False,
        description="Promote even though the report does not support it. Recorded in the audit log.",
    )


class EvidenceSchema(Schema):
    contenders: dict[Name, Evidence] = Field(
        description="By variant or shadow version: what the report says, and whether it supports a promotion.",
        examples=[{"candidate": {"verdict": "better", "headline": "v2 is more accurate than v1.", "is_for": True}}],
    )


class MetricSchema(Schema):
    """The declaration of a metric, with what a user interface needs to show it."""

    name: str = Field(examples=["error_rate"])
    title: str = Field(description="Title of its rows in a report.", examples=["Errors"])
    description: str = Field(description="Description in a plan.", examples=["images without an answer"])
    unit: Literal["share", "ms"]
    better: Literal["higher", "lower"]
    direction: Literal["increase", "decrease"] = Field(description="The direction of improvement, as in a plan.")
    words: tuple[str, str, str] = Field(
        description="Phrases for a candidate that is better, worse, or neither.",
        examples=[["failing less often", "failing more often", "as reliable"]],
    )
    roles: list[Role] = Field(
        description="The roles that it may have in an experiment.", examples=[["primary", "guardrail"]]
    )
    needs_threshold: bool = Field(
        description="Whether a plan that decides by it must set `threshold_ms`.", examples=[False]
    )
    truth: LabelSource | None = Field(description="Whose labels it needs; null if none.", examples=[None])
    is_vital: bool = Field(description="Whether every report shows it over time.", examples=[True])
    caveat: str | None = Field(description="What to know before relying on it.", examples=[None])

    @classmethod
    def of(cls, spec: MetricSpec) -> MetricSchema:
        fields = {name: getattr(spec, name) for name in cls.model_fields if name != "truth"}
        roles = [one for one in Role if one in spec.roles]
        return cls.model_validate({**fields, "truth": spec.label_source, "roles": roles})


class MetricsSchema(Schema):
    metrics: list[MetricSchema] = Field(description="In the order of a report.")


class ExperimentSchema(Schema):
    key: str = Field(examples=["v2-against-v1"])
    state: Literal["draft", "running", "paused", "stopped", "promoted", "rejected", "rolled_back"]
    sequence: int = Field(description="Number of changes.", examples=[3])
    revision: int = Field(description="The current revision; 0 before the start.", examples=[1])
    stage: int = Field(description="Stage of the ramp, counted from 0.", examples=[0])
    promoted: str | None = Field(description="The promoted variant, or version of a shadow.", examples=[None])
    changed_at: str = Field(examples=[_TIME])
    started_at: str | None = Field(examples=[_TIME])
    ended_at: str | None = Field(examples=[None])
    plan: dict[str, Any] = Field(examples=[_PLAN])

    @classmethod
    def of(cls, record: ExperimentRecord) -> ExperimentSchema:
        return cls.model_validate(
            {
                "key": record.key,
                "state": record.state,
                "sequence": record.sequence,
                "revision": record.revision,
                "stage": record.stage,
                "promoted": record.promoted or None,
                "changed_at": as_rfc3339(record.created_ms),
                "started_at": _time(record.started_ms),
                "ended_at": _time(record.ended_ms),
                "plan": json.loads(record.plan),
            }
        )


class ExperimentsSchema(Schema):
    experiments: list[ExperimentSchema] = Field(description="Least recently changed first.")


class RevisionSchema(Schema):
    revision: int = Field(examples=[2])
    stage: int = Field(examples=[1])
    shares: Percentages = Field(
        description="Variant -> percent of all units.", examples=[{"control": 95.0, "candidate": 5.0}]
    )
    actor: str = Field(examples=["key:1f3a9c02"])
    reason: str = Field(examples=["an hour without a complaint"])
    created_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, revision: RevisionRecord) -> RevisionSchema:
        return cls(
            revision=revision.revision,
            stage=revision.stage,
            shares={variant: count / 100 for variant, count in revision.shares if variant},
            actor=revision.actor,
            reason=revision.reason,
            created_at=as_rfc3339(revision.created_ms),
        )


class AuditSchema(Schema):
    number: int = Field(examples=[17])
    actor: str = Field(examples=["key:1f3a9c02"])
    action: str = Field(examples=["ramp"])
    subject: str = Field(examples=["experiment/v2-against-v1"])
    reason: str = Field(examples=["an hour without a complaint"])
    before: dict[str, Any] | None = Field(description="The previous values of what changed.", examples=[{"stage": 0}])
    after: dict[str, Any] | None = Field(examples=[{"stage": 1}])
    created_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditSchema:
        return cls(
            number=entry.number,
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            reason=entry.reason,
            before=json.loads(entry.before),
            after=json.loads(entry.after),
            created_at=as_rfc3339(entry.created_ms),
        )


class AuditLogSchema(Schema):
    entries: list[AuditSchema] = Field(description="Newest first.")


class ExperimentDetailSchema(Schema):
    experiment: ExperimentSchema
    revisions: list[RevisionSchema] = Field(description="Newest first.")
    exposures: list[ExposureCount] = Field(description="Outcomes by revision, variant and role, without overrides.")
    audit: list[AuditSchema] = Field(description="The newest 100, newest first.")


class ExposuresSchema(Schema):
    exposures: list[Outcome]
    next: int = Field(
        description="`after` of the next page; the same value if there is no next page yet.", examples=[500]
    )


class PowerBody(Schema):
    """Rates are shares: 0.9 means 90 %."""

    baseline: float = Field(gt=0, lt=1, description="The rate of the control.", examples=[0.9])
    mde: float = Field(
        gt=-1, lt=1, description="Minimum detectable effect: the smallest difference to detect.", examples=[0.02]
    )
    discordance: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of images on which exactly one version is correct. Default: three times the difference.",
        examples=[0.06],
    )
    disagreement: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of images on which equivalent versions disagree. Default: a fifth of the difference.",
        examples=[0.002],
    )
    share: float = Field(0.5, gt=0, lt=1, description="Share of the candidate in a live split.", examples=[0.5])
    alpha: float = Field(0.05, gt=0, le=0.5, examples=[0.05])
    power: float = Field(0.8, gt=0, lt=1, examples=[0.8])
    mistaken: float = Field(0.0, ge=0, le=0.4, description="Expected share of wrong labels.", examples=[0.05])
    images_per_day: float | None = Field(
        None, ge=0, description="Default: the number of the last 24 hours.", examples=[None]
    )


def _time(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else as_rfc3339(epoch_ms)
