"""One window of live images against what is usual: everything that is measured, judged together, once.

A window is an alarm when one of its measures is further off than chance explains *and* further than images of one
kind differ among themselves. The first alone would never rest: photos come in sessions (one leaf, one hand, one hour),
so a window holds fewer independent images than images, and two honest samples of the same kind differ by more than
the null distribution of independent ones says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from splitleaf.analysis.baseline import Baseline
from splitleaf.statistics.drift import measure_drift

ALPHA: Final = 0.01
"""Share of windows without drift that are alarms by chance, all measures together."""
NOTABLE: Final = 0.25
"""Least index of an alarm. Windows of photos of one source, but of other leaves: up to 0.2; a tenth darker: 0.8."""
LABEL: Final = "label"


@dataclass(frozen=True, slots=True)
class MeasureDrift:
    """One measure of one window."""

    measure: str
    index: float
    """Population stability index."""
    limit: float
    """Above it the measure has drifted."""

    @property
    def is_drift(self) -> bool:
        return self.index > self.limit


def judge_window(
    baseline: Baseline, measures: Mapping[str, Sequence[float]], labels: Sequence[str]
) -> tuple[MeasureDrift, ...]:
    """Compare a window's values by measure, and its labels, with the baseline; the furthest off first.

    Measures that the baseline does not know are left out. Labels that it does not know count as one more.
    """
    counts = {
        name: (spread.counts, spread.count(measures[name]))
        for name, spread in baseline.spreads.items()
        if len(measures.get(name, ()))
    }
    known = list(baseline.labels)
    if labels:
        seen = [labels.count(label) for label in known]
        counts[LABEL] = (np.array([*baseline.labels.values(), 0]), np.array([*seen, len(labels) - sum(seen)]))
    judged = []
    for name, (usual, found) in counts.items():
        # Bonferroni: the window as a whole errs no more often than `ALPHA`.
        drift = measure_drift(usual, found, ALPHA / len(counts))
        judged.append(MeasureDrift(name, drift.index, max(drift.threshold, NOTABLE)))
    return tuple(sorted(judged, key=lambda one: one.limit - one.index))
