"""Do two experts say the same of the same images?

J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960), 37-46:
kappa = (p_o - p_e) / (1 - p_e), with p_o the share of images on which they agree and p_e the share on which two would
who label by chance, each with their own frequencies. 1 is perfect, 0 what chance gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two experts."""

    items: int
    agreed: int
    raw: float | None
    """Share of the items on which they agree; None: there are none."""
    kappa: float | None
    """None without items, and where both gave every item the same one label: chance agrees fully, too."""


def measure_agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Return the agreement over pairs of labels, the first expert's and the second's of each item."""
    items = len(pairs)
    if not items:
        return Agreement(0, 0, None, None)
    agreed = sum(first == second for first, second in pairs)
    ours, theirs = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    by_chance = sum(count * theirs[label] for label, count in ours.items())
    if by_chance == items * items:
        return Agreement(items, agreed, agreed / items, None)
    raw, chance = agreed / items, by_chance / items**2
    return Agreement(items, agreed, raw, (raw - chance) / (1 - chance))
