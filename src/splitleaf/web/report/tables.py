"""The parts of a report that are words and numbers, as HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from splitleaf.analysis.report import Report
from splitleaf.analysis.report.comparisons import Agreement
from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.report.statement import Statement
from splitleaf.web.report import numbers


def show_statement(statement: Statement) -> str:
    parts = [f"<h2>{escape(statement.headline)}</h2><p>{escape(statement.certainty)}</p>"]
    lists = (
        ("Caveats", statement.concerns),
        ("Still needed", statement.missing),
        ("Next steps", statement.next_steps),
    )
    parts += [f"<h3>{title}</h3>{_list(items)}" for title, items in lists if items]
    return f'<div class="verdict {statement.verdict}">{"".join(parts)}</div>'


def show_health(report: Report) -> str:
    items = (f'<li class="{one.status}"><b>{one.status}</b> {escape(one.summary)}</li>' for one in report.health.checks)
    return f'<ul class="checks">{"".join(items)}</ul>'


def show_metrics(report: Report) -> str:
    head = ("arm", "units", "images", "labels", "estimate", "difference", "e", "verdict", "still needed")
    body = "".join(_metric(report, one) for one in report.metrics)
    note = "<p class='soft'>Verdicts on secondary metrics are corrected for multiple comparisons.</p>"
    return _table("Metrics", head, body) + note if body else "<p>Nothing has been measured yet.</p>"


def show_guardrails(report: Report) -> str:
    head = ("guardrail", "candidate", "bad units", "bad units of control", "e (peak)", "fires at", "state")
    rows = (
        (
            one.metric,
            one.arm,
            f"{one.candidate_bad:,} of {one.candidate_units:,}",
            f"{one.control_bad:,} of {one.control_units:,}",
            numbers.evidence(one.log10_e),
            f"{1 / one.alpha:g}",
            "fired" if one.is_fired else "not fired",
        )
        for one in report.guardrails
    )
    return _table("Guardrails", head, _rows(rows), words=2)


def show_matrix(agreement: Agreement) -> str:
    """Show what control's version said (rows) next to what the other said."""
    head = (f"{agreement.control_version} \\ {agreement.other_version}", *agreement.labels)
    body = ""
    for row, label in enumerate(agreement.labels):
        cells = "".join(
            f'<td class="{_shade(count, same=row == column)}">{count:,}</td>'
            for column, count in enumerate(agreement.matrix[row])
        )
        body += f"<tr><th>{escape(label)}</th>{cells}</tr>"
    return _table(f"Answers of {agreement.control_version} and {agreement.other_version}", head, body)


def show_disagreements(agreement: Agreement) -> str:
    control, other = agreement.control_version, agreement.other_version
    head = (control, other, "images", "labelled", f"{control} correct", f"{other} correct")
    rows = (
        (one.control_label, one.other_label, one.images, one.labelled, one.control_right, one.other_right)
        for one in agreement.disagreements[:20]
    )
    return _table(f"Disagreements of {control} and {other}", head, _rows(rows), words=2)


def show_segments(report: Report) -> str:
    units: dict[str, str] = {one.metric: one.unit for one in report.metrics}
    rows = (
        (
            one.dimension,
            one.segment,
            one.arm,
            one.metric,
            f"{one.images:,}",
            numbers.measured(one.difference, units.get(one.metric, "share"), signed=True) or "too few",
        )
        for one in report.segments
    )
    head = ("by", "segment", "candidate", "metric", "images", "difference")
    return _table("Segments", head, _rows(rows), words=4)


def show_drift(report: Report, measure: str) -> str:
    windows = [one for one in report.drift if one.measure == measure]
    cells = "".join(
        f'<i class="{"drift" if one.is_drift else ""}" title="{numbers.moment(one.start_ms)}: index {one.index:.3f}, '
        f'threshold {one.threshold:.3f}"></i>'
        for one in windows
    )
    drifted = sum(one.is_drift for one in windows)
    words = f"{drifted} of {len(windows)} windows differ from the first one in their {measure}"
    return f'<div class="strip" role="img" aria-label="{words}">{cells}</div><p class="soft">{words}.</p>'


def show_audit(report: Report) -> str:
    rows = ((numbers.moment(one.at_ms), one.actor, one.action, one.reason) for one in report.audit)
    return _table("History", ("time", "actor", "action", "reason"), _rows(rows), words=4)


def _metric(report: Report, metric: Metric) -> str:
    notes = [metric.method, *(one for one in (metric.basis, metric.caveat) if one)]
    primary = " (primary)" if metric.is_primary else ""
    head = f"{escape(numbers.heading(metric))}{primary}<br><span class='soft'>{escape('. '.join(notes))}</span>"
    rows = "".join(_arm(report, metric, row) for row in metric.arms)
    return f'<tr class="metric"><th colspan="9"><div>{head}</div></th></tr>{rows}'


def _arm(report: Report, metric: Metric, row: ArmMeasure) -> str:
    version = next(one.version for one in report.arms if one.name == row.arm)
    name = row.arm if row.arm == version else f"{row.arm} ({version})"
    cells = (
        f"{row.units:,}",
        f"{row.images:,}",
        "" if row.labels is None else f"{row.labels:,}",
        numbers.measured(row.estimate, metric.unit),
        numbers.measured(row.difference, metric.unit, signed=True),
        numbers.evidence(row.log10_e),
        numbers.verdict(row),
        numbers.needed(row),
    )
    shade = f"{row.verdict}-word" if row.verdict else ""
    tail = "".join(f'<td class="{shade if place == 6 else ""}">{escape(one)}</td>' for place, one in enumerate(cells))
    return f"<tr><th>{escape(name)}</th>{tail}</tr>"


def _shade(count: int, *, same: bool) -> str:
    if not count:
        return ""
    return "same" if same else "differ"


def _rows(rows: Iterable[Sequence[object]]) -> str:
    made = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    return "".join(f"<tr>{row}</tr>" for row in made)


def _table(title: str, head: Sequence[str], body: str, words: int = 1) -> str:
    """Return a table of which the first columns are words, and the others numbers."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    # It can be wider than a phone: then it is moved on its own, by keys too.
    frame = f'class="scroll words{words}" tabindex="0" role="region" aria-label="{escape(title)}"'
    return f"<div {frame}><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"


def _with_code(text: str) -> str:
    """Return words in which commands stand between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_with_code(one)}</li>' for one in items)}</ul>"
