"""The queue alone, without HTTP, images or networks: `python -m benchmarks.handover [--tasks 20000]`.

One process submits, then takes and finishes in batches, on a Valkey with the embedded one's settings; so the
figures are those of one API process and of one worker, with the broker beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from splitleaf.core.ids import new_prediction_id
from splitleaf.core.prediction import Classification, LabelScore
from splitleaf.core.tensor import ImageTensor
from splitleaf.jobs.embedded import EmbeddedBroker
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import Claim, Completion, Task, Timings
from splitleaf.jobs.redis import RedisJobConsumer, RedisJobQueue

LIMITS = QueueLimits(max_waiting=1_000_000, max_bytes=1 << 30, timeout_s=20, worker_timeout_s=20)
AT_ONCE = 64
CAP = 8
ANSWER = Classification((LabelScore("healthy", "Healthy", 0.97), LabelScore("ill", "Ill", 0.03)), 0.13, is_sure=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    asyncio.run(measure(parser.parse_args().tasks))


async def measure(count: int) -> None:
    print("| side of the image | submits/s | taken and finished/s, 1 a batch | the same, 8 a batch |")
    print("|---|---|---|---|")
    for side in (64, 128, 224):
        # Pixels stay in memory until their task is done.
        n = min(count, 400_000_000 // (side * side * 3))
        with tempfile.TemporaryDirectory(prefix="slq", dir="/tmp") as folder:
            broker = await EmbeddedBroker.start(Path(folder), max_memory_bytes=4 << 30)
            try:
                submits, ones = await _round(broker.url, side, n, cap=1)
                _, batches = await _round(broker.url, side, n, cap=CAP)
            finally:
                await broker.stop()
        print(f"| {side} | {submits:,.0f} | {ones:,.0f} | {batches:,.0f} |", flush=True)


async def _round(url: str, side: int, count: int, *, cap: int) -> tuple[float, float]:
    queue, worker = RedisJobQueue(url, LIMITS), RedisJobConsumer(url, LIMITS)
    tensor = ImageTensor((side, side, 3), "uint8", bytes(side * side * 3))
    started = time.perf_counter()
    numbers = iter(range(count))

    async def client() -> None:
        for _ in numbers:
            await queue.submit(Task(new_prediction_id(), "v1", tensor, 600_000))

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    submitted = time.perf_counter()
    done = 0
    while done < count:
        claims = await worker.take({"v1": cap}, 100)
        done += await worker.finish([_completion(claim, len(claims)) for claim in claims])
    finished = time.perf_counter()
    await queue.close()
    await worker.close()
    return count / (submitted - started), count / (finished - submitted)


def _completion(claim: Claim, size: int) -> Completion:
    return Completion(claim, ANSWER, None, Timings(), "v1", "d" * 64, size)


if __name__ == "__main__":
    main()
