from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from splitleaf.core.clock import SystemClock
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.engine.runtime import FloatBatch
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import JobState, Task
from splitleaf.registry.catalogue import Catalogue
from splitleaf.worker.loop import LoopOptions, WorkerLoop
from splitleaf.worker.versions import VersionPool
from tests.jobs.conftest import Parts, durable_server, memory_parts, redis_parts, server, shared_server

__all__ = ["durable_server", "server", "shared_server"]

LIMITS = QueueLimits(lease_ms=240, poll_s=0.1, max_deliveries=3)
HANGS, FAILS = (1, 2, 3), (3, 2, 1)
"""Colours that the network of `Moods` cannot take."""


@dataclass
class Moods:
    """What the real network is made to do, and what it was asked."""

    batches: list[int] = field(default_factory=list)
    """Sizes, in the order in which they came."""
    failing_versions: set[str] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)
    """Images that hang do so until it opens."""

    def runtime(self, path: Path) -> MoodyRuntime:
        return MoodyRuntime(path, self)


class MoodyRuntime(OnnxRuntime):
    """The real one, which hangs on one colour and fails on another."""

    def __init__(self, path: Path, moods: Moods) -> None:
        super().__init__(path)
        self._version = path.parent.parent.name
        self._moods = moods

    def run(self, batch: FloatBatch) -> FloatBatch:
        self._moods.batches.append(len(batch))
        if _has(batch, HANGS):
            self._moods.gate.wait(10)
        if _has(batch, FAILS) or self._version in self._moods.failing_versions:
            raise RuntimeError("a bad mood")
        return super().run(batch)


def _has(batch: FloatBatch, colour: tuple[int, int, int]) -> bool:
    return bool((batch == np.array(colour, dtype=np.float32)).all(axis=(1, 2, 3)).any())


@dataclass(eq=False)
class Worker:
    """A running loop; dies without a word when it is killed."""

    loop: WorkerLoop
    consumer: Any
    running: asyncio.Task[None] = field(init=False)
    aborted: list[str] = field(default_factory=list)
    dies_of_abort: bool = False

    def abort(self, reason: str) -> None:
        self.aborted.append(reason)
        if self.dies_of_abort:
            self.kill()

    def kill(self) -> None:
        """End as after SIGKILL: nothing is handed in, released or renewed any more."""
        for task in (self.running, *self.loop._tasks):
            task.cancel()

    async def stop(self, within_s: float = 5.0) -> None:
        self.loop.stop()
        await asyncio.wait_for(self.running, within_s)


@dataclass
class Farm:
    """Workers on one queue and one repository."""

    parts: Parts
    models: Path
    moods: Moods = field(default_factory=Moods)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = self.parts.queue()
        self.pool = VersionPool(
            Catalogue(self.models).scan, lambda at: load_classifier(at, {"onnxruntime": self.moods.runtime})
        )

    def worker(self, *, consumer: Any = None, dies_of_abort: bool = False, **options: Any) -> Worker:
        """Start a worker with one thread and nothing in advance, unless told otherwise."""
        self.pool.refresh()
        self.moods.batches.clear()
        chosen: dict[str, Any] = {
            "threads": 1,
            "prefetch": 0,
            "lease_ms": LIMITS.lease_ms,
            "block_ms": 50,
            "retry_s": 0.02,
        }
        chosen |= {"batch_timeout_s": 5.0, "drain_timeout_s": 5.0} | options
        made = consumer or self.parts.consumer()

        def abort(reason: str) -> None:
            worker.abort(reason)

        loop = WorkerLoop(made, self.pool, LoopOptions(**chosen), SystemClock(), abort)
        worker = Worker(loop, made, dies_of_abort=dies_of_abort)
        worker.running = asyncio.create_task(loop.run())
        self.workers.append(worker)
        return worker

    async def submit(self, tasks: Sequence[Task]) -> None:
        for one in tasks:
            await self.queue.submit(one)

    async def results(self, tasks: Sequence[Task], within_s: float = 8.0) -> list[JobState]:
        """Return the final states; what is not final in time is an error."""
        states = await asyncio.gather(*(self.queue.wait(one.id, within_s) for one in tasks))
        assert all(state is not None and state.status.is_final for state in states), states
        return [state for state in states if state is not None]

    async def counts(self) -> tuple[int, int]:
        """Return how many tasks wait and how many are in somebody's hands."""
        depths = await self.queue.depths()
        return sum(one.waiting for one in depths), sum(one.running for one in depths)

    async def close(self) -> None:
        self.moods.gate.set()
        for worker in self.workers:
            worker.kill()
        await asyncio.gather(*(worker.running for worker in self.workers), return_exceptions=True)
        await self.parts.close()


@pytest.fixture(params=["memory", "redis"])
async def farm(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Farm]:
    """No worker yet; on the queue in memory, and on a real broker."""
    if request.param == "memory":
        parts = memory_parts(LIMITS)
    else:
        parts = redis_parts(request.getfixturevalue("server").url, LIMITS)
    made = Farm(parts, tmp_path)
    yield made
    await made.close()
