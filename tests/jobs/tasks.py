"""Tasks and answers for tests."""

from __future__ import annotations

from splitleaf.core.ids import new_prediction_id
from splitleaf.core.prediction import Classification, Failure, LabelScore
from splitleaf.core.tensor import ImageTensor
from splitleaf.jobs.queue import Claim, Completion, Priority, Task, TaskContext, Timings

CONTEXT = TaskContext(
    request_id="req-1",
    unit_hash="u" * 32,
    revision=3,
    experiment="leaf size",
    variant="B",
    override=True,
    intake_ms=4.5,
    flags=("low_information", "ünusual"),
    origin="page",
    fingerprint="f" * 32,
)


def task(
    version: str = "v1",
    *,
    side: int = 4,
    ttl_ms: int = 30_000,
    priority: Priority = Priority.INTERACTIVE,
    task_id: str | None = None,
    context: TaskContext = CONTEXT,
) -> Task:
    pixels = bytes(i % 251 for i in range(side * side * 3))
    tensor = ImageTensor((side, side, 3), "uint8", pixels)
    return Task(task_id or new_prediction_id(), version, tensor, ttl_ms, priority, context)


def classified(claim: Claim, label: str = "late_blight", *, batch_size: int = 1) -> Completion:
    top = (LabelScore(label, 'Late "blight"', 0.9731), LabelScore("healthy", "Gesund \u2714", 0.0269))
    return Completion(
        claim=claim,
        classification=Classification(
            top, 0.123, is_sure=False, is_familiar=False, heat=bytes(range(100)), measures=(0.5, -3.25)
        ),
        failure=None,
        timings=Timings(queue_ms=claim.queue_ms, preprocess_ms=0.5, inference_ms=7.25),
        served_version=claim.version,
        served_digest="d" * 64,
        batch_size=batch_size,
    )


def failed(claim: Claim) -> Completion:
    failure = Failure("inference_failed", "The image could not be processed.")
    return Completion(claim, None, failure, Timings(), claim.version, "d" * 64, 1)
