"""What someone says of an answer -> kept forever, next to the prediction."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from splitleaf.core.errors import Conflict, Unprocessable
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.queue import JobState
from splitleaf.outcomes.events import Feedback, FeedbackSource
from splitleaf.outcomes.store import OutcomeStore


@dataclass(frozen=True, slots=True)
class Opinion:
    """Exactly one of the two is given."""

    correct: object = None
    label: object = None


async def record_feedback(
    store: OutcomeStore, state: JobState, opinion: Opinion, *, author: str, known_labels: Collection[str], now_ms: int
) -> Feedback:
    """Keep an opinion of a finished prediction; a later one of the same author counts instead of it.

    Raises `Conflict` (`feedback_impossible`) when there is no answer to judge, `Unprocessable`
    (`invalid_feedback`, `unknown_label`), `DependencyDown` when it cannot be kept.
    """
    if state.status is not PredictionStatus.SUCCEEDED or state.classification is None:
        raise Conflict("this prediction has no answer to judge", code="feedback_impossible")
    correct, label = _checked(opinion, known_labels)
    if label is not None:
        correct = label == state.classification.best.label
    feedback = Feedback(
        feedback_id=uuid.uuid4().hex,
        prediction_id=state.id,
        source=FeedbackSource.USER,
        author=author,
        correct=correct,
        label=label if label is not None else (state.classification.best.label if correct else None),
        sampling_probability=None,
        created_ms=now_ms,
    )
    await asyncio.to_thread(store.record_feedback, feedback)
    return feedback


def _checked(opinion: Opinion, known_labels: Collection[str]) -> tuple[bool | None, str | None]:
    correct, label = opinion.correct, opinion.label
    if (correct is None) == (label is None):
        raise Unprocessable('send either {"correct": true|false} or {"label": "..."}', code="invalid_feedback")
    if correct is not None and not isinstance(correct, bool):
        raise Unprocessable("`correct` is true or false", code="invalid_feedback")
    if label is not None and not (isinstance(label, str) and label in known_labels):
        raise Unprocessable("there is no such condition; see GET /v1/labels", code="unknown_label")
    return correct, label if isinstance(label, str) else None
