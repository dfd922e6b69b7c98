"""The queue as the settings describe it: the one place that chooses its adapter."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from splitleaf.installation.broker import queue_limits
from splitleaf.jobs.admission import Admission
from splitleaf.jobs.limits import QueueLimits
from splitleaf.settings import Settings

if TYPE_CHECKING:
    from splitleaf.jobs.archive import WorkArchive
    from splitleaf.jobs.leader_election import LeaderElection
    from splitleaf.jobs.queue import DeadLetters, JobConsumer, JobQueue, OutcomeFeed, WorkerDirectory
    from splitleaf.jobs.rates import RateLimiter


@dataclass(frozen=True, slots=True)
class QueueClient:
    """A queue and what shares its connection to the broker. Closing the queue closes all."""

    queue: JobQueue
    dead_letters: DeadLetters
    rates: RateLimiter
    archive: WorkArchive


class QueueBackend:
    """Makes the ports of the queue on one broker. Nothing connects before its first use."""

    def __init__(self, url: str, limits: QueueLimits) -> None:
        self._url = url
        self._limits = limits

    def client(
        self, *, expected: Callable[[], Collection[str]] = tuple, admission: Admission | None = None
    ) -> QueueClient:
        """Return the API's side. `RedisJobQueue` describes the parameters."""
        from splitleaf.jobs.redis import RedisDeadLetters, RedisJobQueue, RedisRateLimiter, RedisWorkArchive

        queue = RedisJobQueue(self._url, self._limits, expected=expected, admission=admission)
        archive = RedisWorkArchive(queue, self._limits.dead_letter_ttl_s)
        return QueueClient(queue, RedisDeadLetters(queue), RedisRateLimiter(queue), archive)

    def consumer(self, worker: str) -> JobConsumer:
        from splitleaf.jobs.redis import RedisJobConsumer

        return RedisJobConsumer(self._url, self._limits, worker=worker)

    def feed(self) -> OutcomeFeed:
        from splitleaf.jobs.redis import RedisOutcomeFeed

        return RedisOutcomeFeed(self._url, self._limits)

    def directory(self) -> WorkerDirectory:
        from splitleaf.jobs.redis import RedisWorkerDirectory

        return RedisWorkerDirectory(self._url, self._limits)

    def election(self) -> LeaderElection:
        from splitleaf.jobs.redis import RedisLeaderElection

        return RedisLeaderElection(self._url, self._limits)


def new_queue(settings: Settings, url: str) -> QueueBackend:
    """Return the queue on the broker at this URL, with the limits of the settings."""
    return QueueBackend(url, queue_limits(settings))
