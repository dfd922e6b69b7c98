"""The first outcome of each unit, of which exact evidence decides whether two arms differ at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics.assignment import Evidence, weigh_assignment
from splitleaf.statistics.contrasts import Contrast
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.records import Floats

LEAST_FIRST: Final = 5 / 6
"""Of the outcomes: where more are of units that came before, the sequence knows more than their first outcomes do."""


@dataclass(frozen=True, slots=True)
class Firsts:
    """In the order of creation, (units,)."""

    is_candidate: Bools
    is_good: Bools
    share: Floats
    """With which the unit was to be the candidate's; strictly between 0 and 1."""
    outcomes: int
    """With those of units that came again."""
    better: int = 1
    """The sign of a difference, of what is compared, that is good."""

    @property
    def decide(self) -> bool:
        """Whether they know as much as all outcomes do."""
        return len(self.share) >= LEAST_FIRST * self.outcomes

    def weigh(self, contrast: Contrast, alpha: float) -> Contrast:
        """Return the contrast as far as they decide about it: with too few outcomes for an interval, always."""
        if not len(self.share) or (contrast.difference.is_enough and not self.decide):
            return contrast
        last = np.array([len(self.share)])
        return contrast.decided_by(float(self.log_e(np.array([contrast.difference.value]), last)[0]), alpha)

    def log_e(self, difference: Floats, counts: Ints) -> Floats:
        """Return ln e of a difference of this sign after so many of them, both (looks,), from two sides at once."""
        found: Evidence = weigh_assignment(self.is_candidate, self.is_good, self.share)
        place = np.searchsorted(found.ends, counts, side="right") - 1
        side = np.where(difference * self.better > 0, found.higher[place], found.lower[place]) - np.log(2)
        evidence: Floats = np.where(place >= 0, side, 0.0)
        return evidence
