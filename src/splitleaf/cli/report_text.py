"""A report on a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from splitleaf.analysis.report import Report
from splitleaf.analysis.report.curves import TimeSeries
from splitleaf.analysis.report.measures import ArmMeasure, Metric
from splitleaf.analysis.report.statement import Statement
from splitleaf.web.report import numbers

WIDTH: Final = 80
_ARM_WIDTH: Final = 11
_LINE: Final = "  {:<11} {:>9} {:>18} {:>20} {:>6} {}"
_SEGMENT: Final = "  {:<11} {:<23} {:>9} {:>23}"
_LOOKS: Final = 24
_UNBROKEN: Final = re.compile(r"`[^`]+`\S*|\S+")
"""A word, or a command between backticks with the sign behind it."""
_BARS: Final = "▁▂▃▄▅▆▇█"
_STYLES: Final = {
    "better": "green",
    "equivalent": "green",
    "not_worse": "green",
    "worse": "red",
    "harmful": "red",
    "invalid": "red",
    "ok": "green",
    "warning": "yellow",
    "failed": "red",
}


def print_report(report: Report, console: Console | None = None) -> None:
    """Print to stdout; colours only on a terminal."""
    (console or Console(width=WIDTH, highlight=False)).print(Group(*_parts(report)), crop=False)


def _parts(report: Report) -> Iterator[RenderableType]:
    subject = report.experiment
    arms = ", ".join(f"{one.name} {one.version}" if one.name != one.version else one.name for one in report.arms)
    yield Text(f"{subject.key}: {subject.state}, {subject.mode} ({arms})", "bold")
    yield Text(subject.hypothesis)
    for statement in report.statements:
        yield from _statement(statement)
    yield from _titled("Health")
    for check in report.health.checks:
        line = Text(f"{check.status:<8}", _STYLES.get(check.status, "dim"))
        yield _hanging(line, check.summary)
    yield from _titled("Metrics", f"value [interval]; difference to {report.arms[0].name}; intervals hold at all looks")
    yield from _metrics(report)
    if report.guardrails:
        yield from _titled("Guardrails")
        yield _guardrails(report)
    if report.courses:
        yield from _titled("Over time", "the difference, from the first look to now")
        yield from (_time_series(report, one) for one in report.courses)
    for one in report.agreements:
        share = f"{100 * one.agreement.value:.1f} %" if one.agreement else "too few to say how many"
        yield from _titled(f"{one.control_version} beside {one.other_version}")
        yield Text(f"They agree on {share} of {one.images:,} images; most often they differ so:")
        yield from (
            Text(f"  {each.images:>6,}  {each.control_label} / {each.other_label} ({each.labelled:,} labelled)")
            for each in one.disagreements[:5]
        )
    yield from _segments(report)
    if drifted := sum(one.is_drift for one in report.drift):
        yield Text()
        yield Text(f"The traffic has changed in {drifted} of {len(report.drift)} windows.", "yellow")


def _statement(statement: Statement) -> Iterator[RenderableType]:
    yield Text()
    yield Text(statement.headline, f"bold {_STYLES.get(statement.verdict, '')}".strip())
    yield Text(statement.certainty)
    for title, items in (("!", statement.concerns), ("missing", statement.missing), ("next", statement.next_steps)):
        yield from (_hanging(Text(f"{title:<8}", "dim"), item) for item in items)


def _hanging(mark: Text, words: str) -> Text:
    """Return lines that stay to the right of the mark, and run over the edge rather than break a command."""
    lines = f"\n{' ' * len(mark)}".join(_lines(words, WIDTH - len(mark)))
    return Text.assemble(mark, lines, no_wrap=True, overflow="ignore")


def _lines(words: str, width: int) -> Iterator[str]:
    """Break between words, but in no command, so that it can be copied whole."""
    line = ""
    for part in _UNBROKEN.findall(words):
        if line and len(line) + 1 + len(part) > width:
            yield line
            line = ""
        line = f"{line} {part}" if line else part
    yield line


def _titled(title: str, note: str = "") -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble((title, "bold"), (f"  {note}" if note else "", "dim"))


def _metrics(report: Report) -> Iterator[Text]:
    yield Text(_LINE.format("", "images", "estimate", "difference", "e", "").rstrip(), "dim")
    for metric in report.metrics:
        decides = "  decides" if metric.is_primary else ""
        yield Text.assemble((numbers.heading(metric), "bold"), (decides, "dim"))
        if metric.basis:
            yield Text(f"  {metric.basis}", "dim")
        yield from (_row(metric, row) for row in metric.arms)


def _row(metric: Metric, row: ArmMeasure) -> Text:
    name = row.arm if len(row.arm) <= _ARM_WIDTH else f"{row.arm[: _ARM_WIDTH - 1]}…"
    line = _LINE.format(
        name,
        f"{row.images:,}",
        numbers.measured(row.estimate, metric.unit),
        numbers.measured(row.difference, metric.unit, signed=True),
        numbers.evidence(row.log10_e),
        "",
    )
    # As short as the line has room for.
    verdict = "too few" if row.verdict == "not_enough_data" else numbers.verdict(row)
    return Text.assemble(line, (verdict, _STYLES.get(row.verdict or "", ""))) if verdict else Text(line.rstrip())


def _guardrails(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for name in ("", "candidate", "bad of its units", "bad of control's", "e", "fires at"):
        table.add_column(name, justify="left" if name in ("", "candidate") else "right")
    for one in report.guardrails:
        table.add_row(
            one.metric,
            one.arm,
            f"{one.candidate_bad:,} of {one.candidate_units:,}",
            f"{one.control_bad:,} of {one.control_units:,}",
            Text(numbers.evidence(one.log10_e), "red" if one.is_fired else ""),
            f"{1 / one.alpha:g}",
        )
    return table


def _segments(report: Report) -> Iterator[RenderableType]:
    if report.segments:
        yield from _titled("Segments", "exploratory: a reason for the next experiment, not for a decision")
    for (arm, name), segments in groupby(report.segments, key=lambda one: (one.arm, one.metric)):
        metric = next(one for one in report.metrics if one.metric == name)
        yield Text.assemble((arm, "bold"), f"  {numbers.heading(metric)}")
        for one in segments:
            difference = numbers.measured(one.difference, metric.unit, signed=True) or "too few"
            yield Text(_SEGMENT.format(one.dimension, one.segment, f"{one.images:,}", difference))


def _time_series(report: Report, series: TimeSeries) -> Text:
    unit = next(one.unit for one in report.metrics if one.metric == series.metric)
    known = [one.value for one in series.looks if one.value is not None]
    if not known:
        return Text(f"  {series.metric} of {series.arm}: too few data")
    ends = f"{numbers.amount(min(known), unit, signed=True)} to {numbers.amount(max(known), unit, signed=True)}"
    few = [known[round(place * (len(known) - 1) / (_LOOKS - 1))] for place in range(_LOOKS)]
    name = f"{series.metric} of {series.arm}"
    return Text(f"  {name:<28.28}  {_spark(few)}  {ends}")


def _spark(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return "".join(_BARS[round((one - low) / ((high - low) or 1) * (len(_BARS) - 1))] for one in values)
