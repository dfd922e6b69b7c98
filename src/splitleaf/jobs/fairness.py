"""Whose turn it is: the order in which a worker looks into the streams."""

from __future__ import annotations

from collections.abc import Sequence

from splitleaf.jobs.queue import Priority

_BATCH_EVERY = 5
_SHADOW_EVERY = 20


class WeightedRoundRobin:
    """Versions take turns; priorities go first by rank, but none waits forever.

    Of 20 looks, shadow work comes first in one and batch work in three or four, so that each gets at least
    that share of a busy worker.
    """

    def __init__(self) -> None:
        self._turns = 0
        self._last: dict[str, int] = {}

    def order(self, versions: Sequence[str]) -> list[tuple[str, Priority]]:
        """Return every (version, priority), the one to look into first in front."""
        first = Priority.INTERACTIVE
        if self._turns % _SHADOW_EVERY == _SHADOW_EVERY - 1:
            first = Priority.SHADOW
        elif self._turns % _BATCH_EVERY == _BATCH_EVERY - 1:
            first = Priority.BATCH
        ranks = [first, *(priority for priority in Priority if priority is not first)]
        turn = sorted(versions, key=lambda version: self._last.get(version, -1))
        return [(version, priority) for priority in ranks for version in turn]

    def served(self, version: str) -> None:
        """Note that this version has had its turn."""
        self._turns += 1
        self._last[version] = self._turns
