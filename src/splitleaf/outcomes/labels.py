"""What is known to be true of the images: who said so, and which image was drawn with which probability."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from splitleaf.outcomes.events import Feedback, FeedbackSource

PRECEDENCE: Final = (
    FeedbackSource.ADJUDICATION,
    FeedbackSource.EXPERT,
    FeedbackSource.AUDIT,
    FeedbackSource.IMPORT,
    FeedbackSource.USER,
)
"""Whose word counts where several spoke. A decision between them comes first. An expert who chose to look at this
image once more comes before the routine of the audit; both come before a file whose making no one here saw; and what
users say comes last, because who answers depends on whether the answer was right."""
ASKED: Final = frozenset(PRECEDENCE) - {FeedbackSource.USER}
"""Labels that someone asked for: what accuracy rests on."""


@dataclass(frozen=True, slots=True)
class LabelledOutcome:
    """What one version said of an image, next to what the image shows."""

    image_id: str
    """The prediction whose image it is: of a primary its own id, of a shadow its primary's."""
    role: str
    """`primary` or `shadow`."""
    revision: int
    variant: str
    version: str
    """The one that was asked."""
    unit_hash: str
    status: str
    label: str | None
    """What the version said; None where it failed."""
    confidence: float | None
    created_ms: int
    truth: str | None
    """What the image shows; None where a user only said that the answer is wrong."""
    is_right: bool | None
    """None: cannot be known, because all that is known is that another label is wrong."""
    source: FeedbackSource
    sampling_probability: float | None
    """With which the image was drawn; None: it was not, and must not count towards the level of the accuracy."""
    is_contested: bool
    """Current labels of the sources asked differ, of whichever author or source, and no one has decided."""


@dataclass(frozen=True, slots=True)
class ResponseCount:
    """How many users of one variant in one revision said something of their answers; overrides are left out."""

    revision: int
    variant: str
    answered: int
    """Predictions whose answer was shown."""
    responses: int
    """Of these, predictions that a user said something of."""
    right: int
    """Of these, predictions that the user called right. Biased: see `responses`."""


class LabelStore(Protocol):
    """Raises as the outcome store does, of which it is a part."""

    def labelled_outcomes(
        self, experiment: str, sources: Collection[FeedbackSource] = ASKED
    ) -> Iterator[LabelledOutcome]:
        """Yield every outcome of the experiment, of primaries and shadows, whose image has a truth.

        Only these sources are asked; of an author the newest word counts, of several sources the first one of
        `PRECEDENCE`, and within it the newest. Overrides are left out. An image's outcomes come one after the other,
        the primary in front. An empty key: the images that no experiment has. Read it to its end: it holds a
        connection.
        """
        ...

    def count_responses(self, experiment: str) -> Sequence[ResponseCount]:
        """Count what users said, by revision and *assigned* variant, in their order."""
        ...

    def record_labels(self, labels: Sequence[Feedback]) -> None:
        """Append all or, after an error, none."""
        ...

    def newest_feedback(self) -> int:
        """Return the number of the last thing said about any prediction; 0: there is none."""
        ...

    def current_feedback(self, prediction_ids: Collection[str]) -> Sequence[Feedback]:
        """Return the newest row of each prediction, source and author, in the order of recording; no withdrawn ones."""
        ...

    def shared_labels(self, experiment: str) -> Sequence[Feedback]:
        """Return the current labels of `ASKED` on the experiment's images that have two or more of them.

        An image's come one after the other, in the order of recording. Overrides are left out.
        """
        ...

    def labels_after(self, number: int, limit: int, experiment: str | None = None) -> Sequence[tuple[int, Feedback]]:
        """Return current rows of the sources `ASKED` with their numbers, in the order of recording, for exports.

        Without an experiment: of all.
        """
        ...


def is_right(label: str | None, primary_label: str | None, truth: str | None) -> bool | None:
    """Tell whether a version that said `label` was right.

    Without a truth, all that is known is that the primary's label is wrong. A version that failed was not right.
    """
    if truth is not None:
        return label == truth
    return False if label is None or label == primary_label else None
