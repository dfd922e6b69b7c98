"""Each plot of a report, as SVG; empty where there is nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from splitleaf.analysis.report import Report
from splitleaf.analysis.report.curves import Look, TimeSeries
from splitleaf.analysis.verdicts import tell_evidence
from splitleaf.core.clock import as_utc
from splitleaf.web.report.chart import Axis, Chart

MOST_SHOWN: Final = 6.0
"""Powers of ten of the evidence."""


def arm_classes(report: Report) -> Mapping[str, str]:
    """Return arm -> class of its colour."""
    return {arm.name: f"arm{place % 6}" for place, arm in enumerate(report.arms)}


def draw_difference(report: Report, series: TimeSeries, margin: float) -> str:
    """Draw a difference over time with its confidence sequence, zero, and the margin."""
    looks = [one for one in series.looks if one.value is not None]
    if not looks:
        return ""
    low, value, high = (_column(looks, name) for name in ("low", "value", "high"))
    label = _label_of(report, series.metric)
    shown = [y for column in (low, high) for _, y in column] + [0.0]
    chart = Chart(
        f"Difference of {series.arm} over time: {label(looks[-1].value or 0)} at the end",
        _time(series.looks),
        Axis.around(_without_extremes(shown), label),
    )
    name = arm_classes(report)[series.arm]
    inside = [[(x, min(max(y, chart.y.low), chart.y.high)) for x, y in one] for one in (low, high)]
    chart.band(inside[0], inside[1], name)
    chart.line(value, name)
    chart.level(0.0, "zero", "no difference")
    for side in (-margin, margin) if margin else ():
        chart.level(side, "margin", "margin")
    return chart.svg()


def draw_evidence(report: Report, series: TimeSeries) -> str:
    """Draw the e-value, logarithmically, against 1 / alpha."""
    if not series.looks:
        return ""
    asked = -math.log10(report.experiment.alpha)
    # Beyond a million it makes no difference to anyone, and the line of what is asked for would lie on the ground.
    values = [min(one.log10_e, MOST_SHOWN) for one in series.looks]
    chart = Chart(
        f"Evidence on {series.arm}: e is {tell_evidence(series.looks[-1].log10_e)} at the end",
        _time(series.looks),
        Axis.around([*values, 0.0, asked], lambda y: ">10^6" if y >= MOST_SHOWN else f"10^{y:g}"),
    )
    chart.line([(one.at_ms, e) for one, e in zip(series.looks, values, strict=True)], arm_classes(report)[series.arm])
    chart.level(asked, "margin", f"threshold: e = {1 / report.experiment.alpha:g}")
    chart.level(0.0, "zero", "e = 1")
    return chart.svg()


def draw_traffic(report: Report) -> str:
    """Draw the images by arm and period, with the moments at which the shares changed."""
    traffic, classes = report.traffic, arm_classes(report)
    if not traffic.start_ms:
        return ""
    totals = [sum(counts) for counts in zip(*traffic.images.values(), strict=True)]
    start, end = traffic.start_ms[0], traffic.start_ms[-1] + traffic.period_ms
    chart = Chart(
        f"{sum(totals):,} images by arm and time",
        Axis(start, end, _clock(start, end)),
        Axis(0, max(totals) * 1.1, lambda y: f"{y:,.0f}"),
        height=200,
    )
    for place, at_ms in enumerate(traffic.start_ms):
        bottom = 0
        for arm, counts in traffic.images.items():
            if counts[place]:
                chart.bar(at_ms, at_ms + traffic.period_ms, bottom, bottom + counts[place], classes[arm])
            bottom += counts[place]
    for stage in report.ramp:
        chart.moment(stage.at_ms, f"revision {stage.revision}")
    for arm in traffic.images:
        chart.legend(classes[arm], arm)
    return chart.svg()


def draw_latency(report: Report, part: str) -> str:
    """Draw which share of the images was done within so many milliseconds, with percentiles marked."""
    curves = [one for one in report.latency.curves if one.part == part]
    if not curves:
        return ""
    classes = arm_classes(report)
    longest = max(one.ms[one.share.index(0.995)] for one in curves)
    chart = Chart(
        f"Latency, {part}: share of the images done within a time",
        Axis(0, longest * 1.05 or 1.0, lambda x: f"{x:g}", "ms"),
        Axis(0, 1.02, lambda y: f"{y:.0%}"),
    )
    for curve in curves:
        inside = [(ms, share) for ms, share in zip(curve.ms, curve.share, strict=True) if ms <= chart.x.high]
        chart.line(inside, classes[curve.arm])
        chart.legend(classes[curve.arm], curve.arm)
    for one in report.latency.quantiles:
        found = one.measured
        if one.part == part and found and found.value <= chart.x.high:
            high = min(found.high, chart.x.high)
            chart.span((found.low, one.quantile), (high, one.quantile), classes[one.arm])
            text = f"{one.arm} p{100 * one.quantile:g}: {found.value:.1f} ms, {found.low:.1f} to {found.high:.1f}"
            chart.point(found.value, one.quantile, classes[one.arm], text)
    if report.latency.threshold_ms and part == "total":
        chart.moment(report.latency.threshold_ms, "latency threshold", down=24)
    return chart.svg()


def draw_tradeoff(report: Report) -> str:
    """Draw accuracy against latency, a point for each arm, intervals on both axes."""
    known = [(one, one.latency_ms, one.accuracy) for one in report.tradeoff]
    points = [(one, x, y) for one, x, y in known if x is not None and y is not None]
    if not points:
        return ""
    chart = Chart(
        "Accuracy and latency",
        Axis.around([end for _, x, _ in points for end in (x.low, x.high)], lambda x: f"{x:g}", "median ms", pad=0.15),
        Axis.around([end for _, _, y in points for end in (y.low, y.high)], lambda y: f"{y:.0%}", pad=0.1),
    )
    for one, x, y in points:
        name = arm_classes(report)[one.arm]
        chart.span((x.low, y.value), (x.high, y.value), name)
        chart.span((x.value, y.low), (x.value, y.high), name)
        chart.point(x.value, y.value, name, f"{one.version}: {y.value:.1%}, {x.value:.1f} ms")
        chart.text(x.value, y.value, one.version)
    return chart.svg()


def draw_reliability(report: Report) -> str:
    """Draw accuracy over confidence; an honest version lies on the diagonal."""
    if not report.reliability:
        return ""
    label = "{:.0%}".format
    chart = Chart("Accuracy over confidence", Axis(0, 1, label, "confidence"), Axis(0, 1, label))
    chart.line([(0, 0), (1, 1)], "zero")
    for one in report.reliability:
        name = arm_classes(report)[one.arm]
        chart.line([(each.confidence, each.accuracy) for each in one.bins], name)
        for each in one.bins:
            chart.point(each.confidence, each.accuracy, name, f"{each.images:,.0f} images")
        chart.legend(name, f"{one.version}: calibration error {one.calibration_error:.1%} ({one.truth})")
    return chart.svg()


def draw_recalls(report: Report, arm: str) -> str:
    """Draw each condition's difference in recall, where it can be bounded."""
    rows = [(one, one.difference) for one in report.recalls if one.arm == arm]
    known = [(one, gap) for one, gap in rows if gap is not None]
    if not known:
        return ""
    ends = [end for _, gap in known for end in (gap.low, gap.high)]
    chart = Chart(
        f"Difference in recall by condition, {arm} against control",
        Axis.around([*ends, 0.0], lambda x: f"{100 * x:+.0f}", "points"),
        Axis(-0.5, len(known) - 0.3, lambda _: ""),
        height=60 + 30 * len(known),
    )
    name = arm_classes(report)[arm]
    for place, (one, gap) in enumerate(known):
        chart.span((gap.low, place), (gap.high, place), name)
        chart.point(gap.value, place, name, f"{one.images:,} images")
        chart.text(gap.low, place, one.label)
    chart.moment(0.0, "")
    return chart.svg()


def _column(looks: Sequence[Look], name: str) -> list[tuple[float, float]]:
    return [(one.at_ms, getattr(one, name)) for one in looks]


def _without_extremes(values: list[float]) -> list[float]:
    """Leave out the first, widest intervals: they would press all others flat."""
    ordered = sorted(values)
    cut = len(ordered) // 10
    return [*ordered[cut : len(ordered) - cut], 0.0]


def _time(looks: Sequence[Look]) -> Axis:
    start, end = looks[0].at_ms, max(looks[-1].at_ms, looks[0].at_ms + 1)
    return Axis(start, end, _clock(start, end))


def _clock(start: float, end: float) -> Callable[[float], str]:
    pattern = "%H:%M:%S" if end - start < 600_000 else "%H:%M" if end - start < 86_400_000 else "%d %b %H:%M"
    return lambda at_ms: f"{as_utc(int(at_ms)):{pattern}}"


def _label_of(report: Report, metric: str) -> Callable[[float], str]:
    unit = next((one.unit for one in report.metrics if one.metric == metric), "share")
    return (lambda y: f"{y:+.3g} ms") if unit == "ms" else (lambda y: f"{100 * y:+.3g}")
