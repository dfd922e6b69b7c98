"""Labels that contradict each other -> a list for someone who decides, and the decision, which then counts.

Synchronous: called off the event loop.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from splitleaf.core.clock import Clock
from splitleaf.core.errors import Conflict, NotFound, Unprocessable
from splitleaf.flows.review_images import withdrawal
from splitleaf.outcomes.events import Feedback, FeedbackSource, Outcome
from splitleaf.outcomes.labels import ASKED, PRECEDENCE
from splitleaf.outcomes.store import OutcomeStore

MOST_DISPUTES: Final = 200


@dataclass(frozen=True, slots=True)
class Dispute:
    """An image and its current labels, which differ, and on which no one has decided."""

    prediction_id: str
    annotations: tuple[Feedback, ...]
    """In the order of recording."""


def list_disputes(store: OutcomeStore, experiment: str) -> list[Dispute]:
    """Return the experiment's disputes, those of the longest standing in front."""
    said: defaultdict[str, list[Feedback]] = defaultdict(list)
    for one in store.shared_labels(experiment):
        said[one.prediction_id].append(one)
    found = [Dispute(one, tuple(annotations)) for one, annotations in said.items() if is_disputed(annotations)]
    return sorted(found, key=lambda one: (one.annotations[0].created_ms, one.prediction_id))


def is_disputed(annotations: Collection[Feedback]) -> bool:
    """Whether current labels of one image differ, and no one has decided."""
    is_decided = any(one.source is FeedbackSource.ADJUDICATION for one in annotations)
    return not is_decided and len({one.label for one in annotations if one.label is not None}) > 1


def settle_label(  # noqa: PLR0917 - what, on what, by whom and when
    store: OutcomeStore, prediction_id: str, label: str, author: str, known_labels: Collection[str], clock: Clock
) -> Feedback:
    """Decide what an image shows, whatever anyone said of it; decided again, the later decision counts.

    Raises `NotFound` (`prediction_not_found`), `Unprocessable` (`unknown_label`).
    """
    if label not in known_labels:
        raise Unprocessable(f"no version knows a class {label!r}", code="unknown_label")
    primary = _primary(store, prediction_id)
    chance = store.sampling_probabilities([prediction_id]).get(prediction_id)
    made = decide(prediction_id, label, primary.label, chance, author, clock.now_ms())
    store.record_labels([made])
    return made


def undo_settlement(store: OutcomeStore, prediction_id: str, author: str, clock: Clock) -> tuple[Feedback, ...]:
    """Withdraw the author's decision on an image, and return its labels that are current from then on.

    A row is appended, none is deleted. An earlier decision of someone else counts again.
    Raises `Conflict` (`nothing_to_undo`), `NotFound` (`prediction_not_found`).
    """
    _primary(store, prediction_id)
    current = [one for one in store.current_feedback([prediction_id]) if one.source in ASKED]
    made = [one for one in current if one.source is FeedbackSource.ADJUDICATION and one.author == author]
    if not made:
        raise Conflict(f"{author} has not settled the label of this image", code="nothing_to_undo")
    store.record_labels([withdrawal(one, clock.now_ms()) for one in made])
    return tuple(one for one in current if one not in made)


def decide(  # noqa: PLR0917 - what, on what, by whom and when
    prediction_id: str, label: str, said: str | None, chance: float | None, author: str, now_ms: int
) -> Feedback:
    """Return the row of a decision; `said` is what was answered."""
    source = FeedbackSource.ADJUDICATION
    return Feedback(uuid.uuid4().hex, prediction_id, source, author, label == said, label, chance, now_ms)


def first_of(annotations: Sequence[Feedback]) -> Feedback:
    """Return the word that counts, of one or more in the order of recording."""
    return min(reversed(annotations), key=lambda one: PRECEDENCE.index(one.source))


def _primary(store: OutcomeStore, prediction_id: str) -> Outcome:
    primary = store.outcome(prediction_id)
    if primary is None or primary.role != "primary":
        raise NotFound("no outcome of this prediction is recorded", code="prediction_not_found")
    return primary
