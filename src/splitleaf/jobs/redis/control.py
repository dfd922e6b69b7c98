"""Who leads the controllers, and what the leader sees."""

from __future__ import annotations

from splitleaf.jobs import keys
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.redis.link import Link
from splitleaf.jobs.redis.scripts import script


class RedisControlDesk:
    """`ControlDesk` on two keys that lapse by themselves."""

    def __init__(self, url: str, limits: QueueLimits | None = None) -> None:
        self._link = Link(url, timeout_s=(limits or QueueLimits()).timeout_s)

    async def lead(self, controller: str, ttl_s: float, statement: str = "") -> bool:
        names = (keys.LEADER, keys.STATEMENT)
        return bool(await self._link.run(script("lead"), names, (controller, round(ttl_s * 1000), statement)))

    async def resign(self, controller: str) -> None:
        await self._link.run(script("resign"), (keys.LEADER, keys.STATEMENT), (controller,))

    async def statement(self) -> str:
        text: bytes | None = await self._link.call("GET", keys.STATEMENT)
        return (text or b"").decode()

    async def close(self) -> None:
        await self._link.close()
