"""What is measured on every exposure: a value for each row, and which rows count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.guardrails import CALIBRATION_SIZE
from splitleaf.experiments.metrics import METRICS, Exceedance, Mean, MetricSpec, Rate, Role
from splitleaf.experiments.plan import Guardrail, Primary
from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics.capping import find_cap
from splitleaf.statistics.exceedance import threshold_ms
from splitleaf.statistics.records import Floats


@dataclass(frozen=True, slots=True)
class LatencyThreshold:
    """What counts as slow."""

    threshold_ms: float | None
    """None while control's first answers are too few to take one from."""
    is_objective: bool
    """It stands in the plan."""
    since: int = 0
    """Rows up to this place taught the threshold, and are not judged by it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's number for every row; those that do not count have weight 0."""

    spec: MetricSpec
    value: Floats
    counts: Bools
    scale: float = 1.0
    """Divides the value to lie in [0, 1]."""
    threshold_ms: float | None = None

    @property
    def metric(self) -> str:
        return self.spec.name

    @property
    def is_rate(self) -> bool:
        """Whether each value is 0 or 1."""
        return not isinstance(self.spec.reading, Mean)

    @property
    def title(self) -> str:
        return self.spec.title.format(threshold_ms=f"{self.threshold_ms or 0:,.0f} ms")

    @property
    def method(self) -> str:
        """What is estimated."""
        if self.is_rate:
            return "shares"
        is_capped = isinstance(self.spec.reading, Mean) and self.spec.reading.is_capped
        return f"means of values capped at {self.scale:,.4g} ms" if is_capped else "means"


def find_latency_threshold(frame: Frame) -> LatencyThreshold:
    """Return the threshold: the plan's, or the 95th percentile of control's first answers."""
    named: list[Primary | Guardrail] = [frame.plan.primary, *frame.plan.guardrails]
    if found := next((one.threshold_ms for one in named if one.threshold_ms is not None), None):
        return LatencyThreshold(found, is_objective=True)
    teaches = (frame.arm == 0) & frame.rows.is_answered & ~frame.rows.is_fallback
    if frame.candidates and any(one.spec.needs_threshold for one in frame.plan.guardrails):
        # By the same answers as the guardrail, so that a report has one threshold.
        chance = frame.chance(frame.candidates[0])
        teaches &= frame.is_first & (chance > 0) & (chance < 1)
    answered = np.flatnonzero(teaches)[:CALIBRATION_SIZE]
    if len(answered) < CALIBRATION_SIZE:
        return LatencyThreshold(None, is_objective=False)
    return LatencyThreshold(
        threshold_ms(frame.rows.total_ms[answered]), is_objective=False, since=int(answered[-1]) + 1
    )


def list_measures(frame: Frame, threshold: LatencyThreshold) -> list[Measure]:
    """Return what can be measured without any label, of all metrics that a report shows."""
    shown = (one for one in METRICS.values() if one.roles & {Role.PRIMARY, Role.SECONDARY})
    return [made for spec in shown if (made := _measure(spec, frame, threshold)) is not None]


def _measure(spec: MetricSpec, frame: Frame, threshold: LatencyThreshold) -> Measure | None:
    rows = frame.rows
    match spec.reading:
        case Rate(is_bad, counts):
            return Measure(spec, is_bad(rows).astype(np.float64), counts(rows))
        case Exceedance() if threshold.threshold_ms is not None:
            return _above(spec, spec.reading, frame, threshold.threshold_ms, threshold.since)
        case Mean(value, is_capped):
            values, answered = value(rows), rows.is_answered
            if not is_capped:
                return Measure(spec, values, answered)
            cap = _cap(spec, frame, values, answered)
            return Measure(spec, np.minimum(values, cap), answered, cap)
    return None


def _above(spec: MetricSpec, reading: Exceedance, frame: Frame, threshold: float, since: int) -> Measure:
    is_above = reading.amount(frame.rows) > threshold
    # What a client took back after waiting too long was too slow; what they took back before that is not known.
    counts = (reading.counts(frame.rows) | is_above) & (np.arange(len(frame.rows)) >= since)
    return Measure(spec, is_above.astype(np.float64), counts, threshold_ms=threshold)


def _cap(spec: MetricSpec, frame: Frame, value: Floats, counts: Bools) -> float:
    """Return the cap of all arms, so that their means are of the same thing."""
    rows = frame.rows
    groups = [value[counts & (frame.arm == place)] for place in range(len(frame.arms))]
    if spec.shadows == "compared":
        groups += [value[counts & rows.is_shadow & (rows.version == place)] for place in range(len(rows.versions))]
    return find_cap(groups)
