"""How large an installation has to be: `python -m benchmarks.sizes` measures workers times threads, one row each.

All of it runs on this machine, the load generator included, so a rate is the least that these processors do. The
processor time of an image is what the formula of docs/how-to/size-an-installation.md goes by: others on the machine
hardly change it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tests.support.images import leaf_like_jpeg
from tests.support.repositories import write_version
from tests.system.running import RunningSystem, start_system

from benchmarks.costs import SETTLED_S, processor_time
from benchmarks.figures import LABELS, resident_mb
from benchmarks.load import drive, prepared_request
from benchmarks.networks import mobilenet_v2
from splitleaf.installation.broker import running_broker_url
from splitleaf.jobs.redis.client import RedisClient

SHAPES = ((1, 1), (1, 2), (2, 1), (2, 2))
"""Workers, and threads of each."""
COLUMNS = (
    "workers x threads",
    "images/s",
    "p99",
    "worker's time an image",
    "all others'",
    "worker",
    "API",
    "waits",
    "answered",
)
"""The last two: what the broker needs for an image that waits, and for an answer for as long as it is kept."""
CONNECTIONS = 32
WAITING = 200
"""Images that are left waiting to see what they take of the broker."""
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Size:
    """What one shape of an installation did. Times are processor milliseconds of an image."""

    rate: float
    p99_ms: float
    worker_ms: float
    rest_ms: float
    worker_mb: float
    api_mb: float
    waiting_kb: float
    answered_kb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--version", default="mobilenet", help="mobilenet (random weights, 224 x 224), or one of models/"
    )
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---" * len(COLUMNS) + "|")
    for workers, threads in SHAPES:
        with _installation(arguments.version, workers, threads) as (system, pids):
            size = _measure(system, pids, arguments.seconds)
        print(
            f"| {workers} x {threads} | {size.rate:.0f} | {size.p99_ms:.0f} ms | {size.worker_ms:.1f} ms "
            f"| {size.rest_ms:.1f} ms | {size.worker_mb:.0f} MB | {size.api_mb:.0f} MB | {size.waiting_kb:.0f} KB "
            f"| {size.answered_kb:.2f} KB |",
            flush=True,
        )


@contextmanager
def _installation(version: str, workers: int, threads: int) -> Iterator[tuple[RunningSystem, list[int]]]:
    """Start a system on one version, with workers beside its own; give it and all workers' process ids."""
    with tempfile.TemporaryDirectory() as scratch:
        models, data = Path(scratch) / "models", Path(scratch) / "data"
        if version == "mobilenet":
            write_version(models, "v1", mobilenet_v2(), labels=LABELS, side=224)
        else:
            shutil.copytree(ROOT / "models" / version, models / version)
            defaults = (ROOT / "models/repository.toml").read_text(encoding="utf-8")
            defaults = re.sub(r'champion = "\w+"', f'champion = "{version}"', defaults)
            (models / "repository.toml").write_text(defaults, encoding="utf-8")
        settings = {"SPLITLEAF_WORKER__THREADS": str(threads), "SPLITLEAF_LOG_LEVEL": "warning"}
        system = start_system(models, data, **settings)
        environment = {
            **os.environ,
            **settings,
            "SPLITLEAF_MODELS_DIR": str(models),
            "SPLITLEAF_REDIS_URL": running_broker_url(data),
        }
        command = [sys.executable, "-m", "splitleaf", "worker"]
        others = [subprocess.Popen(command, env=environment) for _ in range(workers - 1)]
        try:
            _wait_for_workers(system, workers)
            yield system, [*system.pids("worker"), *(one.pid for one in others)]
        finally:
            for one in others:
                one.terminate()
                one.wait(60)
            system.stop()


def _wait_for_workers(system: RunningSystem, count: int) -> None:
    give_up_at = time.monotonic() + 60
    with httpx.Client(base_url=system.url, timeout=5) as client:
        while client.get("/health").json()["workers"] < count:
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"{count} workers did not start")
            time.sleep(0.1)


def _measure(system: RunningSystem, workers: list[int], seconds: float) -> Size:
    request = prepared_request(system.url, leaf_like_jpeg())
    drive(system.url, request, CONNECTIONS, 2)
    time.sleep(SETTLED_S)  # what was under way when the clients left is in the broker until then
    top, used = system.process.pid, _broker_bytes(system)
    before, workers_before = processor_time(top), [processor_time(one)["worker"] for one in workers]
    load = drive(system.url, request, CONNECTIONS, seconds)
    answered = load.statuses[200]
    after, workers_after = processor_time(top), [processor_time(one)["worker"] for one in workers]
    own = sum(workers_after) - sum(workers_before)
    rest = sum((after - before).values()) - (after - before)["worker"]
    ordered = sorted(load.latencies_s)
    time.sleep(SETTLED_S)
    answered_bytes = (_broker_bytes(system) - used) / answered
    return Size(
        rate=answered / seconds,
        p99_ms=1000 * ordered[int(len(ordered) * 0.99)],
        worker_ms=own / answered / 1000,
        rest_ms=rest / answered / 1000,
        worker_mb=max(map(resident_mb, workers)),
        api_mb=max(map(resident_mb, system.pids("api"))),
        waiting_kb=_waiting_bytes(system, workers) / 1000,
        answered_kb=answered_bytes / 1000,
    )


def _waiting_bytes(system: RunningSystem, workers: list[int]) -> float:
    """Return the broker's bytes for an image that waits, while the workers stand still."""
    image = leaf_like_jpeg()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        before = _broker_bytes(system)
        with httpx.Client(base_url=system.url, timeout=30) as client:
            statuses = [client.post("/v1/predictions", content=image).status_code for _ in range(WAITING)]
        return (_broker_bytes(system) - before) / statuses.count(httpx.codes.ACCEPTED)
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)


def _broker_bytes(system: RunningSystem) -> int:
    """Return what the broker uses, the buffers of its connections and of its log left out: they come and go."""

    async def ask() -> bytes:
        client = RedisClient(running_broker_url(system.data), timeout_s=5)
        try:
            text: bytes = await client.call("INFO", "memory")
        finally:
            await client.close()
        return text

    lines = asyncio.run(ask()).decode().splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(facts["used_memory"]) - int(facts["mem_clients_normal"]) - int(facts["mem_aof_buffer"])


if __name__ == "__main__":
    main()
