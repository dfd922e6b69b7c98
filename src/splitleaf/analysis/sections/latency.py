"""How long answers take: percentiles with intervals, and the whole curve. For display; the slow rate decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.report.curves import Latency, LatencyCurve, LatencyPart, LatencyQuantile
from splitleaf.analysis.sections.measures import LatencyThreshold
from splitleaf.analysis.sections.rows import measured
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.quantiles import estimate_quantile
from splitleaf.statistics.records import Floats

QUANTILES: Final = (0.5, 0.95, 0.99)
_CURVE: Final = (*np.linspace(0, 0.95, 39), 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999, 1.0)
"""Shares at which the curve is drawn: closer together where the slow ones are."""


def describe_latency(frame: Frame, threshold: LatencyThreshold) -> Latency:
    """Look at the newest revision that has answers of every variant; pooled, they would compare different seasons."""
    revision = _newest_common_revision(frame)
    quantiles, curves = [], []
    for arm, part, ascending in _samples(frame, revision):
        for quantile in QUANTILES:
            found = measured(estimate_quantile(ascending, quantile, frame.plan.alpha))
            quantiles.append(LatencyQuantile(arm=arm, part=part, quantile=quantile, measured=found))
        places = np.minimum((np.array(_CURVE) * len(ascending)).astype(np.int64), len(ascending) - 1)
        ms = [round(float(one), 3) for one in ascending[places]]
        curves.append(LatencyCurve(arm=arm, part=part, ms=ms, share=[round(float(one), 4) for one in _CURVE]))
    return Latency(
        threshold_ms=threshold.threshold_ms,
        is_objective=threshold.is_objective,
        revision=revision,
        quantiles=quantiles,
        curves=curves,
    )


def _newest_common_revision(frame: Frame) -> int | None:
    answered = frame.shown & frame.rows.is_answered
    arms = len(frame.arms)
    seen = np.bincount(frame.rows.revision[answered] * arms + frame.arm[answered])
    variants = Counter(place // arms for place in np.flatnonzero(seen).tolist())
    most = max(variants.values(), default=0)
    return max((revision for revision, count in variants.items() if count == most), default=None)


def _samples(frame: Frame, revision: int | None) -> Iterator[tuple[str, LatencyPart, Floats]]:
    """Yield (arm, part, times in ascending order); of a shadow, which waits behind everyone, its work alone."""
    rows = frame.rows
    of_revision = rows.is_answered & (rows.revision == revision)
    version = {name: place for place, name in enumerate(rows.versions)}
    for place, arm in enumerate(frame.arms):
        if arm.role == "shadow":
            mine = np.flatnonzero(of_revision & rows.is_shadow & (rows.version == version.get(arm.version, -1)))
            parts: dict[LatencyPart, Floats] = {"inference": rows.work_ms}
        else:
            mine = np.flatnonzero(of_revision & (frame.arm == place))
            parts = {"total": rows.total_ms, "queue": rows.queue_ms, "inference": rows.work_ms}
        if len(mine):
            yield from ((arm.name, part, _ascending(values, mine)) for part, values in parts.items())


def _ascending(values: Floats, rows: Ints) -> Floats:
    return np.sort(values[rows])
