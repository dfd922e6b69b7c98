"""Who serves what, as the workers report it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace

import structlog

from splitleaf.jobs import keys
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import WorkerReport
from splitleaf.jobs.redis.client import RedisClient, raise_error
from splitleaf.jobs.redis.scripts import script

log = structlog.get_logger(__name__)

_LONGEST_LIFE_MS = 60_000
"""Of a report, whatever was asked for."""


class RedisWorkerDirectory:
    """`WorkerDirectory` on a key for each worker that lapses on its own."""

    def __init__(self, url: str, limits: QueueLimits | None = None) -> None:
        limits = limits or QueueLimits()
        self._client = RedisClient(url, timeout_s=limits.timeout_s, replicas=limits.replicas)

    async def report(self, report: WorkerReport, ttl_s: float) -> None:
        text = json.dumps({**asdict(report), "versions": dict(report.versions), "digests": dict(report.digests)})
        names = (keys.WORKERS, keys.worker_key(report.worker))
        life_ms = min(_LONGEST_LIFE_MS, max(1, int(ttl_s * 1000)))
        await self._client.run_script(script("report"), names, (report.worker, text, life_ms))

    async def workers(self) -> Sequence[WorkerReport]:
        names = sorted(name.decode() for name in await self._client.call("SMEMBERS", keys.WORKERS))
        if not names:
            return []
        reports = [keys.worker_key(name) for name in names]
        # A worker that died before the broker's clock went back must not seem to be there until then.
        caps = [("PEXPIRE", report, _LONGEST_LIFE_MS, "LT") for report in reports]
        texts, *_ = await self._client.pipeline([("MGET", *reports), *caps])
        if gone := [name for name, text in zip(names, raise_error(texts), strict=True) if text is None]:
            await self._client.call("SREM", keys.WORKERS, *gone)
        found = [_read_report(text) for text in texts if text is not None]
        return [report for report in found if report is not None]

    async def remove(self, worker: str) -> None:
        await self._client.call("SREM", keys.WORKERS, worker)
        await self._client.call("DEL", keys.worker_key(worker))

    async def close(self) -> None:
        await self._client.close()


def _read_report(text: bytes) -> WorkerReport | None:
    """Return a report; None if it is malformed. Fields of a newer release are ignored."""
    known = {field.name for field in fields(WorkerReport)}
    try:
        table = json.loads(text)
        report = WorkerReport(**{name: value for name, value in table.items() if name in known})
        # Read here, so that no caller meets a value of another type.
        return replace(report, versions=dict(report.versions), digests=dict(report.digests))
    except (ValueError, TypeError, AttributeError):
        log.warning("worker_report_unreadable", report=ascii(text[:80]))
        return None
