"""The queue on Redis >= 7.0 or Valkey >= 8: streams, consumer groups, and a few small Lua scripts."""

from splitleaf.jobs.redis.archive import RedisWorkArchive
from splitleaf.jobs.redis.consumer import RedisJobConsumer
from splitleaf.jobs.redis.dead_letters import RedisDeadLetters
from splitleaf.jobs.redis.feed import RedisOutcomeFeed
from splitleaf.jobs.redis.leader_election import RedisLeaderElection
from splitleaf.jobs.redis.queue import RedisJobQueue
from splitleaf.jobs.redis.rates import RedisRateLimiter
from splitleaf.jobs.redis.workers import RedisWorkerDirectory

__all__ = [
    "RedisDeadLetters",
    "RedisJobConsumer",
    "RedisJobQueue",
    "RedisLeaderElection",
    "RedisOutcomeFeed",
    "RedisRateLimiter",
    "RedisWorkArchive",
    "RedisWorkerDirectory",
]
