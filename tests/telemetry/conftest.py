from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from splitleaf.engine.loading import load_classifier
from splitleaf.flows.watch_drift import WINDOW
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.importing.photos import labelled_folder
from tests.support.insightful import import_insightful
from tests.support.sightings import answered
from tests.system.running import RunningSystem, start_system


class Metrics:
    """What one process says now."""

    def __init__(self, port: int) -> None:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        self.names = set()
        self.samples = {}
        for family in text_string_to_metric_families(text):
            self.names.add(family.name)
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def value(self, name: str, **labels: str) -> float:
        """Return the sum over all series that have these labels."""
        wanted = set(labels.items())
        return sum(value for (found, of), value in self.samples.items() if found == name and wanted <= of)


@pytest.fixture(scope="module")
def ports() -> tuple[int, int, int]:
    """Three neighbours that are free: the API's, the worker's and the controller's."""
    for first in range(20_000, 30_000, 3):
        try:
            for port in range(first, first + 3):
                with socket.create_server(("127.0.0.1", port)):
                    pass
        except OSError:
            continue
        return first, first + 1, first + 2
    raise AssertionError("no three free ports")


@pytest.fixture(scope="module")
def measured(ports: tuple[int, int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system whose processes serve metrics, with a window of images that are what they were at import."""
    made, data = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("data")
    classifier = load_classifier(import_insightful(made, labelled_folder(made / "photos", 100)))
    store = SqlOutcomeStore(f"sqlite:///{data / 'outcomes.sqlite3'}")
    store.migrate()
    store.record_outcomes(answered(classifier, np.random.default_rng(2), WINDOW))
    store.close()
    models = made / "models"
    (models / "repository.toml").write_text('schema = 1\nname = "colours"\n[aliases]\nchampion = "v1"\n')
    running = start_system(models, data, SPLITLEAF_METRICS__PORT=str(ports[0]))
    yield running
    assert running.stop() == 0


def wait_for(port: int, is_there: Callable[[Metrics], bool], within_s: float = 30) -> Metrics:
    """Return the process's metrics once they say so."""
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            metrics = Metrics(port)
            if is_there(metrics):
                return metrics
        except httpx.TransportError:
            metrics = None
        assert time.monotonic() < give_up_at, metrics and sorted(metrics.samples.items(), key=str)
        time.sleep(0.1)
