"""Final states -> the outcome store. At least once from the broker, at most once in the store: once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import asdict

import structlog

from splitleaf.core.errors import DependencyDown, SplitleafError
from splitleaf.jobs.queue import FeedEntry, JobState, OutcomeFeed, Priority
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.store import OutcomeStore

log = structlog.get_logger(__name__)

BATCH = 500
BLOCK_MS = 1_000
LINGER_S = 0.25
"""Pause after a batch that was not full: what gathers meanwhile costs one commit and two round trips together."""
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class Recorder:
    """Reads the feed, appends to the store, and only then acknowledges.

    What the store has and the feed repeats (a recorder died in between) is skipped by its id. What could not be
    written or acknowledged stays in hand and is tried again before anything more is read.
    """

    def __init__(
        self,
        feed: OutcomeFeed,
        store: OutcomeStore,
        on_recorded: Callable[[Sequence[JobState]], None] = lambda _states: None,
    ) -> None:
        """`on_recorded` is told of each batch once the feed has forgotten it."""
        self._feed = feed
        self._on_recorded = on_recorded
        self._store = store
        self._is_migrated = False
        self._in_hand: Sequence[FeedEntry] = ()

    async def run(self, stop: asyncio.Event) -> None:
        """Record until stopped; then once more, for what the last requests left behind."""
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                recorded = await self.record_once(BLOCK_MS)
                pause_s = FIRST_PAUSE_S
                if 0 < recorded < BATCH:
                    await _stopped(stop, LINGER_S)
            except DependencyDown as error:
                log.warning("not_recorded_yet", detail=error.detail, retry_in_s=pause_s)
                await _stopped(stop, pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        with contextlib.suppress(SplitleafError):
            while await self.record_once(0):
                pass

    async def record_once(self, block_ms: int) -> int:
        """Record what waits, waiting for some for at most `block_ms`; return how many entries that were."""
        if not self._is_migrated:
            await asyncio.to_thread(self._store.migrate)
            self._is_migrated = True
        self._in_hand = self._in_hand or await self._feed.read(BATCH, block_ms)
        entries = self._in_hand
        if entries:
            states = [one.state for one in entries]
            new = await asyncio.to_thread(self._write, states)
            await self._feed.acknowledge(entries)
            self._in_hand = ()
            self._on_recorded(states)
            log.debug("recorded", entries=len(entries), new=new)
        return len(entries)

    def _write(self, states: Sequence[JobState]) -> int:
        try:
            return self._store.record_outcomes([to_outcome(state) for state in states])
        except DependencyDown:
            raise
        except Exception as error:  # noqa: BLE001 - one bad document must not keep all others from the store forever
            if len(states) > 1:
                return sum(self._write([state]) for state in states)
            self._set_aside(states[0], error)
            return 0

    def _set_aside(self, state: JobState, error: Exception) -> None:
        document = json.dumps(asdict(state), default=repr)  # ASCII: any database can keep it
        reason = ascii(f"{type(error).__name__}: {error}")
        self._store.set_aside(ascii(state.id)[1:-1], document, reason, state.finished_ms or state.created_ms)
        log.error("outcome_set_aside", prediction=state.id, reason=reason)


async def _stopped(stop: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout_s)


def to_outcome(state: JobState) -> Outcome:
    """Return the fact that a final state is."""
    result, failure, context, timings = state.classification, state.failure, state.context, state.timings
    return Outcome(
        prediction_id=state.id,
        status=state.status.value,
        role="shadow" if state.priority is Priority.SHADOW else "primary",
        assigned_version=state.version,
        served_version=state.served_version,
        served_digest=state.served_digest,
        revision=context.revision,
        experiment=context.experiment,
        variant=context.variant,
        override=context.override,
        unit_hash=context.unit_hash,
        request_id=context.request_id,
        label=result.best.label if result else None,
        confidence=result.best.confidence if result else None,
        entropy=result.entropy if result else None,
        is_sure=result.is_sure if result else None,
        top=tuple((one.label, one.display_name, one.confidence) for one in result.top) if result else (),
        error_code=failure.code if failure else None,
        error_detail=failure.detail if failure else None,
        flags=context.flags,
        created_ms=state.created_ms,
        finished_ms=state.finished_ms or state.created_ms,
        intake_ms=context.intake_ms,
        queue_ms=timings.queue_ms,
        preprocess_ms=timings.preprocess_ms,
        inference_ms=timings.inference_ms,
        batch_size=state.batch_size,
        deliveries=state.deliveries,
        worker=state.worker,
        primary_id=context.primary_id,
        fallback=context.fallback,
        origin=context.origin,
        fingerprint=context.fingerprint,
        is_familiar=result.is_familiar if result else None,
        heat=b64encode(result.heat).decode("ascii") if result else "",
        measures=json.dumps(result.measures, separators=(",", ":")) if result and result.measures else "",
    )
