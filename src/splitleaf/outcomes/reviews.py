"""What an expert should label next, and whose turn it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from splitleaf.core.clock import MOST_SKEW_MS
from splitleaf.outcomes.events import Feedback, Outcome


class ReviewReason(StrEnum):
    """Why an image is to be labelled."""

    DISAGREEMENT = "disagreement"
    """Versions that scored it said different labels: what a paired test needs."""
    AUDIT = "audit"
    """Drawn by chance, with a known probability: what the level of the accuracy needs."""
    UNSURE = "unsure"
    """A version abstained."""


class TurnKind(StrEnum):
    LEASED = "leased"
    """The item is this expert's until `until_ms`."""
    SKIPPED = "skipped"
    """This expert does not want it."""
    GONE = "gone"
    """Its image is no longer kept: no one can label it."""


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """An image to be labelled, for one reason. Unique by prediction and reason."""

    prediction_id: str
    experiment: str
    """Empty: the prediction belongs to none."""
    reason: ReviewReason
    sampling_probability: float | None
    """Of an audit's item: the active share when it was drawn."""
    place: int
    """Items of a reason are given out in this order, lowest first."""
    created_ms: int
    """When the image came."""


@dataclass(frozen=True, slots=True)
class ReviewTurn:
    """What happened to an item that an expert held, other than a label. The newest row of an expert counts."""

    prediction_id: str
    expert: str
    kind: TurnKind
    until_ms: int
    created_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks for an item, and on what terms."""

    experiment: str
    expert: str
    reasons: tuple[ReviewReason, ...]
    """The first that has an item gives it."""
    opinions: int
    """How many experts are to say something of an item."""
    now_ms: int
    until_ms: int
    """End of the lease."""
    since_ms: int
    """Older images are no longer kept."""
    besides: tuple[str, ...] = ()
    """Items that the expert got in the same call."""

    @property
    def latest_ms(self) -> int:
        """Return the latest end that a lease may have: one that ends later was taken before the clock went back."""
        return self.until_ms + MOST_SKEW_MS

    def is_in_force(self, until_ms: int) -> bool:
        """Tell whether a lease with this end holds now."""
        return self.now_ms < until_ms <= self.latest_ms


@dataclass(frozen=True, slots=True)
class AuditDraw:
    """An image that was drawn for the audit, labelled or not."""

    prediction_id: str
    variant: str
    """The assigned one."""
    sampling_probability: float
    place: int
    """In [0, 2^31), by chance: independent of the image, of its answers, and of when it came."""
    created_ms: int
    is_given_up: bool
    """An expert could not tell or skipped it, or its image is gone: without a label, it is not waited for."""


@dataclass(frozen=True, slots=True)
class ReviewCount:
    """How far one reason's items are labelled. An item that has two reasons counts for both."""

    reason: ReviewReason
    items: int
    labelled: int
    """Items of which at least one expert said what they show."""
    cannot_tell: int
    """Items of which experts spoke, and none could say."""
    gone: int
    """Items without a word of an expert, whose image is no longer kept."""


class ReviewStore(Protocol):
    """Raises as the outcome store does, of which it is a part."""

    def review_progress(self) -> int:
        """Return the number of the last outcome that was looked at for items."""
        ...

    def enrol(self, items: Sequence[ReviewItem], *, expected: int, reached: int, now_ms: int) -> int:
        """Append the items that are not there yet and move the progress on; return how many are new.

        Raises `Conflict` when the progress is not `expected`: someone else did the same at the same moment.
        """
        ...

    def lease_item(self, claim: Claim) -> str | None:
        """Lease the next item and return its prediction's id; None: there is none for this expert.

        Not given out are items that the expert has labelled or skipped, whose image is gone, or that as many others
        as `opinions` have labelled or hold. What the expert holds already is given out first. Unsure items on
        which versions disagree are given out as disagreements alone: their order is a random one, that of the
        unsure ones is not.
        """
        ...

    def record_turn(self, turn: ReviewTurn) -> None: ...

    def last_turn(self, prediction_id: str, expert: str) -> ReviewTurn | None: ...

    def review_items(self, prediction_id: str) -> Sequence[ReviewItem]:
        """Return why this image is to be labelled; empty: it is not."""
        ...

    def sampling_probabilities(self, prediction_ids: Collection[str]) -> dict[str, float]:
        """Return with which probability each was drawn for the audit; those that were not drawn are left out."""
        ...

    def audit_draws(self, experiment: str) -> Sequence[AuditDraw]:
        """Return every image of the experiment that was drawn for the audit, in the order in which they came."""
        ...

    def outcomes_of_images(self, prediction_ids: Collection[str]) -> Sequence[Outcome]:
        """Return the outcomes of these predictions and of the shadows that scored their images."""
        ...

    def count_reviews(self, experiment: str) -> Sequence[ReviewCount]: ...

    def expert_labels(self, experiment: str) -> Sequence[Feedback]:
        """Return the current labels of experts on items of the experiment, in the order of recording."""
        ...
