"""The whole queue in this process's memory: for tests of what stands on the ports. Keeps nothing.

Held to the ports' promises by the same contract suite as the real one.
"""

from tests.support.memory_queue.around import (
    MemoryDeadLetters,
    MemoryLeaderElection,
    MemoryOutcomeFeed,
    MemoryWorkerDirectory,
)
from tests.support.memory_queue.broker import MemoryBroker
from tests.support.memory_queue.consumer import MemoryJobConsumer
from tests.support.memory_queue.queue import MemoryJobQueue
from tests.support.memory_queue.rates import MemoryRateLimiter

__all__ = [
    "MemoryBroker",
    "MemoryDeadLetters",
    "MemoryJobConsumer",
    "MemoryJobQueue",
    "MemoryLeaderElection",
    "MemoryOutcomeFeed",
    "MemoryRateLimiter",
    "MemoryWorkerDirectory",
]
