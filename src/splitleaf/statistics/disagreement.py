"""Two raters of the same items cannot be further apart in accuracy than they disagree: a bound that needs no truth.

Where both say the same they are right or wrong together, so |difference of accuracies| <= share of items on which they
say different things. That share is bounded from above by a beta-binomial mixture (see `proportions`), exactly and at
all looks together. The bound and the labels' interval are both used: each takes its part of alpha (G. Boole's
inequality), and the evidence is weighted in the same way, which keeps it an e-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.mcnemar import LEAST_DISCORDANT, PairedCounts, compare_paired, pairs_design_effect
from splitleaf.statistics.proportions import bound_rate_above
from splitleaf.statistics.records import Difference, Interval
from splitleaf.statistics.special import normal_quantile

_MOST: Final = 1e15
"""Items that no one counts; beyond it a float could not tell two neighbours apart."""
UNLABELLED_PART: Final = 0.1
"""Of alpha, for the bound. It costs the labels 2 % more; a half would cost them 16 % and save the bound a fifth."""


@dataclass(frozen=True, slots=True)
class Disagreements:
    """Items that both have rated."""

    items: int
    different: float
    """On which they say different things."""
    design_effect: float = 1.0
    """How many items tell as much as one of a unit of its own."""

    @classmethod
    def of_units(cls, items: ArrayLike, different: ArrayLike) -> Disagreements:
        """Count by unit, both (units,).

        How much the items of one unit resemble each other is learned from the units that have disagreements. While
        there are fewer than `LEAST_DISCORDANT` of those, all items of a unit count as one.
        """
        sizes, apart = np.asarray(items, dtype=np.float64), np.asarray(different, dtype=np.float64)
        total = float(sizes.sum())
        learnt = pairs_design_effect(apart, apart)
        alike = float((sizes**2).sum()) / total if total else 1.0
        is_few = np.count_nonzero(apart) < LEAST_DISCORDANT
        return cls(int(total), float(apart.sum()), max(learnt, alike) if is_few else learnt)

    def most(self, alpha: float) -> float:
        """Return what the accuracies differ by at most, at all looks together; 1 without items."""
        different, items = self.different / self.design_effect, self.items / self.design_effect
        return bound_rate_above(different, items - different, alpha)


def compare_answers(
    counts: PairedCounts, disagreements: Disagreements, planned_items: int, alpha: float = 0.05, margin: float = 0.0
) -> Difference:
    """Return the difference in accuracy by labels and by disagreement, whichever is narrower.

    It is enough once the labels are, or the disagreements on their own leave no room for `margin`.
    """
    labelled = compare_paired(counts, planned_items, (1 - UNLABELLED_PART) * alpha)
    most = disagreements.most(UNLABELLED_PART * alpha)
    interval = Interval(max(labelled.interval.low, -most), min(labelled.interval.high, most))
    return replace(
        labelled,
        value=min(max(labelled.value, interval.low), interval.high),
        interval=interval,
        log_e_value=labelled.log_e_value + math.log1p(-UNLABELLED_PART),
        is_enough=labelled.is_enough or most < margin,
    )


def items_needed(disagreement: float, margin: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Return the items until two that disagree so often are known to be within `margin`, without any label.

    None where they disagree too often for that, or for a number that can be counted.
    """
    if disagreement >= margin:
        return None
    reach = normal_quantile(power)

    def is_known(items: float) -> bool:
        unlucky = disagreement * items + reach * math.sqrt(disagreement * (1 - disagreement) * items)
        # For few items or an extreme power, the normal approximation is not a possible count.
        count = round(items)
        different = min(max(unlucky, 0.0), count)
        return Disagreements(count, different).most(UNLABELLED_PART * alpha) < margin

    low, high = 1.0, 2.0
    while not is_known(high):
        low, high = high, 2 * high
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) / 2
        low, high = (low, middle) if is_known(middle) else (middle, high)
    return math.ceil(high)
