"""What one process knows of the room in the queue: what would be refused is refused before any work is put into it.

The queue decides; here its last words are remembered, carried forward by the rate at which room becomes free. Each
answer to a submit brings them up to date, so that no one has to ask.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from splitleaf.core.clock import Clock, SystemClock
from splitleaf.core.errors import Overloaded
from splitleaf.jobs.queue import Priority

GENEROSITY: Final = 1
"""One client may have so many times what is still free: half of all when it is alone, and others find room.

The other half is no waste: a queue that is never empty keeps its workers busy. And what is free moves with the measured
service time, so that a smaller rest would be gone now and then.
"""
PROBE_S: Final = 0.25
"""A queue that was full for so long is asked again, whatever it was thought to do meanwhile."""
_SHORTEST_MEMORY_S: Final = 0.25
_MOST_CLIENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Room:
    """What the queue said of one priority of a version when it took or refused a task."""

    tasks: int
    """How many more it would have taken; 0: none."""
    task_ms: float
    """The time in which it is sure to do one; 0: unknown."""
    wait_ms: float
    """What waited, in time."""


@dataclass(slots=True)
class _Lane:
    """A priority of a version."""

    room: Room
    heard_at: float
    preparing: int = 0
    """Images on their way to a submit."""
    taken: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Client -> tasks that it has waiting, as far as is known here, and when that was so."""

    def left(self, now: float) -> float:
        """Return for how many tasks there is room now."""
        freed = (now - self.heard_at) * 1000 / self.room.task_ms if self.room.task_ms else 0.0
        return self.room.tasks + freed - self.preparing

    def level(self, client: str, now: float) -> float:
        """Return how many tasks the client has waiting: what came longer ago than work waits is done."""
        count, then = self.taken.get(client, (0.0, now))
        return count * math.exp((then - now) / max(self.room.wait_ms / 1000, _SHORTEST_MEMORY_S))

    def charge(self, client: str, now: float) -> None:
        if len(self.taken) >= _MOST_CLIENTS:
            self.taken = {one: (level, now) for one in self.taken if (level := self.level(one, now)) > 0.1}
        self.taken[client] = (self.level(client, now) + 1, now)


class Admission:
    """Room by version and priority, and each client's share of it. For one event loop."""

    def __init__(self, clock: Clock | None = None, *, max_preparing: int = 256) -> None:
        """`max_preparing`: images that this process may be preparing at once."""
        self._clock = clock or SystemClock()
        self._max_preparing = max_preparing
        self._preparing: Counter[str] = Counter()
        self._all_preparing = 0
        self._lanes: dict[tuple[str, Priority], _Lane] = {}

    def heard(self, version: str, priority: Priority, room: Room) -> None:
        """Note what the queue said."""
        now = self._clock.monotonic()
        lane = self._lanes.get((version, priority))
        if lane is None:
            self._lanes[version, priority] = _Lane(room, now)
        else:
            lane.room, lane.heard_at = room, now

    def check(self, version: str, priority: Priority, client: str) -> None:
        """Raise `Overloaded` where a task of this client would be refused, or would leave too little to others."""
        if self._preparing[client] >= GENEROSITY * (self._max_preparing - self._all_preparing):
            raise Overloaded(retry_after_s=retry_after_s(0), bound="preparing")
        lane = self._lanes.get((version, priority))
        if lane is None:
            return
        now = self._clock.monotonic()
        left = lane.left(now)
        if left < 1:
            if lane.preparing == 0 and now - lane.heard_at >= PROBE_S:
                return
            raise Overloaded(retry_after_s=retry_after_s(lane.room.wait_ms), bound="room")
        if lane.level(client, now) >= GENEROSITY * left:
            raise Overloaded(retry_after_s=retry_after_s(lane.room.wait_ms), bound="share")

    @contextlib.contextmanager
    def place(self, version: str, priority: Priority, client: str) -> Iterator[None]:
        """Keep a place for a task of this client while it is prepared. Raises as `check` does."""
        self.check(version, priority, client)
        lane = self._lanes.get((version, priority))
        if lane is not None:
            lane.charge(client, self._clock.monotonic())
            lane.preparing += 1
        self._preparing[client] += 1
        self._all_preparing += 1
        try:
            yield
        finally:
            self._all_preparing -= 1
            self._preparing[client] -= 1
            if not self._preparing[client]:
                del self._preparing[client]
            if lane is not None:
                lane.preparing -= 1


def retry_after_s(wait_ms: float) -> float:
    """Return half of the expected wait, within 1 and 30 s. The HTTP edge spreads it."""
    return min(30.0, max(1.0, wait_ms / 2000))


__all__ = ["Admission", "Room", "retry_after_s"]
