"""What is known to be true of images, image by image, with what each version said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from splitleaf.analysis.frame import ArmSpec
from splitleaf.outcomes.events import FeedbackSource
from splitleaf.outcomes.labels import LabelledOutcome


@dataclass(frozen=True, slots=True)
class Answer:
    """What one version said of an image."""

    label: str
    confidence: float
    is_right: bool | None
    """None: cannot be known, because all that is known is that another label is wrong."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    image_id: str
    revision: int
    variant: str
    """The assigned one."""
    unit_hash: str
    created_ms: int
    truth: str | None
    source: FeedbackSource
    sampling_probability: float | None
    is_contested: bool
    shown: Answer | None
    """What was shown; None where that failed."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By version, of all that answered."""


def read_labels(outcomes: Iterable[LabelledOutcome]) -> Sequence[LabelledImage]:
    """Gather an image's outcomes, which come one after the other, in the order of the images' times."""
    images = (_gather(list(group)) for _, group in groupby(outcomes, key=lambda one: one.image_id))
    return sorted((one for one in images if one is not None), key=lambda one: (one.created_ms, one.image_id))


def answer_of(arm: ArmSpec, image: LabelledImage) -> Answer | None:
    """Return what was shown to the arm's units, or what a shadow said of everyone's images."""
    if arm.role == "shadow":
        return image.answers.get(arm.version)
    return image.shown if image.variant == arm.name else None


def _gather(outcomes: Sequence[LabelledOutcome]) -> LabelledImage | None:
    shown = next((one for one in outcomes if one.role == "primary"), None)
    if shown is None:
        # Its own outcome is not recorded yet, or was an override: it belongs to no variant that anyone knows of.
        return None
    answers = {one.version: answer for one in outcomes if (answer := _answer(one)) is not None}
    return LabelledImage(
        image_id=shown.image_id,
        revision=shown.revision,
        variant=shown.variant,
        unit_hash=shown.unit_hash,
        created_ms=shown.created_ms,
        truth=shown.truth,
        source=shown.source,
        sampling_probability=shown.sampling_probability,
        is_contested=shown.is_contested,
        shown=_answer(shown),
        answers=answers,
    )


def _answer(outcome: LabelledOutcome) -> Answer | None:
    if outcome.label is None or outcome.confidence is None:
        return None
    return Answer(outcome.label, outcome.confidence, outcome.is_right)
