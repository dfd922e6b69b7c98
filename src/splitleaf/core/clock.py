"""Time as a dependency, so that tests need not sleep."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final, Protocol

MOST_SKEW_MS: Final = 60_000
"""The most by which clocks of two hosts differ. A stored time further ahead was written before a clock went back."""


class Clock(Protocol):
    """Wall-clock and monotonic time."""

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never goes back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


def as_utc(epoch_ms: int) -> datetime:
    """Return milliseconds since the epoch as an aware UTC datetime."""
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


def as_rfc3339(epoch_ms: int) -> str:
    """Return milliseconds since the epoch as RFC 3339 with milliseconds and `Z`."""
    return as_utc(epoch_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
