from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from splitleaf.core.errors import ConfigurationError
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.rates import RateLimiter
from splitleaf.jobs.redis import (
    RedisDeadLetters,
    RedisJobConsumer,
    RedisJobQueue,
    RedisLeaderElection,
    RedisOutcomeFeed,
    RedisRateLimiter,
    RedisWorkerDirectory,
)
from tests.jobs.servers import BrokerServer
from tests.support.memory_queue import (
    MemoryBroker,
    MemoryDeadLetters,
    MemoryJobConsumer,
    MemoryJobQueue,
    MemoryLeaderElection,
    MemoryOutcomeFeed,
    MemoryRateLimiter,
    MemoryWorkerDirectory,
)

FAST = QueueLimits(lease_ms=60, poll_s=0.2)
"""Short times, so that leases run out within a test."""


def _started(server: BrokerServer) -> BrokerServer:
    try:
        server.start()
    except (ConfigurationError, OSError, RuntimeError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no broker can be started here: {error}")
    return server


@pytest.fixture(scope="session")
def shared_server() -> Iterator[BrokerServer]:
    with tempfile.TemporaryDirectory(prefix="slq", dir="/tmp") as folder:
        server = _started(BrokerServer(Path(folder)))
        yield server
        server.kill()


@pytest.fixture
def server(shared_server: BrokerServer) -> BrokerServer:
    """The shared broker, empty."""
    shared_server.command("FLUSHALL")
    shared_server.command("CONFIG", "SET", "maxmemory", "0")
    return shared_server


@pytest.fixture
def durable_server() -> Iterator[BrokerServer]:
    """A broker of the test's own, which may be killed and started again."""
    with tempfile.TemporaryDirectory(prefix="slq", dir="/tmp") as folder:
        server = _started(BrokerServer(Path(folder), durable=True))
        yield server
        server.kill()


@dataclass
class Parts:
    """All sides of one queue; what is made is closed at the test's end."""

    limits: QueueLimits
    make: Callable[[str, QueueLimits], Any]
    dead_letters_of: Callable[[Any], Any]
    rates_of: Callable[[Any], RateLimiter]
    made: list[Any] = field(default_factory=list)

    def _made(self, kind: str, limits: QueueLimits | None = None) -> Any:
        part = self.make(kind, limits or self.limits)
        self.made.append(part)
        return part

    def queue(self, limits: QueueLimits | None = None) -> RedisJobQueue:
        queue: RedisJobQueue = self._made("queue", limits)
        return queue

    def consumer(self) -> RedisJobConsumer:
        consumer: RedisJobConsumer = self._made("consumer")
        return consumer

    def feed(self) -> RedisOutcomeFeed:
        feed: RedisOutcomeFeed = self._made("feed")
        return feed

    def dead_letters(self) -> RedisDeadLetters:
        letters: RedisDeadLetters = self.dead_letters_of(self.queue())
        return letters

    def rates(self) -> RateLimiter:
        return self.rates_of(self.queue())

    def election(self) -> RedisLeaderElection:
        election: RedisLeaderElection = self._made("election")
        return election

    def directory(self) -> RedisWorkerDirectory:
        directory: RedisWorkerDirectory = self._made("directory")
        return directory

    async def close(self) -> None:
        for part in reversed(self.made):
            if hasattr(part, "close"):
                await part.close()


def redis_parts(url: str, limits: QueueLimits = FAST) -> Parts:
    def make(kind: str, limits: QueueLimits) -> Any:
        kinds: dict[str, Callable[[str, QueueLimits], Any]] = {
            "queue": RedisJobQueue,
            "consumer": RedisJobConsumer,
            "feed": RedisOutcomeFeed,
            "directory": RedisWorkerDirectory,
            "election": RedisLeaderElection,
        }
        return kinds[kind](url, limits)

    return Parts(limits, make, RedisDeadLetters, RedisRateLimiter)


def memory_parts(limits: QueueLimits = FAST) -> Parts:
    broker = MemoryBroker(limits)
    names = iter(f"worker-{i}" for i in range(1000))

    def make(kind: str, limits: QueueLimits) -> Any:
        if kind == "queue":
            broker.limits = limits
        if kind == "consumer":
            return MemoryJobConsumer(broker, next(names))
        kinds: dict[str, Callable[[MemoryBroker], Any]] = {
            "queue": MemoryJobQueue,
            "feed": MemoryOutcomeFeed,
            "directory": MemoryWorkerDirectory,
            "election": MemoryLeaderElection,
        }
        return kinds[kind](broker)

    return Parts(limits, make, lambda _: MemoryDeadLetters(broker), lambda _: MemoryRateLimiter())


@pytest.fixture(params=["memory", "redis"])
async def parts(request: pytest.FixtureRequest) -> AsyncIterator[Parts]:
    """The same ports, in memory and on a real broker."""
    made = memory_parts() if request.param == "memory" else redis_parts(request.getfixturevalue("server").url)
    yield made
    await made.close()


@pytest.fixture
async def redis(server: BrokerServer) -> AsyncIterator[Parts]:
    made = redis_parts(server.url)
    yield made
    await made.close()
