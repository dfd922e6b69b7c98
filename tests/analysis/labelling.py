"""What labels say when experts do not label in the order of the draw: simulated review queues."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splitleaf.analysis.audit import find_block
from splitleaf.analysis.classes import compare_recalls
from splitleaf.flows.review_images import AUDIT_TURNS
from splitleaf.statistics.contrasts import Planned, contrast_arms, estimate_alone
from splitleaf.statistics.grouping import total
from splitleaf.statistics.records import ArmTotals, Estimate
from tests.statistics.differences import ALPHA
from tests.statistics.readings import Reading, at_least, at_most

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

LOOKS = 20
AUDIT_SHARE = 0.10
_PLACES = 2**31


@dataclass
class Queue:
    """Images come, a tenth of them drawn; experts label what is urgent first, and the audit one turn in four."""

    generator: np.random.Generator
    urgency: Ints
    """By image: -1, or its place among those that are labelled for another reason."""
    is_drawn: Bools
    place: Ints

    @classmethod
    def of(cls, generator: np.random.Generator, is_urgent: Bools, confidence: NDArray[np.float64] | None) -> Queue:
        """Urgent images are labelled in a random order, or by their confidence."""
        count = len(is_urgent)
        place = generator.integers(0, _PLACES, count)
        order = place if confidence is None else (confidence * _PLACES).astype(np.int64)
        return cls(generator, np.where(is_urgent, order, -1), generator.random(count) < AUDIT_SHARE, place)

    def __post_init__(self) -> None:
        self.is_labelled = np.zeros(len(self.place), bool)
        self._urgent: list[tuple[int, int]] = []
        self._audit: list[tuple[int, int]] = []

    def come(self, first: int, end: int) -> None:
        for one in range(first, end):
            if self.urgency[one] >= 0:
                heapq.heappush(self._urgent, (int(self.urgency[one]), one))
            if self.is_drawn[one]:
                heapq.heappush(self._audit, (int(self.place[one]), one))

    def label(self, labels: int) -> None:
        for turn in self.generator.random(labels):
            first, then = (self._audit, self._urgent) if turn < AUDIT_TURNS else (self._urgent, self._audit)
            self._take(first) or self._take(then)

    def _take(self, heap: list[tuple[int, int]]) -> bool:
        while heap:
            _, one = heapq.heappop(heap)
            if not self.is_labelled[one]:
                self.is_labelled[one] = True
                return True
        return False

    def block(self, end: int) -> Ints:
        """Return the drawn images that count, of those that came so far."""
        drawn = np.flatnonzero(self.is_drawn[:end])
        found = find_block(np.where(self.is_labelled[drawn], _PLACES, self.place[drawn]).tolist())
        inside = drawn[found.first : found.end]
        return inside[self.place[inside] < found.below]

    def labelled_draws(self, end: int) -> Ints:
        return np.flatnonzero(self.is_drawn[:end] & self.is_labelled[:end])


def audit_level(runs: int, seed: int) -> list[Reading]:
    """A shadow of which the experts label disagreements first: 20,000 images, 90 % right, 2,000 labels."""
    generator = np.random.default_rng(seed)
    images, labels = 1_000, 100
    outside, naive_outside, errors, naive_errors = 0, 0, [], []
    for _ in range(runs):
        right = generator.random(LOOKS * images) < 0.9
        differs = generator.random(len(right)) < np.where(right, 0.04, 0.6)
        queue = Queue.of(generator, differs, None)
        missed = naive_missed = False
        for look in range(1, LOOKS + 1):
            queue.come((look - 1) * images, look * images)
            queue.label(labels)
            end = look * images
            level, naive = (_level(right[one]) for one in (queue.block(end), queue.labelled_draws(end)))
            missed |= 0.9 not in level.interval
            naive_missed |= 0.9 not in naive.interval
        outside += missed
        naive_outside += naive_missed
        errors.append(level.value - 0.9)
        naive_errors.append(naive.value - 0.9)
    queued = "audit 10 %, disagreements first, 2,000 labels"
    return [
        at_least("25", f"{queued}: coverage at all looks together", 1 - outside / runs, 0.95),
        at_most("25", "the same: bias of the level at the end", abs(float(np.mean(errors))), 0.003, "pp"),
        at_most("25", "all labelled draws instead: coverage", 1 - naive_outside / runs, 0.5),
        at_least("25", "all labelled draws instead: bias", abs(float(np.mean(naive_errors))), 0.05, "pp"),
    ]


def audited_split(runs: int, seed: int) -> list[Reading]:
    """Equal versions live; control abstains on 20 %, of which it gets fewer right, and experts label those first."""
    generator = np.random.default_rng(seed)
    images, labels = 1_000, 100
    found, naively = 0, 0
    for _ in range(runs):
        is_candidate = generator.random(LOOKS * images) < 0.5
        is_hard = generator.random(len(is_candidate)) < 0.2
        right = generator.random(len(is_hard)) < np.where(is_hard, 0.7, 0.95)
        queue = Queue.of(generator, is_hard & ~is_candidate, generator.random(len(is_hard)))
        hits = np.zeros(2, bool)
        for look in range(1, LOOKS + 1):
            queue.come((look - 1) * images, look * images)
            queue.label(labels)
            end = look * images
            for place, one in enumerate((queue.block(end), queue.labelled_draws(end))):
                hits[place] |= _is_different(is_candidate[one], right[one])
        found += hits[0]
        naively += hits[1]
    return [
        at_most("25", "live, control unsure on 20 %, equal accuracy: a difference is claimed", found / runs, ALPHA),
        at_least("25", "all labelled draws instead", naively / runs, 0.15),
    ]


def clustered_recalls(runs: int, seed: int) -> list[Reading]:
    """60 units of 20 similar images, three conditions; both versions are right on 80 % of the units."""
    generator = np.random.default_rng(seed)
    claims = np.zeros(2)
    for _ in range(runs):
        truth = generator.integers(0, 3, 60)
        said = [np.where(generator.random(60) < 0.8, truth, 3) for _ in range(2)]
        true, control, other, owner = (np.repeat(one, 20) for one in (truth, *said, np.arange(60)))
        for place, unit in enumerate((owner, None)):
            found = compare_recalls(true, control, other, 4, planned_images=1_200, unit=unit)
            claims[place] += any(0 not in one.interval for one in found)
    return [
        at_most(
            "26", "recalls, 60 units of 20 similar images, equal: a difference is claimed", claims[0] / runs, ALPHA
        ),
        at_least("26", "the same, by image", claims[1] / runs, 0.5),
    ]


def _level(right: Bools) -> Estimate:
    totals = ArmTotals.of_single([right.sum()], [len(right)])
    return estimate_alone(totals, 0.0, 500.0, ALPHA)


def _is_different(is_candidate: Bools, right: Bools) -> bool:
    count = len(right)
    sample = total(np.zeros(count), is_candidate, np.arange(count), right.astype(np.float64))
    return contrast_arms(sample, Planned(1_000, 0.5), ALPHA).difference.log_e_value >= -math.log(ALPHA)
