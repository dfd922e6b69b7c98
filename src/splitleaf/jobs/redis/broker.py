"""What all adapters of one process share: the line to the broker, the limits, and the known versions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import structlog

from splitleaf.core.prediction import Failure
from splitleaf.jobs import keys
from splitleaf.jobs.keys import VersionKeys
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.messages import encode_failure
from splitleaf.jobs.redis.client import RedisClient
from splitleaf.jobs.redis.scripts import script

log = structlog.get_logger(__name__)

_GAVE_UP = Failure("inference_failed", "The image could not be processed. Please try another one.")
_ENTRIES_A_ROUND = 100

keys_of = lru_cache(maxsize=1024)(VersionKeys)


class RedisBroker:
    """A Redis >= 7.0 or Valkey >= 8 server, by URL (`redis://`, `rediss://`, `unix://`).

    Connects when it is first used; the server's version and eviction policy are checked then, and a
    server that does not fit is a `ConfigurationError`.
    """

    def __init__(self, url: str, limits: QueueLimits, *, timeout_s: float) -> None:
        self.limits = limits
        self.client = RedisClient(url, timeout_s=timeout_s)
        self._aside: dict[str, int] = {}
        """Version -> how much of it was set aside when we looked last."""
        self.replicated = (
            RedisClient(url, timeout_s=timeout_s, replicas=limits.replicas) if limits.replicas else self.client
        )
        """The line for what is told to the outside or believed ever after: nothing that a failover could take back. A
        connection of its own, for it may have to wait."""

    async def ping(self) -> None:
        """Raise `DependencyDown` when the broker does not answer in time."""
        await self.client.call("PING")

    async def versions(self) -> Sequence[str]:
        """Return all versions that have a worker, or that something may be left of."""
        return sorted(name.decode() for name in await self.client.call("SMEMBERS", keys.VERSIONS))

    async def add_versions(self, versions: Sequence[str]) -> None:
        """Make versions known to those who look for ids."""
        if versions:
            await self.client.run_script(script("introduce"), (keys.VERSIONS,), versions)

    async def look_after(self, version: str) -> tuple[int, int, int]:
        """Return tasks whose lease ran out, end what came too late, set aside what kills workers or is not ours.

        Returns how many were returned, dead-lettered and expired.
        """
        limits, names = self.limits, keys_of(version)
        handed_back, buried, expired, aside = await self.replicated.run_script(
            script("recover"),
            (*names.streams, names.dead, names.meters),
            (
                keys.ANNOUNCEMENTS,
                limits.result_ttl_s * 1000,
                limits.lease_ms,
                limits.max_deliveries,
                _ENTRIES_A_ROUND,
                encode_failure(_GAVE_UP),
                limits.dead_letter_ttl_s * 1000,
                limits.max_dead_letters,
            ),
        )
        if aside > self._aside.get(version, 0):
            log.warning("set_aside", version=version, entries_and_keys=aside, kept_in=names.aside.decode())
        self._aside[version] = aside
        return handed_back, buried, expired

    async def close(self) -> None:
        await self.replicated.close()
        await self.client.close()
