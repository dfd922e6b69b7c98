"""The few statistics that import reports."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splitleaf.statistics.special import binomial_cdf

_Z95 = 1.959963984540054


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. E. B. Wilson, JASA 22 (1927), 209-212."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = right / total, _Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def tolerance_limit(values: NDArray[np.floating[Any]], share: float, confidence: float = 0.95) -> float | None:
    """Return the value that, with this confidence, no more than `share` of further independent values exceed.

    S. S. Wilks, Annals of Mathematical Statistics 12 (1941), 91-96: whatever the distribution, k of n values beyond a
    limit of the same sample are as surprising as k hits in n draws at `share`. None where they are too few to say it
    of any value: fewer than 149 at 2 % and 95 %.
    """
    beyond = 0
    while binomial_cdf(beyond, len(values), share) <= 1 - confidence:
        beyond += 1
    return float(np.sort(values)[-beyond]) if beyond else None


def paired_p_value(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the two-sided exact p-value that two answers to the same images are equally often right.

    McNemar's exact test: the binomial of the discordant pairs at one half.
    """
    better, worse = int((one & ~other).sum()), int((~one & other).sum())
    total, fewer = better + worse, min(better, worse)
    if total == 0:
        return 1.0
    tail: float = sum(math.exp(_log_choose(total, k) - total * math.log(2)) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


def _log_choose(total: int, part: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(part + 1) - math.lgamma(total - part + 1)
