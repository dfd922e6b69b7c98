"""Has the traffic changed? Stretches of it next to the first one."""

from __future__ import annotations

from typing import Final

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.report.curves import DriftWindow
from splitleaf.statistics.drift import measure_drift
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.records import Floats

LEAST: Final = 500
"""Images of a window: in fewer, the index is mostly noise."""
MOST_STRETCHES: Final = 24
BINS: Final = 10


def watch_drift(frame: Frame) -> list[DriftWindow]:
    """Compare what control's units were told: its version is the same all through, so what changes is the traffic.

    Stretches are of equal numbers of images, so that each is judged once, when it is full.
    """
    rows = np.flatnonzero((frame.arm == 0) & frame.rows.is_answered & ~frame.rows.is_fallback)
    size = max(LEAST, -(-len(rows) // MOST_STRETCHES))
    windows = len(rows) // size
    if windows < 2:
        return []
    first = rows[:size]
    answers, confidence = frame.rows.label, frame.rows.confidence
    edges = np.unique(np.quantile(confidence[first], np.linspace(0, 1, BINS + 1)[1:-1]))
    found = []
    for place in range(1, windows):
        mine = rows[place * size : (place + 1) * size]
        labels = len(frame.rows.labels)
        counts = {
            "answers": [np.bincount(answers[one], minlength=labels) for one in (first, mine)],
            "confidence": [_binned(confidence[one], edges) for one in (first, mine)],
        }
        for measure, (before, now) in counts.items():
            drift = measure_drift(*_used(before, now))
            window = {
                "measure": measure,
                "start_ms": int(frame.rows.created_ms[mine].min()),
                "end_ms": int(frame.rows.created_ms[mine].max()),
                "images": size,
                "index": drift.index,
                "threshold": drift.threshold,
                "is_drift": drift.is_drift,
            }
            found.append(DriftWindow.model_validate(window))
    return found


def _binned(values: Floats, edges: Floats) -> Ints:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def _used(before: Ints, now: Ints) -> tuple[Ints, Ints]:
    """Leave out bins that neither has: they would count as degrees of freedom."""
    used = (before + now) > 0
    return before[used], now[used]
