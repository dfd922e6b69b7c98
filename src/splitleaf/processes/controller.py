"""The controller role: writes what happened to the database, once each."""

from __future__ import annotations

import asyncio

from splitleaf.flows.record_outcomes import Recorder
from splitleaf.jobs.redis import RedisOutcomeFeed
from splitleaf.processes.broker import queue_limits, require_broker_url
from splitleaf.processes.logs import configure_logs
from splitleaf.processes.runner import run_role, stop_on_signals
from splitleaf.processes.store import new_store
from splitleaf.settings import Settings, read_settings


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
    try:
        await Recorder(feed, store).run(stop)
    finally:
        await feed.close()
        store.close()
