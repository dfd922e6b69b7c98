"""The shapes of the admin API's experiments: what its calls take and return."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation

from splitleaf.api.admin.schemas import Name, Reason
from splitleaf.api.schemas import Shape
from splitleaf.core.clock import as_rfc3339
from splitleaf.experiments.metrics import MetricSpec, Role, Truth
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


class Step(Reason):
    """What every step of an experiment wants."""

    expected: int | None = Field(
        None,
        description="The `sequence` that the decision was made on: guards against two hands at once.",
        examples=[3],
    )


class PlanChange(Step):
    # The plan is read with errors of its own, which name each entry.
    plan: Annotated[SkipValidation[Plan], Field(description="As in a TOML file.", examples=[_PLAN])]


class Ramp(Step):
    """Exactly one of the two."""

    stage: int | None = Field(None, ge=0, description="A later stage of the plan's ramp, from 0.", examples=[1])
    shares: dict[Name, float] | None = Field(
        None, description="Variant -> percent of all units.", examples=[{"control": 75, "candidate": 25}]
    )


class Promotion(Step):
    variant: Name = Field(description="A variant, or the version of a shadow.", examples=["candidate"])
    against_evidence: bool = Field(
        default=False,
        description="Promote it although the report does not speak for it; kept in the audit log.",
    )


class EvidenceShape(Shape):
    contenders: dict[Name, Evidence] = Field(
        description="By variant, or by the version of a shadow: what the report says, and whether it speaks for it.",
        examples=[{"candidate": {"verdict": "better", "headline": "v2 is more accurate than v1.", "is_for": True}}],
    )


class MetricShape(Shape):
    """A metric as it is declared: what a page needs to offer it, and to speak of it."""

    name: str = Field(examples=["error_rate"])
    title: str = Field(description="Of its rows in a report.", examples=["Errors"])
    description: str = Field(description="In a plan's words.", examples=["images without an answer"])
    unit: Literal["share", "ms"]
    better: Literal["higher", "lower"]
    direction: Literal["increase", "decrease"] = Field(description="What a plan calls better.")
    words: tuple[str, str, str] = Field(
        description="How a candidate is that is better, that is worse, and that is neither.",
        examples=[["failing less often", "failing more often", "as reliable"]],
    )
    roles: list[Role] = Field(description="What it may be in an experiment.", examples=[["primary", "guardrail"]])
    needs_threshold: bool = Field(description="A plan that decides by it names `threshold_ms`.", examples=[False])
    truth: Truth | None = Field(description="Who has to say whether answers are right; null: nobody.", examples=[None])
    is_vital: bool = Field(description="Followed over time in every report.", examples=[True])
    caveat: str | None = Field(description="What must be known before it is believed.", examples=[None])

    @classmethod
    def of(cls, spec: MetricSpec) -> MetricShape:
        fields = {name: getattr(spec, name) for name in cls.model_fields}
        return cls.model_validate({**fields, "roles": [one for one in Role if one in spec.roles]})


class MetricsShape(Shape):
    metrics: list[MetricShape] = Field(description="In the order in which a report has them.")


class ExperimentShape(Shape):
    key: str = Field(examples=["v2-against-v1"])
    state: Literal["draft", "running", "paused", "stopped", "promoted", "rejected", "rolled_back"]
    sequence: int = Field(description="Counts its changes.", examples=[3])
    revision: int = Field(description="In force; 0 before the start.", examples=[1])
    stage: int = Field(description="Of the ramp, from 0.", examples=[0])
    promoted: str | None = Field(
        description="The variant that won, or the version of the shadow that did.", examples=[None]
    )
    changed_at: str = Field(examples=[_TIME])
    started_at: str | None = Field(examples=[_TIME])
    ended_at: str | None = Field(examples=[None])
    plan: dict[str, Any] = Field(examples=[_PLAN])

    @classmethod
    def of(cls, record: ExperimentRecord) -> ExperimentShape:
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


class ExperimentsShape(Shape):
    experiments: list[ExperimentShape] = Field(description="The one that was changed last comes last.")


class RevisionShape(Shape):
    revision: int = Field(examples=[2])
    stage: int = Field(examples=[1])
    shares: Percentages = Field(
        description="Variant -> percent of all units.", examples=[{"control": 95.0, "candidate": 5.0}]
    )
    actor: str = Field(examples=["key:1f3a9c02"])
    reason: str = Field(examples=["an hour without a complaint"])
    created_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, revision: RevisionRecord) -> RevisionShape:
        return cls(
            revision=revision.revision,
            stage=revision.stage,
            shares={variant: count / 100 for variant, count in revision.shares if variant},
            actor=revision.actor,
            reason=revision.reason,
            created_at=as_rfc3339(revision.created_ms),
        )


class AuditShape(Shape):
    number: int = Field(examples=[17])
    actor: str = Field(examples=["key:1f3a9c02"])
    action: str = Field(examples=["ramp"])
    subject: str = Field(examples=["experiment/v2-against-v1"])
    reason: str = Field(examples=["an hour without a complaint"])
    before: dict[str, Any] | None = Field(description="What was, of what changed.", examples=[{"stage": 0}])
    after: dict[str, Any] | None = Field(examples=[{"stage": 1}])
    created_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditShape:
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


class AuditLogShape(Shape):
    entries: list[AuditShape] = Field(description="Newest first.")


class ExperimentDetailShape(Shape):
    experiment: ExperimentShape
    revisions: list[RevisionShape] = Field(description="Newest first.")
    exposures: list[ExposureCount] = Field(description="Outcomes by revision, variant and role; without overrides.")
    audit: list[AuditShape] = Field(description="The newest 100, newest first.")


class ExposuresShape(Shape):
    exposures: list[Outcome]
    next: int = Field(description="`after` of the next page; the same again when there is none yet.", examples=[500])


class QuestionShape(Shape):
    """Rates as shares: 0.9 is 90 %."""

    baseline: float = Field(gt=0, lt=1, description="What the control achieves.", examples=[0.9])
    mde: float = Field(gt=-1, lt=1, description="Smallest difference to be noticed.", examples=[0.02])
    discordance: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of images on which exactly one version is right; three times the difference unless given.",
        examples=[0.06],
    )
    disagreement: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of images on which versions that are thought to be alike disagree; a fifth of the "
        "difference unless given.",
        examples=[0.002],
    )
    share: float = Field(0.5, gt=0, lt=1, description="The candidate's, in a live split.", examples=[0.5])
    alpha: float = Field(0.05, gt=0, le=0.5, examples=[0.05])
    power: float = Field(0.8, gt=0, lt=1, examples=[0.8])
    mistaken: float = Field(
        0.0, ge=0, le=0.4, description="Share of the labels that are expected to be wrong.", examples=[0.05]
    )
    images_per_day: float | None = Field(
        None, ge=0, description="What the last 24 hours had unless given.", examples=[None]
    )


def _time(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else as_rfc3339(epoch_ms)
