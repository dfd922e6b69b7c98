"""Metrics of a controller, and of the broker on behalf of all processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Gauge

from splitleaf.core.errors import SplitleafError
from splitleaf.flows.watch_drift import DriftReport
from splitleaf.jobs.queue import JobQueue, JobState, OutcomeFeed, Priority, QueueDepth, WorkerDirectory
from splitleaf.telemetry.instruments import Instruments

log = structlog.get_logger(__name__)

SAMPLE_S = 2.0
DRIFT_S = 300.0
DRIFT_RETRY_S = 5.0
"""At the first start, the database is migrated a moment later."""


class ControllerMetrics:
    """Outcomes by status and variant; the queue's depths, leases and dead letters; the recorder's backlog; drift."""

    def __init__(self, instruments: Instruments) -> None:
        self._model = instruments.model
        self._outcomes = instruments.counter("outcomes", "Final states written down.", ("version", "role", "status"))
        self._exposures = instruments.counter(
            "exposures",
            "Final states of running experiments, by assigned variant.",
            ("experiment", "variant", "status"),
        )
        streams = ("version", "priority")
        self._waiting = instruments.gauge("queue_waiting", "Tasks that wait.", streams)
        self._leases = instruments.gauge("queue_leases", "Tasks in a worker's hands.", streams)
        self._oldest = instruments.gauge("queue_oldest_waiting_seconds", "Age of the oldest that waits.", streams)
        self._bytes = instruments.gauge("queue_bytes", "Bytes of images that wait or are in hand.", ("version",))
        self._dead = instruments.gauge("dead_letters", "Tasks set aside because workers died on them.", ("version",))
        self._backlog = instruments.gauge("recorder_backlog", "Final states that are not written down yet.")
        self._workers = instruments.gauge("workers", "Workers that live and take work.")
        self._broker = instruments.gauge("broker_up", "1 when the broker answered the last look.")
        self._drift = instruments.gauge(
            "drift_ratio", "Index of the newest full window by its limit: above 1 is drift.", ("version", "measure")
        )
        self._drift_alarms = instruments.gauge(
            "drift_alarms_in_a_row", "How many of the newest full windows, one after another, are alarms.", ("version",)
        )
        self._drifting: set[tuple[Gauge, tuple[str, ...]]] = set()

    def recorded(self, states: Sequence[JobState]) -> None:
        """Count recorded outcomes."""
        for state in states:
            context, is_shadow = state.context, state.priority is Priority.SHADOW
            version, role = state.served_version or state.version, "shadow" if is_shadow else "primary"
            self._outcomes.labels(self._model, version, role, state.status.value).inc()
            if context.experiment and not is_shadow and not context.override:
                of = (self._model, context.experiment, context.variant)
                self._exposures.labels(*of, state.status.value).inc()

    async def keep_looking(self, queue: JobQueue, feed: OutcomeFeed, directory: WorkerDirectory) -> None:
        """Measure the broker until cancelled."""
        while True:
            try:
                self.looked(await queue.depths())
                self._backlog.labels(self._model).set(await feed.backlog())
                alive = [one for one in await directory.workers() if not one.draining]
                self._workers.labels(self._model).set(len(alive))
                self._broker.labels(self._model).set(1)
            except SplitleafError:
                self._broker.labels(self._model).set(0)
            await asyncio.sleep(SAMPLE_S)

    def looked(self, depths: Sequence[QueueDepth]) -> None:
        """Set the gauges of all streams."""
        for one in depths:
            of = (self._model, one.version, one.priority.name.lower())
            self._waiting.labels(*of).set(one.waiting)
            self._leases.labels(*of).set(one.running)
            self._oldest.labels(*of).set(one.oldest_waiting_ms / 1000)
            self._bytes.labels(self._model, one.version).set(one.payload_bytes)
            self._dead.labels(self._model, one.version).set(one.dead_letters)

    async def keep_watching(self, watch: Callable[[], Sequence[DriftReport]]) -> None:
        """Measure drift until cancelled. `watch` may block."""
        while True:
            pause_s = DRIFT_S
            try:
                self.watched(await asyncio.to_thread(watch))
            except SplitleafError as error:
                log.debug("drift_not_watched", detail=error.detail)
                pause_s = DRIFT_RETRY_S
            except Exception:
                # Whatever the reason is, an old value must not stay.
                log.exception("drift_not_watched")
            await asyncio.sleep(pause_s)

    def watched(self, reports: Sequence[DriftReport]) -> None:
        """Set the gauges from the newest windows, and remove versions that no longer answer."""
        present: set[tuple[Gauge, tuple[str, ...]]] = set()
        for one in reports:
            of = (self._model, one.version)
            self._drift_alarms.labels(*of).set(one.alarms_in_a_row)
            present.add((self._drift_alarms, of))
            for drift in one.windows[-1].drifts if one.windows else ():
                self._drift.labels(*of, drift.measure).set(drift.index / drift.limit)
                present.add((self._drift, (*of, drift.measure)))
        for gauge, labels in self._drifting - present:
            gauge.remove(*labels)
        self._drifting = present
