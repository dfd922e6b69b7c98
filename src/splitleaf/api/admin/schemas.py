"""The shapes of the admin API: what its calls take and return."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import ConfigDict, Field

from splitleaf.api.schemas import Shape
from splitleaf.jobs.queue import DeadLetter, QueueDepth, WorkerReport
from splitleaf.outcomes.events import AliasChange, Feedback, Outcome, RoutingRevision
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.manifest import Evaluation, Manifest

Text = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["v2"])]
Why = Annotated[str, Query(min_length=1, max_length=500, description="Why; kept with the change.")]
_DIGEST = "12dd01c4d8c2304ec8d0c95f80a7099b4f9ec7b67041f695bc0fb6dedc0eeae4"
_WORKER = "leaf-1-71-a4c2"
_TIME = "2026-05-04T09:30:00.000Z"


class Reason(Shape):
    """What every change wants."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(description="Why; kept with the change.", examples=["better on the test photos"])


class AliasMove(Reason):
    version: Name
    expected: Name | None = Field(None, description="What the alias names now: guards against two hands at once.")


class SplitChange(Reason):
    shares: dict[Name, float] = Field(description="Version -> percent.", examples=[{"v1": 50, "v2": 50}])


class ModelShape(Shape):
    version: str = Field(examples=["v2"])
    title: str = Field(examples=["Tomato leaf conditions"])
    state: Literal["imported", "bare", "failed"]
    problem: str | None = Field(description="Why it failed.", examples=[None])
    digest: str | None = Field(description="SHA-256 of the artifact.", examples=[_DIGEST])
    size_bytes: int | None = Field(examples=[3_700_000])
    evaluation: Evaluation | None = Field(description="Measured at import.")
    workers: dict[str, str] = Field(
        description="Worker -> `loading`, `ready` or `failed: reason`.", examples=[{_WORKER: "ready"}]
    )

    @classmethod
    def of(cls, folder: VersionFolder, workers: dict[str, str]) -> ModelShape:
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


class ModelsShape(Shape):
    models: list[ModelShape]


class ModelDetailShape(Shape):
    model: ModelShape
    manifest: Manifest | None = Field(description="As in `model.toml`; null unless it is imported.")
    report: dict[str, Any] | None = Field(
        description="What the import found: layers, parity, preprocessings tried. Null where none is kept.",
        examples=[{"parity": {"random_pictures": 16, "real_pictures": 600, "same_top_1": 616}}],
    )


class WorkersShape(Shape):
    workers: list[WorkerReport]


class AliasesShape(Shape):
    aliases: dict[str, str] = Field(examples=[{"champion": "v1"}])


class AliasHistoryShape(Shape):
    history: list[AliasChange] = Field(description="Newest first.")


class RoutingShape(Shape):
    revision: int = Field(examples=[3])
    shares: dict[str, float] = Field(description="Version -> percent.", examples=[{"v1": 50.0, "v2": 50.0}])
    actor: str = Field(examples=["key:1f3a9c02"])
    reason: str = Field(examples=["first look"])
    created_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, revision: RoutingRevision, created_at: str) -> RoutingShape:
        return cls(
            revision=revision.revision,
            shares={version: count / 100 for version, count in revision.shares},
            actor=revision.actor,
            reason=revision.reason,
            created_at=created_at,
        )


class SplitShape(Shape):
    routing: RoutingShape | None = Field(description="Null: the champion answers everybody.")


class RoutingHistoryShape(Shape):
    history: list[RoutingShape] = Field(description="Newest first.")


class QueueShape(Shape):
    version: str = Field(examples=["v1"])
    priority: str = Field(examples=["interactive"])
    waiting: int = Field(examples=[0])
    running: int = Field(examples=[1])
    payload_bytes: int = Field(description="Of all priorities of the version.", examples=[12_288])
    oldest_waiting_ms: int = Field(examples=[0])
    dead_letters: int = Field(examples=[0])

    @classmethod
    def of(cls, depth: QueueDepth) -> QueueShape:
        return cls(
            version=depth.version,
            priority=depth.priority.name.lower(),
            waiting=depth.waiting,
            running=depth.running,
            payload_bytes=depth.payload_bytes,
            oldest_waiting_ms=depth.oldest_waiting_ms,
            dead_letters=depth.dead_letters,
        )


class QueuesShape(Shape):
    queues: list[QueueShape]


class DeadLettersShape(Shape):
    dead_letters: list[DeadLetter]


class RetriedShape(Shape):
    prediction_id: str = Field(description="Of the new prediction; the failed one stays failed.")


class DiscardedShape(Shape):
    discarded: str = Field(description="The dead letter's token.")


class OutcomesShape(Shape):
    outcomes: list[Outcome]
    next: int = Field(description="`after` of the next page; the same again when there is none yet.", examples=[500])


class OutcomeShape(Shape):
    outcome: Outcome
    feedback: list[Feedback] = Field(description="All that was said, oldest first; the last one of an author counts.")


class SummaryShape(Shape):
    outcomes: dict[str, int] = Field(description="Final state -> count.", examples=[{"succeeded": 1204, "expired": 1}])
