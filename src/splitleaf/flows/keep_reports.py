"""Cached reports: one is computed once for the data that it rests on, and not too often."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from splitleaf.core.clock import Clock
from splitleaf.flows.judge_experiment import ask_settled, judge_experiment
from splitleaf.flows.run_experiment import find_experiment
from splitleaf.jobs.leader_election import LeaderElection
from splitleaf.outcomes.store import OutcomeStore

Stamp = tuple[int, int, int]
"""(revision of the experiment, newest outcome, newest feedback): while it is the same, so is the report."""

LEAST_AGE_S: Final = 2.0
PAUSE_FACTOR: Final = 10.0
"""A report that took a second of processor time is kept for ten: the same processors answer predictions."""
MOST_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: Stamp
    settled_ms: int
    json: bytes
    made_s: float
    """Monotonic."""
    cost_s: float
    """Processor time."""

    def is_recent(self, stamp: Stamp, now_s: float) -> bool:
        # A step of a person shows at once; further outcomes may wait.
        age_s = now_s - self.made_s
        return stamp[0] == self.stamp[0] and age_s < max(LEAST_AGE_S, PAUSE_FACTOR * self.cost_s)


class ReportKeeper:
    """Computes one report at a time, off the event loop."""

    def __init__(
        self,
        store: OutcomeStore,
        clock: Clock,
        election: LeaderElection,
        ttl_s: float,
        processor_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """`ttl_s` is how long a prediction may take; `processor_s` returns the calling thread's processor time."""
        self._store = store
        self._clock = clock
        self._election = election
        self._ttl_s = ttl_s
        self._processor_s = processor_s
        self._kept: dict[str, _Kept] = {}
        self._turn = asyncio.Lock()

    async def report(self, key: str, *, is_current: bool = False) -> bytes:
        """Return the report's JSON, of all that is known by now if it has to be current.

        Raises as `judge_experiment`.
        """
        async with self._turn:
            settled_ms = await ask_settled(self._election, self._clock, self._ttl_s)
            return await asyncio.to_thread(self._report, key, settled_ms, is_current)

    def _report(self, key: str, settled_ms: int, is_current: bool) -> bytes:
        # The first import takes longer than most reports, and is no part of their cost.
        importlib.import_module("splitleaf.analysis.sections.assembly")
        sequence = find_experiment(self._store, key).sequence
        stamp = (sequence, self._store.newest_exposure(key), self._store.newest_feedback())
        kept = self._kept.get(key)
        if kept is not None:
            may_wait = not is_current and kept.is_recent(stamp, self._clock.monotonic())
            if may_wait or (stamp == kept.stamp and self._is_complete(key, kept, settled_ms)):
                return kept.json
        began_s = self._processor_s()
        document = judge_experiment(self._store, key, self._clock, settled_ms).model_dump_json().encode()
        cost_s = self._processor_s() - began_s
        self._kept.pop(key, None)
        self._kept[key] = _Kept(stamp, settled_ms, document, self._clock.monotonic(), cost_s)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return document

    def _is_complete(self, key: str, kept: _Kept, settled_ms: int) -> bool:
        """Return whether no recorded outcome that waited for older predictions belongs in the report by now."""
        return not self._store.evidence_after(key, (kept.settled_ms, ""), settled_ms, 1)
