"""How long one image takes on one thread."""

from __future__ import annotations

import statistics
import time

import numpy as np

from splitleaf.engine.runtime import Runtime

_WARM_UP, _RUNS = 3, 25


def measure_latency_ms(runtime: Runtime, shape: tuple[int, int, int]) -> float:
    """Return the median CPU time of one image in milliseconds; the runtime computes on the calling thread."""
    image = np.full((1, *shape), 0.5, dtype=np.float32)
    times = []
    for _ in range(_WARM_UP + _RUNS):
        started = time.thread_time()
        runtime.run(image)
        times.append((time.thread_time() - started) * 1000)
    return statistics.median(times[_WARM_UP:])
