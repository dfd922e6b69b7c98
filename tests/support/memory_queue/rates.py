"""Rates counted in memory, by a clock of the test's."""

from __future__ import annotations

from splitleaf.core.clock import Clock, SystemClock
from splitleaf.jobs.rates import Rate, Standing


class MemoryRateLimiter:
    """`RateLimiter` in memory."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._due_ms: dict[tuple[str, str], float] = {}

    async def charge(self, rate: Rate, client: str) -> Standing:
        now_ms = float(self._clock.now_ms())
        window_ms = rate.window_s * 1000
        # Nobody can owe more than a window: what says so was written before the clock went back.
        due_ms = min(max(self._due_ms.get((rate.name, client), 0.0), now_ms), now_ms + window_ms)
        is_allowed = due_ms + rate.interval_ms - now_ms <= window_ms + 0.001
        if is_allowed:
            due_ms += rate.interval_ms
        self._due_ms[rate.name, client] = due_ms
        return Standing.read(rate, due_ms, now_ms, is_allowed=is_allowed)
