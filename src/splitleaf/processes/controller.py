"""The controller role: records outcomes, guards experiments and fills the review queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from splitleaf.core.clock import SystemClock
from splitleaf.flows.curate_reviews import ReviewCurator
from splitleaf.flows.guard_experiments import ExperimentGuardian
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.record_outcomes import Recorder
from splitleaf.flows.watch_drift import DriftReport, watch_answering
from splitleaf.installation.broker import greet_broker, require_broker_url
from splitleaf.installation.images import new_archive, retention
from splitleaf.installation.queue import QueueBackend, new_queue
from splitleaf.installation.repository import default_alias
from splitleaf.installation.store import new_store
from splitleaf.jobs.queue import OutcomeFeed
from splitleaf.jobs.worker_names import new_worker_name
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION
from splitleaf.settings import Settings, read_settings
from splitleaf.supervision.runner import run_role, stop_on_signals
from splitleaf.telemetry.listener import start_metrics
from splitleaf.telemetry.logs import configure_logs

if TYPE_CHECKING:
    from splitleaf.telemetry.controller_metrics import ControllerMetrics


def run_controller(parent_fd: int | None) -> None:
    """Record and guard until SIGTERM."""
    settings = read_settings()
    configure_logs(settings, "controller")
    run_role(_control(settings, parent_fd), settings.alive_file)


async def _control(settings: Settings, parent_fd: int | None) -> None:
    url = require_broker_url(settings)
    await greet_broker(url)
    backend = new_queue(settings, url)
    stop = asyncio.Event()
    stop_on_signals(stop.set, parent_fd)
    async with contextlib.AsyncExitStack() as stack:
        store = await asyncio.to_thread(new_store, settings)
        stack.callback(store.close)
        feed, election = backend.feed(), backend.election()
        stack.push_async_callback(feed.close)
        stack.push_async_callback(election.close)
        metrics = await stack.enter_async_context(_measured(settings, backend, feed, store))
        recorder = Recorder(feed, store, metrics.recorded) if metrics else Recorder(feed, store)
        guardian = ExperimentGuardian(store, election, SystemClock(), new_worker_name())
        share, images = settings.review.audit_share, new_archive(settings)
        curator = ReviewCurator(store, SystemClock(), share, images=images, retention=retention(settings))
        await asyncio.gather(recorder.run(stop), guardian.run(stop), curator.run(stop))


@contextlib.asynccontextmanager
async def _measured(
    settings: Settings, backend: QueueBackend, feed: OutcomeFeed, store: OutcomeStore
) -> AsyncIterator[ControllerMetrics | None]:
    """Measure the broker and drift for all processes, if metrics are enabled."""
    instruments = start_metrics(settings)
    if instruments is None:
        yield None
        return
    from splitleaf.telemetry.controller_metrics import ControllerMetrics

    metrics = ControllerMetrics(instruments)
    queue, directory = backend.client().queue, backend.directory()
    tasks = [
        asyncio.create_task(metrics.keep_looking(queue, feed, directory)),
        asyncio.create_task(metrics.keep_watching(_drift_watch(settings, store))),
    ]
    try:
        yield metrics
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await queue.close()
        await directory.close()


def _drift_watch(settings: Settings, store: OutcomeStore) -> Callable[[], Sequence[DriftReport]]:
    catalogue = Catalogue(settings.models_dir)

    def watch() -> Sequence[DriftReport]:
        routing = load_routing(store, default_alias(settings.models_dir, CHAMPION))
        return watch_answering(store, catalogue.scan(), routing)

    return watch
