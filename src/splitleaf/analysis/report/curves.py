"""What is drawn over time or over milliseconds."""

from __future__ import annotations

from typing import Literal

from splitleaf.analysis.report.parts import Measured, Part

LatencyPart = Literal["total", "queue", "inference"]


class Look(Part):
    """The experiment as it stood at a moment."""

    at_ms: int
    """Since 1970, UTC."""
    images: int
    value: float | None
    """The difference; null while data were too few."""
    low: float | None
    high: float | None
    log10_e: float


class TimeSeries(Part):
    """A candidate's difference over time. Each look is what the report said then."""

    arm: str
    metric: str
    looks: list[Look]


class Traffic(Part):
    """Images by arm, in periods of equal length."""

    start_ms: list[int]
    period_ms: int
    images: dict[str, list[int]]
    """Arm -> images in each period."""


class Stage(Part):
    """A revision: a period with fixed shares."""

    revision: int
    stage: int
    at_ms: int
    shares: dict[str, float]
    """Variant -> percent of all units."""
    reason: str


class LatencyQuantile(Part):
    arm: str
    part: LatencyPart
    quantile: float
    measured: Measured | None
    """In ms; null: not enough data to bound it."""


class LatencyCurve(Part):
    """Share of the images that were done within so many milliseconds."""

    arm: str
    part: LatencyPart
    ms: list[float]
    share: list[float]


class Latency(Part):
    """`total` is from accepted to final, `queue` the wait for a worker, `inference` the worker's own time, with
    preparation. Images without an answer are left out here; the slow rate counts them.
    """

    threshold_ms: float | None
    """What counts as slow."""
    is_objective: bool
    """The threshold stands in the plan; false: it is the 95th percentile of control's first images."""
    revision: int | None
    """The one that the percentiles and curves are of: the newest in which every variant answered."""
    quantiles: list[LatencyQuantile]
    curves: list[LatencyCurve]


class Segment(Part):
    """Exploratory: found afterwards, not corrected for looking at many."""

    dimension: str
    segment: str
    metric: str
    arm: str
    images: int
    difference: Measured | None


class DriftWindow(Part):
    """A window of the traffic next to the first window."""

    measure: Literal["answers", "confidence"]
    start_ms: int
    end_ms: int
    images: int
    index: float
    """Population stability index."""
    threshold: float
    """Exceeded by one window in a hundred that has not drifted."""
    is_drift: bool
