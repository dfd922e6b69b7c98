"""Metrics of a worker."""

from __future__ import annotations

from collections.abc import Mapping

from splitleaf.jobs.queue import Recovery
from splitleaf.telemetry.instruments import SIZES, Instruments
from splitleaf.worker.loop import BatchFacts


class WorkerMetrics:
    """Batches and their phases, failures by reason, fenced results, recovered tasks."""

    def __init__(self, instruments: Instruments) -> None:
        self._model = instruments.model
        self._images = instruments.counter("images", "Images classified or failed.", ("version", "status"))
        self._failures = instruments.counter("failures", "Images failed, by reason.", ("version", "reason"))
        self._fenced = instruments.counter(
            "fenced_results", "Results that were not the first of their prediction, and so did not count.", ("version",)
        )
        self._sizes = instruments.histogram("batch_size", "Images in a batch.", ("version",), SIZES)
        self._queue = instruments.histogram(
            "queue_duration_seconds", "From acceptance to the worker's hand, by the broker's clock.", ("version",)
        )
        self._preprocessing = instruments.histogram(
            "preprocessing_duration_seconds", "Preprocessing of a batch in the worker.", ("version",)
        )
        self._inference = instruments.histogram(
            "inference_duration_seconds", "The network's time for a batch.", ("version",)
        )
        self._recovered = instruments.counter(
            "recovered", "Tasks of silent workers and late ones: handed_back, dead_lettered, expired.", ("what",)
        )
        self._loaded = instruments.gauge("version_loaded", "1: ready; 0: it could not be loaded.", ("version",))

    def finished(self, facts: BatchFacts) -> None:
        """Count a finished batch."""
        first = facts.completions[0]
        of = (self._model, first.served_version)
        self._sizes.labels(*of).observe(len(facts.completions))
        self._preprocessing.labels(*of).observe(first.timings.preprocess_ms / 1000)
        self._inference.labels(*of).observe(first.timings.inference_ms / 1000)
        self._fenced.labels(*of).inc(len(facts.completions) - facts.visible)
        for completion in facts.completions:
            self._queue.labels(*of).observe(completion.timings.queue_ms / 1000)
            failure = completion.failure
            self._images.labels(*of, "failed" if failure else "succeeded").inc()
            if failure:
                self._failures.labels(*of, failure.code).inc()

    def recovered(self, recovery: Recovery) -> None:
        """Count the tasks of a round of recovery."""
        for what in ("handed_back", "dead_lettered", "expired"):
            self._recovered.labels(self._model, what).inc(getattr(recovery, what))

    def loaded(self, statuses: Mapping[str, str]) -> None:
        """Set the gauge of loaded versions, and remove those that are gone."""
        self._loaded.clear()
        for version, status in statuses.items():
            self._loaded.labels(self._model, version).set(status.startswith("ready"))
