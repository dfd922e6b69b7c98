"""Rates counted in the broker, by its clock."""

from __future__ import annotations

from splitleaf.jobs.keys import rate_key
from splitleaf.jobs.rates import Rate, Standing
from splitleaf.jobs.redis.queue import RedisJobQueue
from splitleaf.jobs.redis.scripts import script


class RedisRateLimiter:
    """`RateLimiter` on a key for each client that lapses on its own; travels with what else the process asks."""

    def __init__(self, queue: RedisJobQueue) -> None:
        self._client = queue.broker.client

    async def charge(self, rate: Rate, client: str) -> Standing:
        is_allowed, due_ms, now_ms = await self._client.run_script(
            script("charge"), (rate_key(rate.name, client),), (rate.window_s * 1000, rate.interval_ms)
        )
        return Standing.read(rate, float(due_ms), float(now_ms), is_allowed=bool(is_allowed))
