"""The API's side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from splitleaf.core.errors import Overloaded
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.queue import (
    JobState,
    Priority,
    QueueDepth,
    SubmitOutcome,
    Task,
)
from tests.support.memory_queue.broker import Entry, MemoryBroker


class MemoryJobQueue:
    """`JobQueue` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def submit(self, task: Task) -> SubmitOutcome:
        broker, limits = self._broker, self._broker.limits
        if broker.state(task.id) is not None:
            return SubmitOutcome.DUPLICATE
        mates = [entry for entry in broker.entries.values() if entry.task.version == task.version]
        share = limits.shadow_share if task.priority is Priority.SHADOW else 1.0
        size = sum(entry.size for entry in mates) + len(task.tensor.data)
        if len(mates) >= limits.max_waiting * share:
            raise Overloaded(bound="count")
        if size > limits.max_bytes * share:
            raise Overloaded(bound="bytes")
        if len(broker.feed) >= limits.max_unrecorded:
            raise Overloaded(bound="unrecorded")
        token, now_ms = f"{next(broker.numbers)}", broker.clock.now_ms()
        broker.entries[token] = Entry(token, task, now_ms, now_ms + task.ttl_ms)
        await broker.tell()
        return SubmitOutcome.ACCEPTED

    async def state(self, prediction_id: str) -> JobState | None:
        return self._broker.state(prediction_id)

    async def wait(self, prediction_id: str, timeout_s: float) -> JobState | None:
        def is_over() -> bool:
            state = self._broker.state(prediction_id)
            return state is None or state.status.is_final

        try:
            async with asyncio.timeout(timeout_s), self._broker.changed:
                await self._broker.changed.wait_for(is_over)
        except TimeoutError:
            pass
        return self._broker.state(prediction_id)

    async def submit_and_wait(
        self, task: Task, timeout_s: float, on_submitted: Callable[[SubmitOutcome], None] = lambda _outcome: None
    ) -> tuple[SubmitOutcome, JobState | None]:
        outcome = await self.submit(task)
        on_submitted(outcome)
        return outcome, await self.wait(task.id, timeout_s)

    async def follow(self, prediction_id: str) -> AsyncIterator[JobState]:
        state = self._broker.state(prediction_id)
        while state is not None:
            yield state
            if state.status.is_final:
                return
            async with self._broker.changed:
                await self._broker.changed.wait_for(partial(self._differs, prediction_id, state.status))
            state = self._broker.state(prediction_id)

    async def cancel(self, prediction_id: str) -> JobState | None:
        entry = self._broker.open_entry(prediction_id)
        if entry is not None:
            is_late = entry.started_ms is None and entry.deadline_ms <= self._broker.clock.now_ms()
            self._broker.finalize(entry, PredictionStatus.EXPIRED if is_late else PredictionStatus.CANCELED)
            await self._broker.tell()
        return self._broker.finals.get(prediction_id)

    async def depths(self) -> Sequence[QueueDepth]:
        broker = self._broker
        versions = {entry.task.version for entry in broker.entries.values()}
        versions |= {state.version for state in broker.finals.values()}
        return [self._depth(version, priority) for version in sorted(versions) for priority in Priority]

    async def ping(self) -> None:
        return

    async def close(self) -> None:
        return

    def _differs(self, prediction_id: str, present: PredictionStatus) -> bool:
        state = self._broker.state(prediction_id)
        return state is None or state.status is not present

    def _depth(self, version: str, priority: Priority) -> QueueDepth:
        broker = self._broker
        mates = [entry for entry in broker.entries.values() if entry.task.version == version]
        waiting = [entry for entry in mates if entry.task.priority is priority and not entry.owner]
        running = sum(entry.task.priority is priority for entry in mates) - len(waiting)
        oldest_ms = max((broker.clock.now_ms() - entry.created_ms for entry in waiting), default=0)
        dead = sum(letter.version == version for letter, _ in broker.dead.values())
        size = sum(entry.size for entry in mates)
        return QueueDepth(version, priority, len(waiting), running, size, oldest_ms, dead)
