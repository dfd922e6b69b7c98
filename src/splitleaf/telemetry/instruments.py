"""The kinds of metrics, with the names and buckets that all processes share.

Names follow Prometheus' conventions: base units, `_total` for counters. Labels never hold a unit, an id or a path that
a client chose, so the number of series is bounded by routes, codes, versions and variants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

NAMESPACE: Final = "splitleaf"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64)


class Instruments:
    """Makes metrics of one process; each has the label `model`, the repository's name, in front of its own."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, text, ("model", *labels), namespace=NAMESPACE, registry=self.registry)

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, text, ("model", *labels), namespace=NAMESPACE, registry=self.registry)

    def histogram(
        self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        return Histogram(
            name, text, ("model", *labels), namespace=NAMESPACE, registry=self.registry, buckets=tuple(buckets)
        )
