"""The names of everything that the queue keeps in the broker.

Every key of a version carries the tag `{q:VERSION}`, so that each script stays within one slot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from splitleaf.jobs.queue import Priority

GROUP = b"workers"
RECORDERS = b"recorders"
VERSIONS = b"splitleaf:versions"
"""Set of all versions that something may be left of: where to look for an id, which does not name its version."""
ANNOUNCEMENTS = b"splitleaf:states"
"""Channel on which started and finished tasks are announced."""
FENCE = b"splitleaf:fence"
"""Channel to which no one listens; see `jobs.redis.replication`."""
WORKERS = b"splitleaf:workers"
"""Set of workers that reported; each report has a key and a time to live of its own."""
LEADER = b"{splitleaf:control}:leader"
"""The controller that leads; lapses on its own."""
STATEMENT = b"{splitleaf:control}:statement"
"""What the leader sees."""


def worker_key(worker: str) -> bytes:
    """Return the key of a worker's report."""
    return b"splitleaf:worker:" + worker.encode()


def rate_key(rate: str, client: str) -> bytes:
    """Return the key of what one client has asked for."""
    return f"splitleaf:rate:{rate}:{client}".encode()


@dataclass(frozen=True, slots=True)
class VersionKeys:
    """The keys of one version."""

    version: str
    prefix: bytes = field(init=False)
    streams: tuple[bytes, ...] = field(init=False)
    """By priority."""
    meters: bytes = field(init=False)
    feed: bytes = field(init=False)
    dead: bytes = field(init=False)
    aside: bytes = field(init=False)
    """What no task or final state can be read from."""
    workers: bytes = field(init=False)
    wakeup: bytes = field(init=False)
    peers: bytes = field(init=False)

    def __post_init__(self) -> None:
        prefix = b"{q:" + self.version.encode() + b"}:"
        names = {"prefix": prefix, "streams": tuple(prefix + b"s:%d" % priority for priority in Priority)}
        names |= {"meters": prefix + b"m", "feed": prefix + b"feed", "dead": prefix + b"dead"}
        names |= {"workers": prefix + b"w", "wakeup": prefix + b"bell", "peers": prefix + b"peers"}
        names |= {"aside": prefix + b"aside"}
        for name, value in names.items():
            object.__setattr__(self, name, value)

    def record(self, task_id: str) -> bytes:
        """Return the key of an open task's record."""
        return self.prefix + b"t:" + task_id.encode()

    def result(self, task_id: str) -> bytes:
        """Return the key of a final state."""
        return self.prefix + b"r:" + task_id.encode()

    def pixels(self, task_id: str, nonce: str) -> bytes:
        """Return the key of pixels that are too large for the entry; each attempt has its own."""
        return self.prefix + b"b:" + task_id.encode() + b":" + nonce.encode()


def version_of(key: bytes) -> str:
    """Return the version that a key belongs to."""
    return key[3 : key.index(b"}")].decode()
