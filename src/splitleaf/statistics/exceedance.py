"""Is the candidate slower? Decided by how often requests exceed one fixed threshold.

A threshold turns latency into yes or no, for which exact evidence exists (`eprocess`); it notices a regression several
times sooner than a difference of quantiles does. The threshold must not come from the requests that are judged.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.eprocess import EProcess


def threshold_ms(earlier_control_ms: ArrayLike, share_within: float = 0.95) -> float:
    """Return the latency that `share_within` of control's *earlier* requests kept: a service level of its own."""
    ascending = np.sort(np.asarray(earlier_control_ms, dtype=np.float64))
    if not ascending.size:
        raise ValueError("there are no earlier requests to take a threshold from")
    return float(ascending[max(0, math.ceil(share_within * ascending.size) - 1)])


def observe_latency(
    evidence: EProcess, is_candidate: ArrayLike, latency_ms: ArrayLike, candidate_share: ArrayLike, limit_ms: float
) -> EProcess:
    """Return the state after requests in order of assignment, all of the shape (requests,).

    A request without an answer has an infinite latency: a candidate must not gain by failing.
    """
    if not evidence.is_one_sided:
        raise ValueError("a latency guardrail asks one question: is the candidate slower?")
    return evidence.observe(is_candidate, np.asarray(latency_ms, dtype=np.float64) <= limit_ms, candidate_share)
