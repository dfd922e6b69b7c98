"""The guardrails' evidence, on the same outcomes, in the same order, and by the same code as the controller's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.guardrails import GuardrailEvidence
from splitleaf.analysis.report.measures import GuardrailState
from splitleaf.analysis.sections.rows import LOG_TEN
from splitleaf.experiments.plan import Guardrail
from splitleaf.outcomes.experiments import RatedExposure


@dataclass(frozen=True, slots=True)
class GuardrailTable:
    """Reads each guardrail of the plan against each candidate."""

    frame: Frame
    ratings: Sequence[RatedExposure]
    """What users said, in the order of recording; the first word of each unit."""

    def states(self) -> list[GuardrailState]:
        return [
            self._state(rail, place, self._evidence(rail, place))
            for rail in self.frame.plan.guardrails
            for place in self.frame.candidates
        ]

    def _evidence(self, rail: Guardrail, candidate: int) -> GuardrailEvidence:
        # So that the plan's alpha holds for all candidates together.
        plan = self.frame.plan
        evidence = GuardrailEvidence(rail.alpha / len(self.frame.candidates), plan.guardrail_threshold_ms(rail))
        if rail.spec.label_source is not None:
            return self._listen(evidence, candidate)
        frame, chance = self.frame, self.frame.chance(candidate)
        comparable = frame.is_first & np.isin(frame.arm, (0, candidate)) & (chance > 0) & (chance < 1)
        arms = frame.arm == candidate
        return evidence.with_outcomes(rail.spec, frame.rows, comparable, arms, chance)

    def _listen(self, evidence: GuardrailEvidence, candidate: int) -> GuardrailEvidence:
        slots = self.frame.slots
        names = (self.frame.control.name, self.frame.arms[candidate].name)
        shares = {
            revision: of[names[1]] / (of[names[0]] + of[names[1]])
            for revision, of in slots.items()
            if of.get(names[0]) and of.get(names[1])
        }
        told = [one for one in self.ratings if one.variant in names and one.revision in shares]
        return evidence.with_successes(
            [one.variant == names[1] for one in told],
            [one.is_right for one in told],
            [shares[one.revision] for one in told],
        )

    def _state(self, rail: Guardrail, candidate: int, evidence: GuardrailEvidence) -> GuardrailState:
        process = evidence.process
        return GuardrailState(
            metric=rail.metric,
            arm=self.frame.arms[candidate].name,
            alpha=evidence.alpha,
            threshold_ms=evidence.threshold_ms,
            control_units=process.control_successes + process.control_failures,
            control_bad=process.control_failures,
            candidate_units=process.candidate_successes + process.candidate_failures,
            candidate_bad=process.candidate_failures,
            log10_e=process.log_peak / LOG_TEN,
            is_fired=evidence.is_proved,
        )
