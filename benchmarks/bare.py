"""The bare loop: decode, resize, batch inference, with both cores busy and no server.

Run as a process for each core: `python -m benchmarks.bare NETWORK IMAGE --seconds 10` prints images a second.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from splitleaf.engine.onnx import OnnxRuntime

BATCH = 8
"""What product and peers are compared with. A larger network is quicker one by one on many a CPU: `--batch 1`."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, default=BATCH)
    arguments = parser.parse_args()
    runtime = OnnxRuntime(arguments.network)
    image = arguments.image.read_bytes()
    batch = np.empty((arguments.batch, arguments.side, arguments.side, 3), np.float32)
    run_batch(runtime, image, batch)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < arguments.seconds:
        run_batch(runtime, image, batch)
        done += arguments.batch
    print(done / (time.perf_counter() - started))


def run_batch(runtime: OnnxRuntime, image: bytes, batch: np.ndarray) -> None:
    """Do for a batch what a server must do at the least."""
    size = (batch.shape[2], batch.shape[1])
    for row in batch:
        pixels = simplejpeg.decode_jpeg(image, "RGB")
        row[...] = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    runtime.run(batch)


def processor_us(network: bytes, image: bytes, side: int, batch: int = BATCH, runs: int = 12) -> float:
    """Return the processor microseconds that this loop takes for an image, the median of some batches."""
    runtime = OnnxRuntime(network)
    images = np.empty((batch, side, side, 3), np.float32)
    times = []
    for _ in range(runs + 1):
        started = time.process_time()
        run_batch(runtime, image, images)
        times.append((time.process_time() - started) / batch)
    return 1e6 * statistics.median(times[1:])


if __name__ == "__main__":
    main()
