"""Reports that several people look at again and again: made once for what is known, and not too often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from splitleaf.core.clock import Clock
from splitleaf.flows.judge_experiment import ask_settled, judge_experiment
from splitleaf.flows.run_experiment import find_experiment
from splitleaf.jobs.control import ControlDesk
from splitleaf.outcomes.store import OutcomeStore

Stamp = tuple[int, int, int]
"""(change of the experiment, last outcome, last thing said): while it is the same, so is the report."""

LEAST_AGE_S: Final = 2.0
PAUSE_FACTOR: Final = 10.0
"""A report that took a second is not made anew for ten: images are answered by the same processors."""
MOST_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: Stamp
    settled_ms: int
    json: bytes
    made_s: float
    """Monotonic."""
    took_s: float

    def serves(self, stamp: Stamp, now_s: float, *, is_whole: bool) -> bool:
        if stamp == self.stamp and is_whole:
            return True
        # A step of a person is seen at once; further outcomes may wait.
        age_s = now_s - self.made_s
        return stamp[0] == self.stamp[0] and age_s < max(LEAST_AGE_S, PAUSE_FACTOR * self.took_s)


class ReportKeeper:
    """Makes one report at a time, off the event loop."""

    def __init__(self, store: OutcomeStore, clock: Clock, desk: ControlDesk, ttl_s: float) -> None:
        """`ttl_s` is how long a prediction may take."""
        self._store = store
        self._clock = clock
        self._desk = desk
        self._ttl_s = ttl_s
        self._kept: dict[str, _Kept] = {}
        self._turn = asyncio.Lock()

    async def report(self, key: str) -> bytes:
        """Return the report's JSON. Raises as `judge_experiment`."""
        async with self._turn:
            settled_ms = await ask_settled(self._desk, self._clock, self._ttl_s)
            return await asyncio.to_thread(self._report, key, settled_ms)

    def _report(self, key: str, settled_ms: int) -> bytes:
        sequence = find_experiment(self._store, key).sequence
        stamp = (sequence, self._store.newest_exposure(key), self._store.newest_feedback())
        kept = self._kept.get(key)
        started = self._clock.monotonic()
        if kept is None or not kept.serves(stamp, started, is_whole=self._is_whole(key, kept, settled_ms)):
            document = judge_experiment(self._store, key, self._clock, settled_ms).model_dump_json().encode()
            ended = self._clock.monotonic()
            kept = _Kept(stamp, settled_ms, document, ended, ended - started)
            self._kept.pop(key, None)
            self._kept[key] = kept
            if len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return kept.json

    def _is_whole(self, key: str, kept: _Kept, settled_ms: int) -> bool:
        """Whether nothing that was recorded by then, and waited for older predictions, belongs in it by now."""
        return not self._store.evidence_after(key, (kept.settled_ms, ""), settled_ms, 1)
