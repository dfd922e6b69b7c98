"""The worker's side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.fairness import WeightedRoundRobin
from splitleaf.jobs.messages import completion_status
from splitleaf.jobs.queue import (
    Claim,
    Completion,
    DeadLetter,
    JobState,
    Recovery,
)
from tests.support.memory_queue.broker import GAVE_UP, Entry, MemoryBroker, open_state


class MemoryJobConsumer:
    """`JobConsumer` in memory."""

    def __init__(self, broker: MemoryBroker, worker: str = "worker") -> None:
        self._broker = broker
        self.worker = worker
        self._round_robin = WeightedRoundRobin()

    async def take(self, caps: Mapping[str, int], block_ms: int) -> Sequence[Claim]:
        claims: list[Claim] = []

        def something_is_there() -> bool:
            claims.extend(self._take_now(caps))
            return bool(claims)

        try:
            async with asyncio.timeout(max(block_ms, 1) / 1000), self._broker.changed:
                await self._broker.changed.wait_for(something_is_there)
        except TimeoutError:
            pass
        await self._broker.tell()
        return claims

    async def heartbeat(self, claims: Sequence[Claim]) -> None:
        for entry in self._held(claims):
            entry.leased_at_ms = self._broker.clock.now_ms()

    async def finish(self, completions: Sequence[Completion]) -> int:
        visible = 0
        for completion in completions:
            entry = self._broker.entries.get(completion.claim.token)
            if entry is None:
                self._broker.fenced += 1
            else:
                self._broker.finalize(entry, completion_status(completion), _said(entry, completion, self.worker))
                visible += 1
        await self._broker.tell()
        return visible

    async def release(self, claims: Sequence[Claim]) -> None:
        for entry in self._held(claims):
            entry.owner, entry.started_ms, entry.deliveries = "", None, entry.deliveries - 1
        await self._broker.tell()

    async def recover(self, caps: Mapping[str, int]) -> Recovery:
        broker, now_ms = self._broker, self._broker.clock.now_ms()
        handed_back = buried = expired = 0
        for entry in list(broker.entries.values()):
            is_hung = entry.deadline_ms + broker.limits.lease_ms <= now_ms
            if entry.owner and now_ms - entry.leased_at_ms < broker.limits.lease_ms and not is_hung:
                continue
            if entry.deadline_ms <= now_ms:
                broker.finalize(entry, PredictionStatus.EXPIRED)
                expired += 1
            elif entry.deliveries >= broker.limits.max_deliveries and entry.owner:
                self._bury(entry)
                buried += 1
            elif entry.owner:
                entry.owner, entry.started_ms, entry.is_suspect = "", None, True
                handed_back += 1
        await broker.tell()
        return Recovery(dead_lettered=buried, expired=expired, handed_back=handed_back)

    async def close(self) -> None:
        """Give back what is still in hand."""
        for entry in self._broker.entries.values():
            if entry.owner == self.worker:
                entry.owner, entry.started_ms, entry.deliveries = "", None, entry.deliveries - 1
        await self._broker.tell()

    def _held(self, claims: Sequence[Claim]) -> list[Entry]:
        entries = [self._broker.entries.get(claim.token) for claim in claims]
        return [entry for entry in entries if entry is not None and entry.owner == self.worker]

    def _take_now(self, caps: Mapping[str, int]) -> list[Claim]:
        now_ms = self._broker.clock.now_ms()
        for version, priority in self._round_robin.order(list(caps)):
            waiting = [
                entry
                for entry in list(self._broker.entries.values())
                if (entry.task.version, entry.task.priority) == (version, priority) and not entry.owner
            ]
            for late in [entry for entry in waiting if entry.deadline_ms <= now_ms]:
                self._broker.finalize(late, PredictionStatus.EXPIRED)
                waiting.remove(late)
            suspects = [entry for entry in waiting if entry.is_suspect]
            if batch := suspects[:1] or waiting[: caps[version]]:
                self._round_robin.served(version)
                return [self._claim(entry, now_ms) for entry in batch]
        return []

    def _claim(self, entry: Entry, now_ms: int) -> Claim:
        entry.owner, entry.leased_at_ms, entry.started_ms = self.worker, now_ms, now_ms
        entry.deliveries += 1
        task, queue_ms = entry.task, float(now_ms - entry.created_ms)
        place = (task.id, task.version, task.priority, task.tensor)
        times = (entry.created_ms, entry.deadline_ms, queue_ms)
        return Claim(*place, *times, entry.deliveries, entry.token, task.context)

    def _bury(self, entry: Entry) -> None:
        broker, task = self._broker, entry.task
        now_ms = broker.clock.now_ms()
        letter = DeadLetter(entry.token, task.id, task.version, entry.deliveries, "lease lost", now_ms)
        broker.dead[entry.token] = (letter, task)
        broker.finalize(entry, PredictionStatus.FAILED, replace(open_state(entry), failure=GAVE_UP))


def _said(entry: Entry, completion: Completion, worker: str) -> JobState:
    return replace(
        open_state(entry),
        classification=completion.classification,
        failure=completion.failure,
        timings=replace(completion.timings, intake_ms=entry.task.context.intake_ms),
        served_version=completion.served_version,
        served_digest=completion.served_digest,
        worker=worker,
        batch_size=completion.batch_size,
        deliveries=completion.claim.deliveries,
    )
