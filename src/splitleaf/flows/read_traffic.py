"""What came in lately and how long it took, for those who look after the service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from splitleaf.core.clock import Clock
from splitleaf.core.prediction import PredictionStatus
from splitleaf.outcomes.events import TrafficCount
from splitleaf.outcomes.store import OutcomeStore

Window = Literal["hour", "day", "week"]

_MINUTE_MS: Final = 60_000
PERIODS: Final[dict[Window, tuple[int, int]]] = {
    "hour": (60, _MINUTE_MS),
    "day": (96, 15 * _MINUTE_MS),
    "week": (84, 120 * _MINUTE_MS),
}
"""Window -> how many periods, of how many milliseconds each."""

BOUNDS_MS: Final = tuple(2 ** (step / 4) for step in range(65))
"""From 1 ms to 65 s. Quantiles are read between two of them: exact to a few percent, whatever the traffic."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the arrival of an image to its answer, of those that were answered."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Predictions that ended, by how."""

    outcomes: dict[str, int] = field(default_factory=dict)
    """Final state -> count."""
    latency: Latency | None = None
    """None: nothing was answered."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """`periods` follow on each other without gaps, the oldest first; the last one is not over yet."""

    since_ms: int
    period_ms: int
    total: Tally
    periods: tuple[Tally, ...]
    versions: dict[str, Tally]


def read_traffic(store: OutcomeStore, window: Window, clock: Clock) -> Traffic:
    """Count what was accepted within the window. One query, whatever the traffic was."""
    number, period_ms = PERIODS[window]
    # On whole periods, so that a plot that is drawn again shows the same bars.
    since_ms = (clock.now_ms() // period_ms - number + 1) * period_ms
    counts = store.count_traffic(since_ms, period_ms, BOUNDS_MS)
    by_period: dict[int, list[TrafficCount]] = defaultdict(list)
    by_version: dict[str, list[TrafficCount]] = defaultdict(list)
    for one in counts:
        by_period[min(one.period, number - 1)].append(one)
        by_version[one.version].append(one)
    return Traffic(
        since_ms,
        period_ms,
        _tally(counts),
        tuple(_tally(by_period[period]) for period in range(number)),
        {version: _tally(found) for version, found in sorted(by_version.items())},
    )


def _tally(counts: Iterable[TrafficCount]) -> Tally:
    outcomes: dict[str, int] = defaultdict(int)
    bands = [0] * (len(BOUNDS_MS) + 1)
    for one in counts:
        outcomes[one.status] += one.count
        if one.status == PredictionStatus.SUCCEEDED:
            bands[one.band] += one.count
    return Tally(dict(outcomes), _latency(bands))


def _latency(bands: Sequence[int]) -> Latency | None:
    if not any(bands):
        return None
    return Latency(*(round(_quantile(bands, share), 1) for share in (0.5, 0.95, 0.99)))


def _quantile(bands: Sequence[int], share: float) -> float:
    """Return the time that this share of the counted ones did not exceed, taking each band as evenly filled."""
    rank = share * sum(bands)
    below = 0
    for band, count in enumerate(bands):
        if count and below + count >= rank:
            low = BOUNDS_MS[band - 1] if band else 0.0
            high = BOUNDS_MS[min(band, len(BOUNDS_MS) - 1)]
            return low + (high - low) * (rank - below) / count
        below += count
    return BOUNDS_MS[-1]
