"""What is measured on every exposure: a value for each row, and which rows count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.guardrails import LESSONS
from splitleaf.analysis.report.measures import MetricName
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
    """A number for every row; those that do not count have weight 0."""

    metric: MetricName
    title: str
    unit: Literal["share", "ms"]
    better: Literal["higher", "lower"]
    method: str
    value: Floats
    counts: Bools
    scale: float = 1.0
    """Divides the value to lie in about [0, 1]."""

    @property
    def is_rate(self) -> bool:
        """Whether each value is 0 or 1."""
        return self.metric in ("error_rate", "slow_rate")


_MEANS: Final = "means by revision, clustered by unit"
_RATES: Final = "shares by revision, clustered by unit"


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
    """Return what can be measured without any label."""
    return [made for make in _MEASURES.values() if (made := make(frame, slowness)) is not None]


def _error_rate(frame: Frame, _: Slowness) -> Measure:
    rows = frame.rows
    value, counts = rows.is_failed.astype(np.float64), ~rows.is_canceled | rows.is_fallback
    return Measure("error_rate", "Errors", "share", "lower", _RATES, value, counts)


def _slow_rate(frame: Frame, slowness: Slowness) -> Measure | None:
    if slowness.threshold_ms is None:
        return None
    rows = frame.rows
    slow = rows.is_failed | (rows.total_ms > slowness.threshold_ms)
    # What a client took back after waiting too long was too slow; what they took back before that is not known.
    counts = (~rows.is_canceled | (rows.total_ms > slowness.threshold_ms)) & (np.arange(len(rows)) >= slowness.since)
    title = f"Slower than {slowness.threshold_ms:,.0f} ms"
    return Measure("slow_rate", title, "share", "lower", _RATES, slow.astype(np.float64), counts)


def _latency(frame: Frame, _: Slowness) -> Measure:
    rows = frame.rows
    scale = _scale(rows.total_ms, rows.is_answered & frame.shown)
    return Measure("latency_ms", "Time to the answer", "ms", "lower", _MEANS, rows.total_ms, rows.is_answered, scale)


def _confidence(frame: Frame, _: Slowness) -> Measure:
    rows = frame.rows
    return Measure("confidence", "Confidence", "share", "higher", _MEANS, rows.confidence, rows.is_answered)


def _cost(frame: Frame, _: Slowness) -> Measure:
    rows = frame.rows
    scale = _scale(rows.cost_ms, rows.is_answered)
    title = "Processor time a picture"
    return Measure("cost_ms", title, "ms", "lower", _MEANS, rows.cost_ms, rows.is_answered, scale)


def _scale(value: Floats, counts: Bools) -> float:
    """Return what 99 % stay below: pseudo-units at the largest value ever would drown a mean in its outliers."""
    found = value[counts]
    return max(float(np.quantile(found, 0.99)), 1e-9) if len(found) else 1.0


_MEASURES: Final[Mapping[MetricName, Callable[[Frame, Slowness], Measure | None]]] = MappingProxyType(
    {
        "error_rate": _error_rate,
        "slow_rate": _slow_rate,
        "latency_ms": _latency,
        "confidence": _confidence,
        "cost_ms": _cost,
    }
)
