"""An expert's way through the review queue: the next image, a word about it, and taking that word back.

Blind: nothing that an expert gets says which version said what, or whether they disagreed. Synchronous: called by
the API off its event loop.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from splitleaf.core.clock import Clock
from splitleaf.core.errors import Conflict, NotFound, Unprocessable
from splitleaf.images.archive import ImageArchive
from splitleaf.outcomes.events import Feedback, FeedbackKind, FeedbackSource, Outcome
from splitleaf.outcomes.reviews import Claim, ReviewReason, ReviewTurn, TurnKind
from splitleaf.outcomes.store import OutcomeStore

LEAST_CANDIDATES: Final = 3
"""Labels that are offered at least, so that a single one does not reveal that the versions agree."""
AUDIT_TURNS: Final = 0.25
"""Share of the turns that begin with the audit: behind all disagreements it would never be labelled."""
_MOST_MISSING: Final = 200
"""Items without an image that are passed over in one call."""
_DISAGREEMENTS_FIRST: Final = (ReviewReason.DISAGREEMENT, ReviewReason.UNSURE, ReviewReason.AUDIT)
_AUDIT_FIRST: Final = (ReviewReason.AUDIT, ReviewReason.DISAGREEMENT, ReviewReason.UNSURE)
_OF_EXPERTS: Final = (FeedbackSource.EXPERT, FeedbackSource.AUDIT)


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """How images are given out."""

    lease_ms: int = 600_000
    """Time for which an item is one expert's."""
    kept_ms: int = 30 * 86_400_000
    """Time for which images are kept."""
    audit_share: float = 0.02
    """Share of the images that are drawn for the audit."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for images, and of what."""

    expert: str
    experiment: str = ""
    """Empty: the images that no experiment has."""
    count: int = 1
    opinions: int = 1
    """How many experts are to say something of an image."""


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """All that an expert learns of an image in addition to the image."""

    prediction_id: str
    candidates: tuple[str, ...]
    """Likely labels, in an order that is the same for every expert and reveals nothing."""
    leased_until_ms: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an expert says: a label, or that they cannot tell."""

    expert: str
    label: str | None = None


class ImageReview:
    """Gives out images and takes annotations."""

    def __init__(
        self,
        store: OutcomeStore,
        images: ImageArchive | None,
        clock: Clock,
        terms: ReviewTerms | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`images` is None where none are kept; `draw` returns a number in [0, 1)."""
        self._store = store
        self._images = images
        self._clock = clock
        self._terms = terms or ReviewTerms()
        self._draw = draw

    def next_items(self, request: Request) -> list[ReviewTask]:
        """Lease the next images to the expert; fewer, or none, when there are no more.

        Raises `Conflict` (`retention_off`) when no images are kept.
        """
        images = self._require_images()
        now_ms = self._clock.now_ms()
        claim = Claim(
            experiment=request.experiment,
            expert=request.expert,
            reasons=_AUDIT_FIRST if self._draw() < AUDIT_TURNS else _DISAGREEMENTS_FIRST,
            opinions=request.opinions,
            now_ms=now_ms,
            until_ms=now_ms + self._terms.lease_ms,
            since_ms=now_ms - self._terms.kept_ms,
        )
        found: list[str] = []
        for _ in range(request.count + _MOST_MISSING):
            if (
                len(found) == request.count
                or (item := self._store.lease_item(replace(claim, besides=tuple(found)))) is None
            ):
                break
            if images.holds(item):
                found.append(item)
            else:
                self._store.record_turn(ReviewTurn(item, "", TurnKind.GONE, 0, now_ms))
        return [self._task(one, claim.until_ms) for one in found]

    def image(self, prediction_id: str) -> bytes:
        """Return an image as JPEG. Raises `NotFound` (`image_not_kept`)."""
        jpeg = self._images.load(prediction_id) if self._images else None
        if jpeg is None:
            raise NotFound("this image is not kept, or no longer", code="image_not_kept")
        return jpeg

    def say(self, prediction_id: str, annotation: Annotation, known_labels: Collection[str]) -> Feedback:
        """Keep what an expert says, instead of what they said before.

        Of an image that was drawn for the audit it is a label of the audit, with the probability of the draw.
        Raises `NotFound` (`prediction_not_found`), `Unprocessable` (`unknown_label`).
        """
        if annotation.label is not None and annotation.label not in known_labels:
            raise Unprocessable(f"no version knows a class {annotation.label!r}", code="unknown_label")
        primary = self._primary(prediction_id)
        chance = self._store.sampling_probabilities([prediction_id]).get(prediction_id)
        before = self._current_feedback(prediction_id, annotation.expert)
        said = Feedback(
            feedback_id=uuid.uuid4().hex,
            prediction_id=prediction_id,
            source=FeedbackSource.EXPERT if chance is None else FeedbackSource.AUDIT,
            author=annotation.expert,
            correct=None if annotation.label is None else annotation.label == primary.label,
            label=annotation.label,
            sampling_probability=chance,
            created_ms=self._clock.now_ms(),
            verdict=FeedbackKind.CANNOT_TELL if annotation.label is None else FeedbackKind.ANSWER,
            supersedes=before.feedback_id if before else "",
        )
        self._store.record_labels([said])
        return said

    def skip(self, prediction_id: str, expert: str) -> None:
        """Let the expert not see the image again. Raises `NotFound` (`prediction_not_found`)."""
        self._primary(prediction_id)
        now_ms = self._clock.now_ms()
        self._store.record_turn(ReviewTurn(prediction_id, expert, TurnKind.SKIPPED, now_ms, now_ms))

    def undo(self, prediction_id: str, expert: str) -> ReviewTask:
        """Take back what the expert said of an image, or that they skipped it, and lease it to them again.

        Raises `Conflict` (`nothing_to_undo`), `NotFound` (`prediction_not_found`).
        """
        self._primary(prediction_id)
        now_ms = self._clock.now_ms()
        before = self._current_feedback(prediction_id, expert)
        turn = self._store.last_turn(prediction_id, expert)
        if before is None and (turn is None or turn.kind is not TurnKind.SKIPPED):
            raise Conflict(f"{expert} said nothing of this image", code="nothing_to_undo")
        until_ms = now_ms + self._terms.lease_ms
        self._store.record_turn(ReviewTurn(prediction_id, expert, TurnKind.LEASED, until_ms, now_ms))
        if before is not None:
            self._store.record_labels([withdrawal(before, now_ms)])
        return self._task(prediction_id, until_ms)

    def _require_images(self) -> ImageArchive:
        if self._images is None:
            raise Conflict(
                "no images are kept; switch retention on (SPLITLEAF_RETENTION__ENABLED)", code="retention_off"
            )
        return self._images

    def _primary(self, prediction_id: str) -> Outcome:
        outcome = self._store.outcome(prediction_id)
        if outcome is None or outcome.role != "primary":
            raise NotFound("no outcome of this prediction is recorded", code="prediction_not_found")
        return outcome

    def _current_feedback(self, prediction_id: str, expert: str) -> Feedback | None:
        annotations = [
            one
            for one in self._store.current_feedback([prediction_id])
            if one.author == expert and one.source in _OF_EXPERTS
        ]
        return annotations[-1] if annotations else None

    def _task(self, prediction_id: str, until_ms: int) -> ReviewTask:
        outcomes = self._store.outcomes_of_images([prediction_id])
        return ReviewTask(prediction_id, candidates(prediction_id, outcomes), until_ms)


def candidates(prediction_id: str, outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Return what the versions said, filled up with what they thought likely, in an order that says nothing.

    The same whichever version said which of the labels.
    """
    chances: dict[str, float] = {}
    said: set[str] = set()
    for outcome in outcomes:
        if outcome.label is not None:
            said.add(outcome.label)
        for label, _, chance in outcome.top:
            chances[label] = max(chance, chances.get(label, 0.0))
    likely = sorted(chances.keys() - said, key=lambda label: (-chances[label], label))
    chosen = [*said, *likely[: max(0, LEAST_CANDIDATES - len(said))]]
    return tuple(sorted(chosen, key=lambda label: hashlib.blake2b(f"{prediction_id}\0{label}".encode()).digest()))


def withdrawal(before: Feedback, now_ms: int) -> Feedback:
    """Return the row that takes a word back."""
    return replace(
        before,
        feedback_id=uuid.uuid4().hex,
        correct=None,
        label=None,
        created_ms=now_ms,
        verdict=FeedbackKind.WITHDRAWN,
        supersedes=before.feedback_id,
    )
