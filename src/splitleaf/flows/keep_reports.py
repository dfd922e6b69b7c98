"""Reports that several people look at again and again: made once for what is known, and not too often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from splitleaf.core.clock import Clock
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.run_experiment import find_experiment
from splitleaf.outcomes.store import OutcomeStore

Stamp = tuple[int, int, int]
"""(change of the experiment, last outcome, last thing said): while it is the same, so is the report."""

LEAST_AGE_S: Final = 2.0
PAUSE_FACTOR: Final = 10.0
"""A report that took a second is not made anew for ten: pictures are answered by the same processors."""
MOST_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: Stamp
    json: bytes
    made_s: float
    """Monotonic."""
    took_s: float

    def serves(self, stamp: Stamp, now_s: float) -> bool:
        if stamp == self.stamp:
            return True
        # A step of a person is seen at once; further outcomes may wait.
        age_s = now_s - self.made_s
        return stamp[0] == self.stamp[0] and age_s < max(LEAST_AGE_S, PAUSE_FACTOR * self.took_s)


class ReportKeeper:
    """Makes one report at a time, off the event loop."""

    def __init__(self, store: OutcomeStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._turn = asyncio.Lock()

    async def report(self, key: str) -> bytes:
        """Return the report's JSON. Raises as `judge_experiment`."""
        async with self._turn:
            return await asyncio.to_thread(self._report, key)

    def _report(self, key: str) -> bytes:
        sequence = find_experiment(self._store, key).sequence
        stamp = (sequence, self._store.newest_exposure(key), self._store.newest_feedback())
        kept = self._kept.get(key)
        started = self._clock.monotonic()
        if kept is None or not kept.serves(stamp, started):
            document = judge_experiment(self._store, key, self._clock).model_dump_json().encode()
            ended = self._clock.monotonic()
            kept = _Kept(stamp, document, ended, ended - started)
            self._kept.pop(key, None)
            self._kept[key] = kept
            if len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept.json
