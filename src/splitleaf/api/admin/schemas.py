"""Request and response schemas of the admin API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import ConfigDict, Field

from splitleaf.api.schemas import Schema
from splitleaf.jobs.queue import DeadLetter, QueueDepth, WorkerReport
from splitleaf.outcomes.events import AliasChange, Feedback, Outcome, RoutingRevision
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.manifest import Evaluation, Manifest

Text = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["v2"])]
Why = Annotated[
    str, Query(min_length=1, max_length=500, description="The reason for the change, kept in the audit log.")
]
_DIGEST = "12dd01c4d8c2304ec8d0c95f80a7099b4f9ec7b67041f695bc0fb6dedc0eeae4"
_WORKER = "leaf-1-71-a4c2"
_TIME = "2026-05-04T09:30:00.000Z"


class Reason(Schema):
    """A change, with its reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(
        description="The reason for the change, kept in the audit log.", examples=["better on the test photos"]
    )


class AliasMove(Reason):
    version: Name
    expected: Name | None = Field(
        None, description="The version that the alias points to now. Guards against concurrent changes."
    )


class SplitChange(Reason):
    shares: dict[Name, float] = Field(description="Version -> percent.", examples=[{"v1": 50, "v2": 50}])


class ModelSchema(Schema):
    version: str = Field(examples=["v2"])
    title: str = Field(examples=["Tomato leaf conditions"])
    state: Literal["imported", "bare", "failed"]
    problem: str | None = Field(description="Why the import failed.", examples=[None])
    digest: str | None = Field(description="SHA-256 of the artifact.", examples=[_DIGEST])
    size_bytes: int | None = Field(examples=[3_700_000])
    evaluation: Evaluation | None = Field(description="Measured during import.")
    workers: dict[str, str] = Field(
        description="Worker -> `loading`, `ready` or `failed: reason`.", examples=[{_WORKER: "ready"}]
    )

    @classmethod
    def of(cls, folder: VersionFolder, workers: dict[str, str]) -> ModelSchema:
        manifest = folder.manifest
        return cls(
            version=folder.version,
            title=manifest.title if manifest else "",
            state=folder.state,
            problem=folder.problem or None,
            digest=manifest.digest if manifest else None,
            size_bytes=manifest.artifact.size_bytes if manifest else None,
            evaluation=manifest.evaluation if manifest else None,
            workers=workers,
        )


class ModelsSchema(Schema):
    models: list[ModelSchema]


class ModelDetailSchema(Schema):
    model: ModelSchema
    manifest: Manifest | None = Field(
        description="The manifest, as in `model.toml`; null if the version is not imported."
    )
    report: dict[str, Any] | None = Field(
        description="The import report: layers, parity, candidate preprocessings; null if none is kept.",
        examples=[{"parity": {"random_pictures": 16, "real_pictures": 600, "same_top_1": 616}}],
    )


class WorkersSchema(Schema):
    workers: list[WorkerReport]


class AliasesSchema(Schema):
    aliases: dict[str, str] = Field(examples=[{"champion": "v1"}])


class AliasHistorySchema(Schema):
    history: list[AliasChange] = Field(description="Newest first.")


class RoutingSchema(Schema):
    revision: int = Field(examples=[3])
    shares: dict[str, float] = Field(description="Version -> percent.", examples=[{"v1": 50.0, "v2": 50.0}])
    actor: str = Field(examples=["key:1f3a9c02"])
    reason: str = Field(examples=["first look"])
    created_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, revision: RoutingRevision, created_at: str) -> RoutingSchema:
        return cls(
            revision=revision.revision,
            shares={version: count / 100 for version, count in revision.shares},
            actor=revision.actor,
            reason=revision.reason,
            created_at=created_at,
        )


class SplitSchema(Schema):
    routing: RoutingSchema | None = Field(description="Null if the champion answers all units.")


class RoutingHistorySchema(Schema):
    history: list[RoutingSchema] = Field(description="Newest first.")


class QueueSchema(Schema):
    version: str = Field(examples=["v1"])
    priority: str = Field(examples=["interactive"])
    waiting: int = Field(examples=[0])
    running: int = Field(examples=[1])
    payload_bytes: int = Field(description="For all priorities of the version.", examples=[12_288])
    oldest_waiting_ms: int = Field(examples=[0])
    dead_letters: int = Field(examples=[0])

    @classmethod
    def of(cls, depth: QueueDepth) -> QueueSchema:
        return cls(
            version=depth.version,
            priority=depth.priority.name.lower(),
            waiting=depth.waiting,
            running=depth.running,
            payload_bytes=depth.payload_bytes,
            oldest_waiting_ms=depth.oldest_waiting_ms,
            dead_letters=depth.dead_letters,
        )


class QueuesSchema(Schema):
    queues: list[QueueSchema]


class DeadLettersSchema(Schema):
    dead_letters: list[DeadLetter]


class RetriedSchema(Schema):
    prediction_id: str = Field(description="Id of the new prediction. The failed one stays failed.")


class DiscardedSchema(Schema):
    discarded: str = Field(description="Token of the dead letter.")


class OutcomesSchema(Schema):
    outcomes: list[Outcome]
    next: int = Field(
        description="`after` of the next page; the same value if there is no next page yet.", examples=[500]
    )


class OutcomeSchema(Schema):
    outcome: Outcome
    feedback: list[Feedback] = Field(description="All feedback, oldest first. The latest of each author counts.")


class SummarySchema(Schema):
    outcomes: dict[str, int] = Field(description="Final state -> count.", examples=[{"succeeded": 1204, "expired": 1}])
