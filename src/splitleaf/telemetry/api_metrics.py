"""Metrics of an API process."""

from __future__ import annotations

from splitleaf.api.http.middleware import RequestFacts
from splitleaf.flows.serving import Serving
from splitleaf.jobs.queue import Task
from splitleaf.telemetry.instruments import Instruments


class ApiMetrics:
    """Requests and problems, accepted images, assignments."""

    def __init__(self, instruments: Instruments) -> None:
        self._model = instruments.model
        self._requests = instruments.counter(
            "http_requests", "Requests answered, by route (not by path).", ("method", "route", "status")
        )
        self._duration = instruments.histogram(
            "http_request_duration_seconds", "Time to answer, a client's wait included.", ("method", "route")
        )
        self._problems = instruments.counter("http_problems", "Problem documents sent, by code.", ("code",))
        self._accepted = instruments.counter(
            "predictions_accepted", "Images handed to the queue.", ("version", "priority")
        )
        self._intake = instruments.histogram(
            "intake_duration_seconds",
            "Checking and decoding of an upload, the wait for a child included.",
            ("version",),
        )
        self._assignments = instruments.counter(
            "assignments", "Images of running experiments, by assigned variant.", ("experiment", "variant")
        )
        self._fallbacks = instruments.counter(
            "fallbacks", "Images that another version than the assigned one answers.", ("experiment", "reason")
        )
        self._kept = instruments.counter(
            "images_to_keep", "Images that were to be kept for review: kept, or given up.", ("outcome",)
        )
        self._is_ready = instruments.gauge("ready", "1 when images are answered.")
        self._versions = instruments.gauge(
            "versions", "Versions by state: ready (on a live worker), failed, or idle.", ("state",)
        )

    def requested(self, facts: RequestFacts) -> None:
        """Count a request that was answered."""
        self._requests.labels(self._model, facts.method, facts.route, str(facts.status)).inc()
        self._duration.labels(self._model, facts.method, facts.route).observe(facts.duration_s)
        if facts.problem:
            self._problems.labels(self._model, facts.problem).inc()

    def accepted(self, task: Task) -> None:
        """Count an accepted image."""
        context = task.context
        self._accepted.labels(self._model, task.version, task.priority.name.lower()).inc()
        self._intake.labels(self._model, task.version).observe(context.intake_ms / 1000)
        if context.experiment and not context.override:
            self._assignments.labels(self._model, context.experiment, context.variant).inc()
        if context.fallback:
            self._fallbacks.labels(self._model, context.experiment, context.fallback).inc()

    def kept(self, is_kept: bool) -> None:
        """Count an image that was kept, or could not be."""
        self._kept.labels(self._model, "kept" if is_kept else "given_up").inc()

    def looked(self, serving: Serving) -> None:
        """Set the gauges from the monitor's snapshot."""
        self._is_ready.labels(self._model).set(not serving.problems)
        known = serving.manifests.keys() | serving.failed
        failed = serving.failed - serving.ready
        for state, count in (
            ("ready", len(serving.ready)),
            ("failed", len(failed)),
            ("idle", len(known - serving.ready - failed)),
        ):
            self._versions.labels(self._model, state).set(count)
