"""One guardrail against one candidate: units' first outcomes -> evidence that the candidate is worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from splitleaf.analysis.guardrails import LEAST_FAILURES, GuardrailEvidence
from splitleaf.analysis.verdicts import tell_evidence
from splitleaf.experiments.metrics import METRICS
from splitleaf.experiments.plan import Guardrail, Plan
from splitleaf.experiments.watch import GuardrailState, GuardrailWatch
from splitleaf.outcomes.experiments import Exposure, RatedExposure


@dataclass(frozen=True, slots=True)
class Trial:
    """A unit's first outcome, by assigned variant: what another version answered in its place counts against it."""

    revision: int
    variant: str
    is_answered: bool = True
    is_fallback: bool = False
    is_right: bool = True
    is_canceled: bool = False
    is_unsure: bool = False
    waited_ms: float = 0.0
    """Infinite without an answer: no one gains by failing. Of a canceled image, how long the client had waited."""

    @classmethod
    def of_exposure(cls, one: Exposure) -> Trial:
        is_known = one.is_answered or (one.is_canceled and not one.fallback)
        return cls(
            one.revision,
            one.variant,
            is_answered=one.is_answered,
            is_fallback=bool(one.fallback),
            is_canceled=one.is_canceled,
            is_unsure=one.is_sure is False,
            waited_ms=one.latency_ms if is_known else math.inf,
        )

    @classmethod
    def of_rating(cls, one: RatedExposure) -> Trial:
        return cls(one.revision, one.variant, is_right=one.is_right)


class _Columns:
    """Trials as a metric reads them."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.is_answered = np.array([one.is_answered for one in trials], np.bool_)
        self.is_fallback = np.array([one.is_fallback for one in trials], np.bool_)
        self.is_canceled = np.array([one.is_canceled for one in trials], np.bool_)
        self.is_unsure = np.array([one.is_unsure for one in trials], np.bool_)
        self.waited_ms = np.array([one.waited_ms for one in trials], np.float64)
        self.is_failed = ~self.is_answered & (~self.is_canceled | self.is_fallback)


class CandidateGuard:
    """Compares a candidate with the default, by the share of units that each *was to have* in the revision."""

    def __init__(self, rail: Guardrail, candidate: str, plan: Plan) -> None:
        self.candidate = candidate
        self._rail = rail
        self._control = plan.default
        # So that the plan's alpha holds for all candidates together.
        self._evidence = GuardrailEvidence(rail.alpha / len(plan.candidates), plan.guardrail_threshold_ms(rail))

    @property
    def listens(self) -> bool:
        """Whether it uses feedback of users instead of outcomes."""
        return self._rail.spec.label_source is not None

    def observe(self, trials: Sequence[Trial], slots: Mapping[int, Mapping[str, int]]) -> None:
        """Take in trials in the order of their assignment; `slots` are revision -> variant -> slots."""
        share_of = {revision: self._share(variants) for revision, variants in slots.items()}
        mine = [one for one in trials if one.variant in (self._control, self.candidate)]
        comparable = [one for one in mine if 0 < share_of[one.revision] < 1]
        if not comparable:
            return
        arms = [one.variant == self.candidate for one in comparable]
        shares = [share_of[one.revision] for one in comparable]
        if self.listens:
            self._evidence = self._evidence.with_successes(arms, [one.is_right for one in comparable], shares)
        else:
            every, rows = np.ones(len(comparable), np.bool_), _Columns(comparable)
            self._evidence = self._evidence.with_outcomes(self._rail.spec, rows, every, arms, shares)

    def watch(self, has_control: bool) -> GuardrailWatch:
        """Return how the evidence stands."""
        evidence, process = self._evidence, self._evidence.process
        return GuardrailWatch(
            metric=self._rail.metric,
            candidate=self.candidate,
            state=self._state(has_control),
            alpha=evidence.alpha,
            threshold_ms=evidence.threshold_ms,
            control_units=process.control_successes + process.control_failures,
            control_bad=process.control_failures,
            candidate_units=process.candidate_successes + process.candidate_failures,
            candidate_bad=process.candidate_failures,
            log_e=process.log_e,
            log_peak=process.log_peak,
            log_limit=evidence.log_limit,
        )

    def _state(self, has_control: bool) -> GuardrailState:
        if self._evidence.is_proved:
            return GuardrailState.FIRED
        if not has_control:
            return GuardrailState.RESTING
        learns = self._rail.spec.needs_threshold and self._evidence.threshold_ms is None
        return GuardrailState.LEARNING if learns else GuardrailState.WATCHING

    def _share(self, slots: Mapping[str, int]) -> float:
        """Return the candidate's share of the two arms' units; 0 where the revision has neither."""
        mine, others = slots.get(self.candidate, 0), slots.get(self._control, 0)
        return mine / (mine + others) if mine else 0.0


def tell(guardrail: GuardrailWatch) -> str:
    """Return the evidence in a sentence with numbers."""
    bad = METRICS[guardrail.metric].name_bad(guardrail.threshold_ms)
    return (
        f"{guardrail.metric}: {guardrail.candidate} {guardrail.candidate_bad:,} of {guardrail.candidate_units:,} units "
        f"{bad}, control {guardrail.control_bad:,} of {guardrail.control_units:,}; evidence "
        f"{_factor(guardrail.log_peak)}, fires at {_factor(guardrail.log_limit)} and {LEAST_FAILURES} such units"
    )


def _factor(log_e: float) -> str:
    return tell_evidence(log_e / math.log(10))
