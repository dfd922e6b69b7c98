"""Time that a test moves."""

from __future__ import annotations

from splitleaf.core.clock import SystemClock


class HandClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now_s = 1_800_000_000.0

    def now_ms(self) -> int:
        return round(self._now_s * 1000)

    def monotonic(self) -> float:
        return self._now_s

    def move(self, seconds: float) -> None:
        self._now_s += seconds
