"""Leader election and the status of open work, in Redis."""

from __future__ import annotations

import asyncio
from typing import Final

from splitleaf.jobs import keys
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.messages import ACCEPTED_SCHEMAS
from splitleaf.jobs.queue import Priority
from splitleaf.jobs.redis.broker import RedisBroker, keys_of
from splitleaf.jobs.redis.scripts import script

_FEED_PAGE: Final = 1_000
"""Final states to scan in one call, which takes a few milliseconds of the broker's time."""


class RedisLeaderElection:
    """`LeaderElection` on two keys with a time to live, and on the queue's streams."""

    def __init__(self, url: str, limits: QueueLimits | None = None) -> None:
        limits = limits or QueueLimits()
        self._broker = RedisBroker(url, limits, timeout_s=limits.timeout_s)
        self._client = self._broker.replicated

    async def lead(self, controller: str, ttl_s: float, statement: str = "") -> bool:
        names = (keys.LEADER, keys.STATEMENT)
        return bool(await self._client.run_script(script("lead"), names, (controller, round(ttl_s * 1000), statement)))

    async def resign(self, controller: str) -> None:
        await self._client.run_script(script("resign"), (keys.LEADER, keys.STATEMENT), (controller,))

    async def statement(self) -> str:
        text: bytes | None = await self._client.call("GET", keys.STATEMENT)
        return (text or b"").decode()

    async def settled_ms(self) -> int:
        clock = await self._client.call("TIME")
        asked_ms = int(clock[0]) * 1000 + int(clock[1]) // 1000
        # The clock is read before the versions: tasks that arrive in between were created after it.
        found = await asyncio.gather(*map(self._settled_ms, await self._broker.versions()))
        return min([asked_ms, *found])

    async def close(self) -> None:
        await self._broker.close()

    async def _settled_ms(self, version: str) -> int:
        names = keys_of(version)
        streams = [names.streams[priority] for priority in Priority if priority is not Priority.SHADOW]
        terms = (_FEED_PAGE, int(Priority.SHADOW), self._broker.limits.lease_ms, *sorted(ACCEPTED_SCHEMAS))
        found: list[int] = []
        place, is_overdue = b"-", 0
        while place:
            answer = await self._client.run_script(script("settled"), (*streams, names.feed), (place, *terms))
            settled_ms, is_overdue, place = answer
            found.append(settled_ms)
        if is_overdue:
            # No worker may do it.
            await self._broker.look_after(version)
        return min(found)
