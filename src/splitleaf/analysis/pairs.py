"""Two versions' answers to the same images: found among the outcomes, and joined to labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.labels import LabelledImage
from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.mcnemar import PairedCounts, pairs_design_effect
from splitleaf.statistics.records import Floats


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows of answers to the same images, both of the shape (images,), in the order of the images."""

    control: Ints
    other: Ints


def find_pairs(frame: Frame) -> dict[str, Pairs]:
    """Return, by arm, the images that both control's and the arm's version answered, whichever answer was shown."""
    rows = frame.rows
    if not rows.is_shadow.any():
        return {}
    known = {name: place for place, name in enumerate(rows.versions)}

    def answers_of(version: str) -> Ints:
        return np.flatnonzero(rows.is_answered & (rows.version == known.get(version, -1)))

    control = answers_of(frame.control.version)
    found = {}
    for arm in frame.arms[1:]:
        if arm.version == frame.control.version:
            continue
        other = answers_of(arm.version)
        _, at_control, at_other = np.intersect1d(rows.image[control], rows.image[other], return_indices=True)
        order = np.argsort(np.minimum(control[at_control], other[at_other]))
        if len(order):
            found[arm.name] = Pairs(control[at_control][order], other[at_other][order])
    return found


@dataclass(frozen=True, slots=True)
class LabelledPairs:
    """Labelled images on which the versions disagree; arrays (images,), in the order of the images' times."""

    images: Sequence[LabelledImage]
    at_ms: Ints
    unit: Ints
    control_right: Bools
    other_right: Bools

    @classmethod
    def of(cls, labels: Sequence[LabelledImage], control: str, other: str) -> LabelledPairs:
        """Keep what both versions answered differently, and of both of which it is known whether they were right."""
        found = [
            one
            for one in labels
            if control in one.answers
            and other in one.answers
            and one.answers[control].label != one.answers[other].label
            and None not in (one.answers[control].is_right, one.answers[other].is_right)
        ]
        numbers: dict[str, int] = {}
        units = np.array([numbers.setdefault(one.unit_hash, len(numbers)) for one in found], np.int64)
        right = [np.array([bool(one.answers[version].is_right) for one in found], bool) for version in (control, other)]
        return cls(found, np.array([one.created_ms for one in found], np.int64), units, *right)

    def __len__(self) -> int:
        return len(self.at_ms)

    def count(self, until: int, images: int, disagreements: int) -> PairedCounts:
        """Return the counts of the first `until` labels, when so many images have had so many disagreements.

        Where only some disagreements are labelled, they stand for as many images as have them: images on which
        the versions agree tell nothing, and need no label.
        """
        net = self.other_right[:until].astype(np.int64) - self.control_right[:until]
        by_unit = np.bincount(self.unit[:until], net), np.bincount(self.unit[:until], np.abs(net))
        stands_for = min(1.0, until / disagreements) if disagreements else 1.0
        return PairedCounts(
            max(round(images * stands_for), until),
            int((net < 0).sum()),
            int((net > 0).sum()),
            pairs_design_effect(*by_unit),
        )


def disagree(frame: Frame, pairs: Pairs) -> Bools:
    """Return on which images the two say different things."""
    different: Bools = frame.rows.label[pairs.control] != frame.rows.label[pairs.other]
    return different


def confidence_gap(frame: Frame, pairs: Pairs) -> Floats:
    """Return the other's confidence minus control's."""
    gap: Floats = frame.rows.confidence[pairs.other] - frame.rows.confidence[pairs.control]
    return gap
