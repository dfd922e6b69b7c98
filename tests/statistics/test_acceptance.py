"""The statistical acceptance figures, on fewer runs than `python -m benchmarks.statistics`; seeded.

Every figure brings the ordinary method that fails on the same outcomes.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.statistics import detections, differences, live, rivals
from tests.statistics.readings import Reading

SEED = 20_260


@pytest.mark.parametrize(
    ("figure", "runs"),
    [
        (differences.even_split, 500),
        pytest.param(differences.small_shares, 400, marks=pytest.mark.slow),
        (differences.ramp_under_drift, 200),
        (differences.clustered_units, 300),
        (differences.coverage, 1000),
        (differences.power_and_stops, 1000),
        pytest.param(detections.paired_versions, 1000, marks=pytest.mark.slow),
        (detections.alike_versions, 400),
        (detections.paired_clusters, 1000),
        (rivals.paired_rivals, 400),
        pytest.param(detections.sample_ratio, 2000, marks=pytest.mark.slow),
        pytest.param(detections.every_outcome, 100, marks=pytest.mark.slow),
        pytest.param(detections.guardrail, 200, marks=pytest.mark.slow),
        pytest.param(detections.slower_candidate, 60, marks=pytest.mark.slow),
        (live.arrival_order, 400),
        (live.busy_unit, 20),
        pytest.param(live.live_differences, 60, marks=pytest.mark.slow),
        (detections.whole_report, 100_000),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_figure_is_reached_and_the_ordinary_method_fails(
    figure: Callable[[int, int], list[Reading]], runs: int
) -> None:
    missed = [reading for reading in figure(runs, SEED) if not reading.is_met]
    assert not missed
