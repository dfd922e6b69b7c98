"""How many images came when, and under which shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from splitleaf.analysis.frame import Frame
from splitleaf.analysis.report.curves import Stage, Traffic
from splitleaf.experiments.allocation import OUTSIDE
from splitleaf.outcomes.experiments import RevisionRecord

MOST_PERIODS: Final = 60
_PERIODS_MS: Final = tuple(
    1_000 * seconds
    for seconds in (1, 5, 15, 60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 86_400, 2 * 86_400, 7 * 86_400)
)


def count_traffic(frame: Frame) -> Traffic:
    """Count the images by arm in periods that a clock would have: a minute, an hour, a day."""
    at_ms, arm = frame.rows.created_ms[frame.shown], frame.arm[frame.shown]
    names = [one.name for one in frame.arms if one.role != "shadow"]
    if not len(at_ms):
        return Traffic(start_ms=[], period_ms=_PERIODS_MS[0], images={name: [] for name in names})
    span = int(at_ms.max() - at_ms.min())
    period = next((one for one in _PERIODS_MS if span / one <= MOST_PERIODS), _PERIODS_MS[-1])
    first = int(at_ms.min()) // period
    place = at_ms // period - first
    periods = int(place.max()) + 1
    counts = np.bincount(arm * periods + place, minlength=len(names) * periods).reshape(len(names), periods)
    return Traffic(
        start_ms=[(first + number) * period for number in range(periods)],
        period_ms=period,
        images={name: row.tolist() for name, row in zip(names, counts, strict=True)},
    )


def list_stages(revisions: Sequence[RevisionRecord]) -> list[Stage]:
    """Return the revisions, oldest first."""
    return [
        Stage(
            revision=one.revision,
            stage=one.stage,
            at_ms=one.created_ms,
            shares={name: count / 100 for name, count in one.shares if name != OUTSIDE},
            reason=one.reason,
        )
        for one in sorted(revisions, key=lambda one: one.revision)
    ]
