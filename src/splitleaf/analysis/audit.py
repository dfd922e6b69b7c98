"""Accuracy from labels that were asked for with known probabilities.

D. Horvitz, D. Thompson, JASA 47 (1952), 663-685: a picture that was picked for labelling with probability pi stands
for 1 / pi pictures. The weights are normalised by their sum (J. Hajek, 1971), which costs a little bias at tens of
labels and saves most of the variance. The variance is the delta method's, with the weight as a cluster's size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.records import ArmTotals, Estimate
from splitleaf.statistics.sequences import estimate_mean


def weigh_labels(is_right: ArrayLike, sampling_probability: ArrayLike) -> ArmTotals:
    """Return the totals of labelled pictures, both arguments of the shape (labels,).

    They go where unweighted totals go: into `estimate_audited` for the level, into `sequences.compare` for the
    difference of two arms. Raises ValueError for a probability outside (0, 1].
    """
    chance = np.asarray(sampling_probability, dtype=np.float64)
    if not np.all((chance > 0) & (chance <= 1)):
        raise ValueError("a sampling probability must lie in (0, 1]")
    return ArmTotals.of_units(1 / chance, np.asarray(is_right, dtype=np.float64) / chance)


def estimate_audited(labels: ArmTotals, planned_labels: float, alpha: float = 0.05) -> Estimate:
    """Return the accuracy on the whole traffic with its confidence sequence; [0, 1] while labels are too few."""
    return estimate_mean(labels, planned_labels, alpha)
