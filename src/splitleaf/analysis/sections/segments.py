"""Where the difference comes from, perhaps: exploratory, not corrected for looking at many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.report.curves import Segment
from splitleaf.analysis.sections.measures import Measure
from splitleaf.analysis.sections.metrics import Comparisons
from splitleaf.analysis.sections.rows import measured
from splitleaf.core.prediction import Origin
from splitleaf.outcomes.exposures import Bools
from splitleaf.statistics.contrasts import contrast_arms
from splitleaf.statistics.records import Estimate

_ORIGINS: Final[Mapping[Origin, str]] = {
    Origin.PAGE: "the page",
    Origin.UNIT: "API, units named",
    Origin.API: "API, no units named",
    Origin.PREDICT: "/predict",
}
"""In words. What older releases recorded says nothing of it, and is in no such segment."""
_QUARTER_MS = 6 * 3_600_000
_QUARTERS = ("00 to 06 h UTC", "06 to 12 h UTC", "12 to 18 h UTC", "18 to 24 h UTC")


def list_segments(comparisons: Comparisons, measure: Measure, candidate: int) -> list[Segment]:
    """Compare the arms within each segment by a measure that every image has."""
    frame = comparisons.frame
    rows, _ = comparisons.rows(candidate)
    rows = rows[measure.counts[rows]]
    is_candidate = frame.arm[rows] == candidate
    found = []
    for dimension, segment, mask in _segments(frame):
        mine = mask[rows]
        if not mine.any() or mine.all():
            continue
        sample = frame.group(rows[mine], is_candidate[mine]).total(measure.value[rows[mine]] / measure.scale)
        contrast = contrast_arms(sample, comparisons.planned(candidate), frame.plan.alpha, measure.scale)
        gap = contrast.difference
        found.append(
            Segment(
                dimension=dimension,
                segment=segment,
                metric=measure.metric,
                arm=frame.arms[candidate].name,
                images=int(mine.sum()),
                difference=measured(Estimate(gap.value, gap.interval)) if gap.is_enough else None,
            )
        )
    return found


def _segments(frame: Frame) -> Iterator[tuple[str, str, Bools]]:
    yield "visit", "first image of a unit", frame.is_first
    yield "visit", "later images", frame.shown & ~frame.is_first
    quarter = frame.rows.created_ms // _QUARTER_MS % 4
    for place, name in enumerate(_QUARTERS):
        yield "time of day", name, quarter == place
    rows = frame.rows
    for origin, name in _ORIGINS.items():
        if origin in rows.origins:
            yield "origin", name, rows.origin == rows.origins.index(origin)
    for revision in frame.slots:
        yield "revision", str(revision), frame.rows.revision == revision
