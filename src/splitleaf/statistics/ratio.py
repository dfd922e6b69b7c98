"""Did the units arrive in the arms as the shares say? Looked at as often as one likes.

Lindon, Malek, "Anytime-Valid Inference for Multinomial Count Data" (arXiv 2011.03567): the Dirichlet-multinomial
likelihood over the multinomial's at the shares that were asked for. A mismatch means that units were lost or
counted twice in one arm; differences between the arms then mean nothing.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.records import Floats
from splitleaf.statistics.special import log_gamma, x_log_y

CONCENTRATION: Final = 1_000.0
CONCENTRATION_OF_FEW: Final = 20.0
"""For counts that are few, and far off where they are off at all."""
ALPHA: Final = 0.001
"""A false alarm stops an experiment: one in a thousand experiments, over all its looks."""


def log_evidence(counts: ArrayLike, shares: ArrayLike, concentration: float = CONCENTRATION) -> Floats:
    """Return ln e against the shares, shape (...), from counts and shares of the shape (..., arms).

    Shares are relative to each other; every one must be above 0. Evidence of several revisions, each with its
    own shares, is the product: the sum of these logarithms. The smaller the concentration, the sooner few counts that
    are far off are noticed, and the later many that are slightly off.
    """
    seen, expected = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if not np.all(expected > 0):
        raise ValueError("a share of 0 cannot be compared with anything")
    expected = expected / expected.sum(axis=-1, keepdims=True)
    prior = concentration * expected
    arms = log_gamma(prior + seen) - log_gamma(prior) - x_log_y(seen, expected)
    total = seen.sum(axis=-1)
    evidence: Floats = arms.sum(axis=-1) - (log_gamma(concentration + total) - math.lgamma(concentration))
    return evidence


def is_mismatch(counts: ArrayLike, shares: ArrayLike, alpha: float = ALPHA) -> bool:
    """Return whether units by arm, (arms,) or (revisions, arms), contradict the shares at this look."""
    return float(np.sum(log_evidence(counts, shares))) >= -math.log(alpha)
