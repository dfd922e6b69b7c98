"""What is measured on every exposure: a value for each row, and which rows count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.guardrails import LESSONS
from splitleaf.experiments.metrics import METRICS, Exceedance, Mean, MetricSpec, Rate, Role
from splitleaf.experiments.plan import Guardrail, Primary
from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics.exceedance import threshold_ms
from splitleaf.statistics.records import Floats


@dataclass(frozen=True, slots=True)
class Slowness:
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
        return f"{'shares' if self.is_rate else 'means'} by revision, clustered by unit"


def find_slowness(frame: Frame) -> Slowness:
    """Return the threshold: the plan's, or the 95th percentile of control's first answers."""
    named: list[Primary | Guardrail] = [frame.plan.primary, *frame.plan.guardrails]
    if found := next((one.threshold_ms for one in named if one.threshold_ms is not None), None):
        return Slowness(found, is_objective=True)
    answered = np.flatnonzero((frame.arm == 0) & frame.rows.is_answered & ~frame.rows.is_fallback)[:LESSONS]
    if len(answered) < LESSONS:
        return Slowness(None, is_objective=False)
    return Slowness(threshold_ms(frame.rows.total_ms[answered]), is_objective=False, since=int(answered[-1]) + 1)


def list_measures(frame: Frame, slowness: Slowness) -> list[Measure]:
    """Return what can be measured without any label, of all metrics that a report shows."""
    shown = (one for one in METRICS.values() if one.roles & {Role.PRIMARY, Role.SECONDARY})
    return [made for spec in shown if (made := _measure(spec, frame, slowness)) is not None]


def _measure(spec: MetricSpec, frame: Frame, slowness: Slowness) -> Measure | None:
    rows = frame.rows
    match spec.reading:
        case Rate(is_bad, counts):
            return Measure(spec, is_bad(rows).astype(np.float64), counts(rows))
        case Exceedance() if slowness.threshold_ms is not None:
            return _above(spec, spec.reading, frame, slowness.threshold_ms, slowness.since)
        case Mean(value, is_capped):
            values, counts_ = value(rows), rows.is_answered
            seen = counts_ if spec.shadows == "compared" else counts_ & frame.shown
            scale = _scale(values, seen) if is_capped else 1.0
            return Measure(spec, values, counts_, scale)
    return None


def _above(spec: MetricSpec, reading: Exceedance, frame: Frame, threshold: float, since: int) -> Measure:
    is_above = reading.amount(frame.rows) > threshold
    # What a client took back after waiting too long was too slow; what they took back before that is not known.
    counts = (reading.counts(frame.rows) | is_above) & (np.arange(len(frame.rows)) >= since)
    return Measure(spec, is_above.astype(np.float64), counts, threshold_ms=threshold)


def _scale(value: Floats, counts: Bools) -> float:
    """Return what 99 % stay below: pseudo-units at the largest value ever would drown a mean in its outliers."""
    found = value[counts]
    return max(float(np.quantile(found, 0.99)), 1e-9) if len(found) else 1.0
