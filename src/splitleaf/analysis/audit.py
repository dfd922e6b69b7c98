"""The audit: what images drawn at random, and labelled for that, say of all of them.

Experts do not label the draw in its order: a drawn image on which versions disagree, or that one is unsure of, is
labelled for that reason long before its turn. All drawn labels together are therefore no random sample, however the
draw was made. Each drawn image has a random place; those of a stretch of time that lie below some place are a
random sample of it, and tell as much as one once all of them are labelled. So only such a complete block counts. Its
sequence covers the truth at every length of the block, hence also at the one that happens to be complete.

D. Horvitz, D. Thompson, JASA 47 (1952), 663-685: an image that was drawn with probability pi stands for 1 / pi
images. The weights are normalised by their sum (J. Hajek, 1971). Images that no one can label are taken for what
they could be at worst, as in `census`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.labels import LabelledImage, answer_of
from splitleaf.outcomes.reviews import AuditDraw
from splitleaf.statistics.records import Floats

_PLACES = 2**31


@dataclass(frozen=True, slots=True)
class Audit:
    """The largest block of the draw that is complete."""

    images: Sequence[LabelledImage]
    """With the probability of their draw."""
    missing: Mapping[str, float]
    """By arm, the share of the block of which no one can tell whether the arm is right."""
    drawn: int
    """Images that were drawn so far, in the block or not."""
    given_up: int
    """Images of the block that no one could label."""


@dataclass(frozen=True, slots=True)
class Block:
    """Draws that came first to last, in the order in which they came, and whose place is below a bound."""

    first: int
    end: int
    """One behind the last."""
    below: int


def take_audit(frame: Frame, labels: Iterable[LabelledImage], draws: Sequence[AuditDraw]) -> Audit | None:
    """Return what may be counted of the audit; `draws` in the order in which they came. None without a label in it."""
    known = {one.image_id: one for one in labels}
    is_open = [one.prediction_id not in known and not one.is_given_up for one in draws]
    block = find_block([one.place if waits else _PLACES for one, waits in zip(draws, is_open, strict=True)])
    inside = [one for one in draws[block.first : block.end] if one.place < block.below]
    images = [
        replace(known[one.prediction_id], sampling_probability=one.sampling_probability)
        for one in inside
        if one.prediction_id in known
    ]
    given_up = [one for one in inside if one.prediction_id not in known]
    images.sort(key=lambda one: (one.created_ms, one.image_id))
    return Audit(images, _missing(frame, images, given_up), len(draws), len(given_up)) if images else None


def find_block(bounds: Sequence[int]) -> Block:
    """Return the block that is expected to have the most draws; `bounds` are the places of those still to be labelled.

    The largest rectangle under the bounds, which knows nothing of the images but which of them are not labelled yet:
    a choice by what labels say would not be fair. Linear in the number of draws.
    """
    best, largest = Block(0, 0, 0), 0
    left: list[tuple[int, int]] = []
    for place, bound in enumerate([*bounds, -1]):
        first = place
        while left and left[-1][1] >= bound:
            first, height = left.pop()
            if (place - first) * height > largest:
                best, largest = Block(first, place, height), (place - first) * height
        left.append((first, bound))
    return best


def weigh(images: Sequence[LabelledImage]) -> Floats:
    """Return how many images each one stands for, (images,); one that no one drew stands for itself.

    Raises ValueError for a probability outside (0, 1].
    """
    drawn_with = (one.sampling_probability for one in images)
    chance = np.array([1.0 if one is None else one for one in drawn_with], np.float64)
    if not np.all((chance > 0) & (chance <= 1)):
        raise ValueError("a sampling probability must lie in (0, 1]")
    weights: Floats = 1 / chance
    return weights


def _missing(frame: Frame, images: Sequence[LabelledImage], given_up: Sequence[AuditDraw]) -> dict[str, float]:
    lost: Counter[str] = Counter()
    for one in given_up:
        lost[one.variant] += 1
    found = {}
    for arm in frame.arms:
        # A shadow may have scored any of them.
        unknown = len(given_up) if arm.role == "shadow" else lost[arm.name]
        told = sum((answer := answer_of(arm, one)) is not None and answer.is_right is not None for one in images)
        if unknown + told:
            found[arm.name] = unknown / (unknown + told)
    return found
