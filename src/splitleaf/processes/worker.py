"""The worker role."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from splitleaf.telemetry.worker_metrics import WorkerMetrics

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import SplitleafError
from splitleaf.engine.loading import load_classifier
from splitleaf.installation.broker import greet_broker, require_broker_url
from splitleaf.installation.queue import new_queue
from splitleaf.jobs.queue import WorkerDirectory, WorkerReport
from splitleaf.jobs.worker_names import new_worker_name
from splitleaf.registry.catalogue import Catalogue, VersionFolder
from splitleaf.settings import Settings, read_settings
from splitleaf.supervision.runner import run_role, stop_on_signals
from splitleaf.telemetry.exporter import traces
from splitleaf.telemetry.listener import start_metrics
from splitleaf.telemetry.logs import configure_logs
from splitleaf.worker.loop import LoopOptions, WorkerLoop, WorkObserver
from splitleaf.worker.versions import VersionPool

log = structlog.get_logger(__name__)

REPORT_S = 2.0
REPORT_TTL_S = 7.0
EXIT_HUNG = 70


def run_worker(parent_fd: int | None) -> None:
    """Run a worker until SIGTERM."""
    settings = read_settings()
    configure_logs(settings, "worker")
    with traces("worker") as provider:
        run_role(_work(settings, parent_fd, provider), settings.alive_file)


async def _work(settings: Settings, parent_fd: int | None, provider: TracerProvider | None) -> None:
    url, clock = require_broker_url(settings), SystemClock()
    await greet_broker(url)
    name = new_worker_name()
    versions = VersionPool(_wanted(settings, Catalogue(settings.models_dir)), load_classifier)
    options = LoopOptions(
        threads=settings.worker.threads or os.cpu_count() or 1,
        lease_ms=settings.queue.lease_ms,
        batch_timeout_s=settings.worker.batch_timeout_s,
        drain_timeout_s=settings.worker.drain_timeout_s,
    )
    backend = new_queue(settings, url)
    consumer, directory = backend.consumer(name), backend.directory()
    metrics = _metrics(settings)
    observers = [*([metrics] if metrics else []), *_traces(provider)]
    loop = WorkerLoop(consumer, versions, options, clock, _abort, observers=observers)
    stop_on_signals(loop.stop, parent_fd)
    presence = _Presence(name, versions, loop, directory, refresh_s=settings.worker.refresh_s, metrics=metrics)
    await asyncio.to_thread(versions.refresh)
    await presence.report()
    beside = [asyncio.create_task(presence.keep_versions()), asyncio.create_task(presence.keep_reporting())]
    try:
        await loop.run()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        with contextlib.suppress(SplitleafError):
            await directory.remove(name)
            await consumer.close()
        await directory.close()


def _metrics(settings: Settings) -> WorkerMetrics | None:
    instruments = start_metrics(settings)
    if instruments is None:
        return None
    from splitleaf.telemetry.worker_metrics import WorkerMetrics

    return WorkerMetrics(instruments)


def _traces(provider: TracerProvider | None) -> Sequence[WorkObserver]:
    if provider is None:
        return ()
    from splitleaf.telemetry.traces import WorkTraces

    return (WorkTraces(provider),)


class _Presence:
    """Reloads versions when the repository changes, and reports them to the worker directory."""

    def __init__(
        self,
        name: str,
        versions: VersionPool,
        loop: WorkerLoop,
        directory: WorkerDirectory,
        *,
        refresh_s: float,
        metrics: WorkerMetrics | None,
    ) -> None:
        self._name = name
        self._versions = versions
        self._loop = loop
        self._directory = directory
        self._refresh_s = refresh_s
        self._metrics = metrics
        self._started_ms = SystemClock().now_ms()

    async def keep_versions(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_s)
            before = self._versions.statuses(), self._versions.digests()
            try:
                await asyncio.to_thread(self._versions.refresh)
            except OSError as error:
                log.warning("repository_unreadable", detail=str(error))
            if (self._versions.statuses(), self._versions.digests()) != before:
                await self.report()

    async def keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            await self.report()

    async def report(self) -> None:
        if self._metrics:
            self._metrics.loaded(self._versions.statuses())
        report = WorkerReport(
            worker=self._name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_ms=self._started_ms,
            versions=self._versions.statuses(),
            digests=self._versions.digests(),
            draining=self._loop.stopping,
        )
        try:
            await self._directory.report(report, REPORT_TTL_S)
        except SplitleafError as error:
            log.warning("report_failed", detail=error.detail)


def _wanted(settings: Settings, catalogue: Catalogue) -> Callable[[], Sequence[VersionFolder]]:
    only = frozenset(settings.worker.versions)

    def scan() -> Sequence[VersionFolder]:
        return [one for one in catalogue.scan() if not only or one.version in only]

    return scan


def _abort(reason: str) -> None:
    """End the process without clean-up: a thread that hangs in native code cannot be stopped in another way."""
    log.critical("worker_aborted", reason=reason)
    sys.stderr.flush()
    os._exit(EXIT_HUNG)
