"""Evidence of one guardrail against one candidate, continued batch by batch.

The exact e-process of `eprocess` on each unit's first outcome, in the order of creation and without gaps. The same
outcomes give the same evidence, whatever the size of the batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.experiments.metrics import Exceedance, MetricSpec, Outcomes, Rate
from splitleaf.statistics.eprocess import EProcess
from splitleaf.statistics.exceedance import observe_latency, threshold_ms

CALIBRATION_SIZE: Final = 200
"""Answers of control that a latency threshold is taken from where the plan names none. They are not judged by it."""
LEAST_FAILURES: Final = 3
"""A guardrail never fires on fewer. At a share of 1 %, the first failure of all is the candidate's once in a hundred
experiments: evidence enough for an alpha of 0.01, and yet an anecdote. Waiting only makes false alarms rarer."""


@dataclass(frozen=True, slots=True)
class GuardrailEvidence:
    """What is known of one guardrail and one candidate."""

    alpha: float
    threshold_ms: float | None = None
    """For latency: what is slow; None while it is being learned."""
    process: EProcess = field(default_factory=lambda: EProcess(is_one_sided=True))
    calibration: tuple[float, ...] = ()
    """Control's latencies so far, while the threshold is being learned."""

    @property
    def is_proved(self) -> bool:
        """Whether the guardrail fires: what has once been proved stays proved."""
        return self.process.is_proved(self.alpha) and self.process.candidate_failures >= LEAST_FAILURES

    @property
    def log_limit(self) -> float:
        """Ln of the evidence at which the guardrail fires."""
        return -math.log(self.alpha)

    def with_outcomes(
        self, spec: MetricSpec, rows: Outcomes, comparable: ArrayLike, is_candidate: ArrayLike, share: ArrayLike
    ) -> GuardrailEvidence:
        """Return the evidence after those outcomes that are `comparable` and count; all arguments (outcomes,)."""
        arms, shares = np.asarray(is_candidate, dtype=bool), np.asarray(share, dtype=np.float64)
        mine = np.asarray(comparable, dtype=bool)
        match spec.reading:
            case Rate(is_bad, counts):
                mine = mine & counts(rows)
                return self.with_successes(arms[mine], ~is_bad(rows)[mine], shares[mine])
            case Exceedance(amount, counts):
                return self.with_latencies(arms[mine], amount(rows)[mine], shares[mine], counts(rows)[mine])
        raise TypeError(f"{spec.name} cannot be read off outcomes one by one")

    def with_successes(self, is_candidate: ArrayLike, successes: ArrayLike, share: ArrayLike) -> GuardrailEvidence:
        """Return the evidence after further outcomes; arguments as of `EProcess.observe`."""
        return replace(self, process=self.process.observe(is_candidate, successes, share))

    def with_latencies(
        self, is_candidate: ArrayLike, latency_ms: ArrayLike, share: ArrayLike, is_known: ArrayLike = True
    ) -> GuardrailEvidence:
        """Return the evidence after further latencies; infinite ones stand for images without an answer.

        Those that are not known were longer than given, because the client took the image back: they count where that
        was too long already, also next to a threshold that was learned. Where the plan names none, control's first
        answers give its 95th percentile, and what came up to then is not judged: a threshold must not come from what it
        judges.
        """
        arms, latencies = np.asarray(is_candidate, dtype=bool), np.asarray(latency_ms, dtype=np.float64)
        shares = np.broadcast_to(np.asarray(share, dtype=np.float64), arms.shape)
        known = np.broadcast_to(np.asarray(is_known, dtype=bool), arms.shape)
        threshold = self.threshold_ms
        if threshold is not None:
            told = known | (latencies > threshold)
            process = observe_latency(self.process, arms[told], latencies[told], shares[told], threshold)
            return replace(self, process=process)
        # Only answers teach: with a failure in twenty, the percentile of all would be infinite, and nothing ever slow.
        of_control = np.flatnonzero(~arms & known & np.isfinite(latencies))
        wanted = CALIBRATION_SIZE - len(self.calibration)
        taught = replace(self, calibration=(*self.calibration, *latencies[of_control[:wanted]].tolist()))
        if len(of_control) < wanted:
            return taught
        rest = slice(of_control[wanted - 1] + 1, None)
        learnt = replace(taught, threshold_ms=threshold_ms(taught.calibration), calibration=())
        return learnt.with_latencies(arms[rest], latencies[rest], shares[rest], known[rest])
