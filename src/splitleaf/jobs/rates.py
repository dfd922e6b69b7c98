"""How often one client may ask: the generic cell rate algorithm (ITU-T I.371), which keeps one number a client."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in a time, all at once if need be; then one each time that a share of it has gone by."""

    name: str
    count: int
    window_s: int

    @property
    def interval_ms(self) -> float:
        return self.window_s * 1000 / self.count


@dataclass(frozen=True, slots=True)
class Standing:
    """What a client has left of a rate after a request."""

    rate: Rate
    is_allowed: bool
    remaining: int
    wait_s: float
    """Time until one more is allowed; 0: at once."""

    @classmethod
    def read(cls, rate: Rate, due_ms: float, now_ms: float, *, is_allowed: bool) -> Standing:
        """`due_ms`: when all that the client has asked for would have been due, one an interval."""
        left_ms = rate.window_s * 1000 - max(0.0, due_ms - now_ms)
        # Rounded first: the interval of 7 in a second is no exact number.
        remaining = max(0, math.floor(round(left_ms / rate.interval_ms, 3)))
        return cls(rate, is_allowed, remaining, 0.0 if remaining else (rate.interval_ms - left_ms) / 1000)


class RateLimiter(Protocol):
    """Counts for all processes together."""

    async def charge(self, rate: Rate, client: str) -> Standing:
        """Count a request of one client, unless it has none left.

        Raises `DependencyDown` or `Overloaded` when no one can count.
        """
        ...
