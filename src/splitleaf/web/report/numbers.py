"""Numbers of a report as people read them."""

from __future__ import annotations

from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.report.parts import Measured
from splitleaf.analysis.verdicts import tell_evidence
from splitleaf.core.clock import as_utc


def amount(value: float, unit: str, *, signed: bool = False) -> str:
    """Return a share in percent and a time in ms, without the unit: three digits or a little more."""
    shown = 100 * value if unit == "share" else value
    decimals = 2 if abs(shown) < 9.995 else 1 if abs(shown) < 999.95 else 0
    return f"{shown:+.{decimals}f}" if signed else f"{shown:.{decimals}f}"


def measured(value: Measured | None, unit: str, *, signed: bool = False) -> str:
    """Return `5.22 [3.95, 6.49]`; empty where nothing is known."""
    if value is None:
        return ""
    parts = (amount(one, unit, signed=signed) for one in (value.value, value.low, value.high))
    return "{} [{}, {}]".format(*parts)


def evidence(log10_e: float | None) -> str:
    """Return an e-value for a narrow column: `0.23`, `83`, `>10^5`, beyond which it makes no difference."""
    if log10_e is None:
        return ""
    return ">10^5" if log10_e >= 5 else tell_evidence(log10_e)


def needed(row: ArmMeasure) -> str:
    return "" if row.images_needed is None else f"{row.images_needed:,}"


def verdict(row: ArmMeasure) -> str:
    return row.verdict.replace("_", " ") if row.verdict else ""


def heading(metric: Metric) -> str:
    """Return a metric's title with its unit and direction."""
    unit = "%" if metric.unit == "share" else "ms"
    unit = "" if metric.title.endswith("ms") and unit == "ms" else f", {unit}"
    return f"{metric.title}{unit} ({metric.better} is better)"


def moment(at_ms: int | None) -> str:
    """Return `2026-05-04 09:30 UTC`."""
    return "" if at_ms is None else f"{as_utc(at_ms):%Y-%m-%d %H:%M} UTC"
