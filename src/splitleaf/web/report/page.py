"""A report as one HTML file: no script, no font, no image from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Final

from splitleaf.analysis.report import Report
from splitleaf.web.report import numbers, plots, tables

_LATENCIES: Final = (
    ("total", "From acceptance to answer"),
    ("queue", "Waiting for a worker"),
    ("inference", "Inference"),
)


def render_report(report: Report) -> str:
    """Return the whole document."""
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    subject = report.experiment
    title = escape(f"{subject.key}: {report.statement.headline}")
    body = "".join(_parts(report))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _parts(report: Report) -> Iterator[str]:
    yield _header(report)
    yield from (tables.show_statement(one) for one in report.statements)
    yield _section("Health", tables.show_health(report))
    yield _section("Metrics", tables.show_metrics(report))
    if report.guardrails:
        yield _section("Guardrails", tables.show_guardrails(report))
    yield from _courses(report)
    yield _section("Traffic and ramp", plots.draw_traffic(report))
    yield _section("Accuracy and latency", plots.draw_tradeoff(report))
    for part, title in _LATENCIES:
        yield _section(f"Latency: {title.lower()}", plots.draw_latency(report, part))
    yield from _agreements(report)
    for arm in report.arms[1:]:
        yield _section(f"Recall by condition: {arm.name}", plots.draw_recalls(report, arm.name))
    yield _section("Calibration", plots.draw_reliability(report))
    if report.segments:
        note = "<p class='soft'>Exploratory: chosen afterwards and not corrected for multiple comparisons.</p>"
        yield _section("Segments", note + tables.show_segments(report))
    if report.drift:
        yield _section("Traffic drift", tables.show_drift(report, "answers") + tables.show_drift(report, "confidence"))
    yield _section("History", tables.show_audit(report))


def _header(report: Report) -> str:
    subject = report.experiment
    arms = ", ".join(f"{one.name} {one.version}" if one.name != one.version else one.name for one in report.arms)
    facts = f"{subject.mode}, {subject.state}: {arms}. Started {numbers.moment(subject.started_ms) or 'not yet'}."
    return (
        f"<h1>{escape(subject.key)}</h1><p>{escape(subject.hypothesis)}</p>"
        f'<p class="soft">{escape(facts)} Report of {numbers.moment(report.made_ms)}. The intervals have '
        f"{100 * (1 - subject.alpha):g} % confidence and are valid at any number of looks.</p>"
    )


def _courses(report: Report) -> Iterator[str]:
    for series in report.courses:
        metric = next(one for one in report.metrics if one.metric == series.metric)
        margin = report.experiment.margin if metric.is_primary and metric.unit == "share" else 0.0
        title = f"{metric.title}: {series.arm} minus control over time"
        yield _section(title, plots.draw_difference(report, series, margin))
        yield _section(f"{metric.title}: evidence on {series.arm}", plots.draw_evidence(report, series))


def _agreements(report: Report) -> Iterator[str]:
    for one in report.agreements:
        found = (
            ""
            if one.agreement is None
            else f"<p>The versions agree on {100 * one.agreement.value:.1f} % of {one.images:,} images.</p>"
        )
        yield _section(
            f"{one.control_version} and {one.other_version}",
            found + tables.show_matrix(one) + "<h3>Disagreements</h3>" + tables.show_disagreements(one),
        )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""
