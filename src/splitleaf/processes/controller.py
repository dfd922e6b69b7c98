"""The controller role: writes what happened to the database, once each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from splitleaf.flows.record_outcomes import Recorder
from splitleaf.jobs.queue import OutcomeFeed
from splitleaf.jobs.redis import RedisJobQueue, RedisOutcomeFeed, RedisWorkerDirectory
from splitleaf.processes.broker import queue_limits, require_broker_url
from splitleaf.processes.logs import configure_logs
from splitleaf.processes.metrics import start_metrics
from splitleaf.processes.runner import run_role, stop_on_signals
from splitleaf.processes.store import new_store
from splitleaf.settings import Settings, read_settings

if TYPE_CHECKING:
    from splitleaf.telemetry.controller_metrics import ControllerMetrics


def run_controller(parent_fd: int | None) -> None:
    """Record until SIGTERM."""
    settings = read_settings()
    configure_logs(settings, "controller")
    run_role(_record(settings, parent_fd), settings.alive_file)


async def _record(settings: Settings, parent_fd: int | None) -> None:
    url = require_broker_url(settings)
    stop = asyncio.Event()
    stop_on_signals(stop.set, parent_fd)
    store = await asyncio.to_thread(new_store, settings)
    feed = RedisOutcomeFeed(url, queue_limits(settings))
    async with _measured(settings, url, feed) as metrics:
        recorder = Recorder(feed, store, metrics.recorded) if metrics else Recorder(feed, store)
        try:
            await recorder.run(stop)
        finally:
            await feed.close()
            store.close()


@contextlib.asynccontextmanager
async def _measured(settings: Settings, url: str, feed: OutcomeFeed) -> AsyncIterator[ControllerMetrics | None]:
    """Look at the broker on behalf of all processes, where metrics are asked for."""
    instruments = start_metrics(settings)
    if instruments is None:
        yield None
        return
    from splitleaf.telemetry.controller_metrics import ControllerMetrics

    metrics, limits = ControllerMetrics(instruments), queue_limits(settings)
    queue, directory = RedisJobQueue(url, limits), RedisWorkerDirectory(url, limits)
    looking = asyncio.create_task(metrics.keep_looking(queue, feed, directory))
    try:
        yield metrics
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await queue.close()
        await directory.close()
