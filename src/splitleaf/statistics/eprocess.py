"""Exact evidence that two arms' success rates differ, or that the candidate's is lower: for guardrails and small arms.

Turner, Ly, Gruenwald, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping"
(arXiv 2106.02693), in the form for a known probability of assignment. It needs no gate and no approximation, and
neither drift nor ramps can break it: under the null an outcome multiplies the evidence by 1 in expectation,
whatever the success rate is at that moment. One outcome a unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.records import Floats

_PRIOR: Final = 0.18
"""Pseudo-successes and -failures of each arm that the paper found to lose least."""


@dataclass(frozen=True, slots=True)
class EProcess:
    """Evidence so far, in seven values that can be stored and continued."""

    is_one_sided: bool
    """True: evidence only that the candidate's success rate is *lower*. False: that the rates differ."""
    control_successes: int = 0
    control_failures: int = 0
    candidate_successes: int = 0
    candidate_failures: int = 0
    log_e: float = 0.0
    """Natural logarithm of the evidence now."""
    log_peak: float = 0.0
    """The largest so far: what has once been proved stays proved."""

    def observe(self, is_candidate: ArrayLike, successes: ArrayLike, candidate_share: ArrayLike) -> EProcess:
        """Return the state after outcomes in the order of their assignment, all of the shape (outcomes,).

        `candidate_share` is the probability with which each unit *was to be* the candidate's, in (0, 1); units
        outside the experiment count neither here nor there. Raises ValueError for an impossible share.
        """
        arms, right = np.asarray(is_candidate, dtype=bool), np.asarray(successes, dtype=bool)
        if not arms.size:
            return self
        path = log_path(arms, right, candidate_share, self)
        return replace(
            self,
            control_successes=self.control_successes + int((~arms & right).sum()),
            control_failures=self.control_failures + int((~arms & ~right).sum()),
            candidate_successes=self.candidate_successes + int((arms & right).sum()),
            candidate_failures=self.candidate_failures + int((arms & ~right).sum()),
            log_e=float(path[-1]),
            log_peak=max(self.log_peak, float(path.max())),
        )

    def is_proved(self, alpha: float) -> bool:
        """Return whether the evidence has ever reached 1 / alpha; false alarms in at most alpha of all experiments."""
        return self.log_peak >= -math.log(alpha)

    @property
    def p_value(self) -> float:
        """Anytime-valid p-value."""
        return math.exp(-self.log_peak)


def log_path(is_candidate: ArrayLike, successes: ArrayLike, candidate_share: ArrayLike, start: EProcess) -> Floats:
    """Return ln e after each outcome; shapes (..., outcomes), leading axes are independent runs."""
    arms, right = np.asarray(is_candidate, dtype=bool), np.asarray(successes, dtype=bool)
    share = np.asarray(candidate_share, dtype=np.float64)
    if not np.all((share > 0) & (share < 1)):
        raise ValueError("a share of the candidate must lie between 0 and 1")
    control = _rates(~arms & right, ~arms & ~right, start.control_successes, start.control_failures)
    candidate = _rates(arms & right, arms & ~right, start.candidate_successes, start.candidate_failures)
    # Failures are computed on their own: 1 - success rate would lose them all when they are rare.
    of_outcome = [np.where(right, *rates) for rates in (control, candidate)]
    null = (1 - share) * of_outcome[0] + share * of_outcome[1]
    gains = np.log(np.where(arms, of_outcome[1], of_outcome[0]) / null)
    if start.is_one_sided:
        gains = np.where(candidate[1] > control[1], gains, 0.0)
    path: Floats = start.log_e + np.cumsum(gains, axis=-1)
    return path


def _rates(successes: Floats, failures: Floats, old_successes: int, old_failures: int) -> tuple[Floats, Floats]:
    """Return the rates of success and failure as guessed *before* each outcome."""
    right = _before(successes) + (old_successes + _PRIOR)
    wrong = _before(failures) + (old_failures + _PRIOR)
    return right / (right + wrong), wrong / (right + wrong)


def _before(events: Floats) -> Floats:
    counts: Floats = np.cumsum(events, axis=-1, dtype=np.float64) - events
    return counts
