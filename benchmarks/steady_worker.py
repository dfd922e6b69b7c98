"""A worker that takes the same time for each image, whatever else the machine does, and no processor time for it.

So a capacity is known and stays what it is. `python -m benchmarks.steady_worker DATA v1=25 v2=5` serves these versions,
in milliseconds an image, on the embedded broker of a data folder, as soon as that is there.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from splitleaf.core.errors import DependencyDown
from splitleaf.core.prediction import Classification, LabelScore
from splitleaf.installation.broker import running_broker_url
from splitleaf.jobs.queue import Claim, Completion, Timings, WorkerReport
from splitleaf.jobs.redis import RedisJobConsumer, RedisWorkerDirectory

CAP = 8
LABEL = "condition 0"


async def work(url: str, service_ms: Mapping[str, float]) -> None:
    consumer, directory = RedisJobConsumer(url), RedisWorkerDirectory(url)
    report = WorkerReport(consumer.worker, "steady", os.getpid(), 0, dict.fromkeys(service_ms, "ready"), {})
    caps = dict.fromkeys(service_ms, CAP)

    async def keep_reporting() -> None:
        while True:
            await directory.report(report, 7)
            await consumer.recover(caps)
            await asyncio.sleep(1)

    reporting = asyncio.create_task(keep_reporting())
    free_at = time.perf_counter()
    while not reporting.done():
        claims = await consumer.take(caps, 500)
        now = time.perf_counter()
        # By the clock, so that a late wake-up is caught up with.
        free_at = max(free_at, now - 0.05) + sum(service_ms[claim.version] for claim in claims) / 1000
        await asyncio.sleep(free_at - now)
        await consumer.finish(_completions(claims))


def _completions(claims: Sequence[Claim]) -> list[Completion]:
    answer = Classification((LabelScore(LABEL, LABEL, 1.0),), 0.0, is_sure=True)
    return [
        Completion(claim, answer, None, Timings(queue_ms=claim.queue_ms), claim.version, "", len(claims))
        for claim in claims
    ]


def main() -> None:
    data = Path(sys.argv[1])
    service_ms = {name: float(text) for name, _, text in (word.partition("=") for word in sys.argv[2:])}
    while True:
        try:
            asyncio.run(work(running_broker_url(data), service_ms))
        except DependencyDown:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
