"""The recorder's side, the operator's side, and who serves what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from splitleaf.core.errors import NotFound
from splitleaf.core.ids import new_prediction_id
from splitleaf.jobs.queue import (
    DeadLetter,
    FeedEntry,
    Priority,
    Task,
    WorkerReport,
)
from tests.support.memory_queue.broker import MemoryBroker
from tests.support.memory_queue.queue import MemoryJobQueue


class MemoryOutcomeFeed:
    """`OutcomeFeed` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._in_hand: set[str] = set()

    async def read(self, count: int, block_ms: int) -> Sequence[FeedEntry]:
        def unread() -> list[str]:
            return [token for token in self._broker.feed if token not in self._in_hand][:count]

        try:
            async with asyncio.timeout(max(block_ms, 1) / 1000), self._broker.changed:
                tokens = await self._broker.changed.wait_for(unread)
        except TimeoutError:
            return ()
        self._in_hand.update(tokens)
        return [FeedEntry(token, self._broker.feed[token]) for token in tokens]

    async def acknowledge(self, entries: Sequence[FeedEntry]) -> None:
        for entry in entries:
            self._broker.feed.pop(entry.token, None)
            self._in_hand.discard(entry.token)

    async def backlog(self) -> int:
        return len(self._broker.feed)

    async def close(self) -> None:
        return


class MemoryDeadLetters:
    """`DeadLetters` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def list(self, version: str, limit: int) -> Sequence[DeadLetter]:
        letters = [letter for letter, _ in self._broker.dead.values() if letter.version == version]
        return letters[::-1][:limit]

    async def find(self, version: str, token: str) -> DeadLetter:
        return self._letter(version, token)[0]

    async def retry(self, version: str, token: str) -> str:
        _, task = self._letter(version, token)
        fresh = replace(task, id=new_prediction_id())
        await MemoryJobQueue(self._broker).submit(fresh)
        await self.discard(version, token)
        return fresh.id

    async def discard(self, version: str, token: str) -> None:
        self._letter(version, token)
        del self._broker.dead[token]

    def _letter(self, version: str, token: str) -> tuple[DeadLetter, Task]:
        found = self._broker.dead.get(token)
        if found is None or found[0].version != version:
            raise NotFound("There is no such dead letter.", code="dead_letter_not_found")
        return found


class MemoryWorkerDirectory:
    """`WorkerDirectory` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def report(self, report: WorkerReport, ttl_s: float) -> None:
        self._broker.reports[report.worker] = (report, self._broker.clock.now_ms() + ttl_s * 1000)

    async def workers(self) -> Sequence[WorkerReport]:
        now_ms = self._broker.clock.now_ms()
        return [report for _, (report, until_ms) in sorted(self._broker.reports.items()) if until_ms > now_ms]

    async def remove(self, worker: str) -> None:
        self._broker.reports.pop(worker, None)

    async def close(self) -> None:
        pass


class MemoryLeaderElection:
    """`LeaderElection` in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def lead(self, controller: str, ttl_s: float, statement: str = "") -> bool:
        now_ms = self._broker.clock.now_ms()
        leader, until_ms, said = self._broker.leader
        if until_ms <= now_ms:
            leader, said = "", ""
        if leader not in ("", controller):
            return False
        self._broker.leader = (controller, now_ms + ttl_s * 1000, statement or said)
        return True

    async def resign(self, controller: str) -> None:
        if self._broker.leader[0] == controller:
            self._broker.leader = ("", 0.0, "")

    async def statement(self) -> str:
        _, until_ms, said = self._broker.leader
        return said if until_ms > self._broker.clock.now_ms() else ""

    async def settled_ms(self) -> int:
        broker = self._broker
        is_open = [one.created_ms for one in broker.entries.values() if one.task.priority is not Priority.SHADOW]
        unrecorded = [one.created_ms for one in broker.feed.values() if one.priority is not Priority.SHADOW]
        return min([broker.clock.now_ms(), *is_open, *unrecorded])

    async def close(self) -> None:
        """Nothing to give back."""
