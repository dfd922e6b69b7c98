"""Two versions answered the same images: which is right more often? Exact, at any number of looks.

Only images on which exactly one version is right tell anything. If neither version is better, each of them is a fair
coin; a beta(5, 5) mixture over unfair coins is the evidence against that (Robbins' mixture, see `proportions`).
Q. McNemar, Psychometrika 12 (1947), 153-157, has the test for a single look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.proportions import estimate_rate, log_e_value
from splitleaf.statistics.records import Difference, Estimate, Floats, Interval
from splitleaf.statistics.sequences import bound, mixture_width

_PRIOR: Final = 5.0
LEAST_DISCORDANT: Final = 10
"""Discordant images from which on an interval is given."""


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """Labelled images that both versions answered."""

    images: int
    only_control_right: int
    only_candidate_right: int
    design_effect: float = 1.0
    """How many discordant images tell as much as one of a unit of its own: images of one unit resemble each other.

    J. Rao, A. Scott, "A simple method for the analysis of clustered binary data", Biometrics 48 (1992), 577-585. With
    it the evidence is no longer exact; without, it is.
    """

    @property
    def evidence(self) -> float:
        """Ln e against "equally often right"."""
        return float(
            log_evidence(self.only_control_right / self.design_effect, self.only_candidate_right / self.design_effect)
        )

    @property
    def variance(self) -> float:
        """Of the wins less the losses, with one pseudo-win and one pseudo-loss."""
        net = self.only_candidate_right - self.only_control_right
        return max((self.discordant + 2 - net**2 / max(self.images, 1)) * self.design_effect, 2.0)

    @property
    def discordant(self) -> int:
        return self.only_control_right + self.only_candidate_right


def log_evidence(only_control_right: ArrayLike, only_candidate_right: ArrayLike) -> Floats:
    """Return ln e against "equally often right", elementwise. Reject where it reaches ln(1 / alpha)."""
    return log_e_value(only_candidate_right, only_control_right, 0.5, (_PRIOR, _PRIOR))


def win_share(counts: PairedCounts, alpha: float = 0.05) -> Estimate:
    """Return the share of discordant images that the candidate gets right; excludes 1/2 just when e >= 1 / alpha."""
    wins, losses = (one / counts.design_effect for one in (counts.only_candidate_right, counts.only_control_right))
    return estimate_rate(wins, losses, alpha, _PRIOR)


def pairs_design_effect(net: ArrayLike, discordant: ArrayLike) -> float:
    """Return the variance of the units' wins less losses over what it were if no two images were of one unit.

    Both arguments (units,). At least 1: a unit with as many wins as losses does not make the others surer. From
    few units it cannot be learned: while fewer than `LEAST_DISCORDANT` have any, each tells as much as one image.
    """
    images = np.asarray(discordant, dtype=np.float64)
    total, units = float(images.sum()), int(np.count_nonzero(images))
    if not total:
        return 1.0
    learnt = float(np.square(np.asarray(net, dtype=np.float64)).sum()) / total
    return max(1.0, learnt, total / units if units < LEAST_DISCORDANT else 0.0)


def compare_paired(counts: PairedCounts, planned_images: int, alpha: float = 0.05) -> Difference:
    """Return the difference in accuracy with a confidence sequence; the evidence is the exact one.

    The interval is the normal mixture over +1, 0, -1 an image, with one pseudo-win and one pseudo-loss; the gate is
    that the exact evidence, which needs none, has 10 discordant images to speak of. It leaves zero out just when the
    exact evidence is in: from then on its end at zero is what the exact share of wins comes to on so many discordant
    images, where the mixture is still wider than that.
    """
    evidence = counts.evidence
    if counts.images == 0:
        return Difference(0.0, Interval(-1.0, 1.0), 0.0, is_enough=False)
    n, net = counts.images, counts.only_candidate_right - counts.only_control_right
    value = net / n
    if counts.discordant / counts.design_effect < LEAST_DISCORDANT:
        return Difference(value, Interval(-1.0, 1.0), evidence, is_enough=False)
    rho = mixture_width(counts.variance * planned_images / n, alpha)
    half = float(bound(counts.variance, rho, alpha)) / n
    low, high = max(-1.0, value - half), min(1.0, value + half)
    if evidence < -math.log(alpha):
        low, high = min(low, 0.0), max(high, 0.0)
    else:
        wins = win_share(counts, alpha).interval
        least, most = ((2 * share - 1) * counts.discordant / n for share in (wins.low, wins.high))
        low, high = (max(low, least), high) if net > 0 else (low, min(high, most))
    return Difference(value, Interval(low, high), evidence, is_enough=True)
