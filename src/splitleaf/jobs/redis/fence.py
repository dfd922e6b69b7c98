"""Nothing is told to anybody before enough replicas have it."""

from __future__ import annotations

from collections.abc import Sequence

from splitleaf.core.errors import DependencyDown
from splitleaf.jobs import keys
from splitleaf.jobs.redis.refusals import as_our_error
from splitleaf.jobs.redis.wire import Command, Reply

_WITHIN_MS = 400


class Fence:
    """Commands to be sent behind others on the same connection, whose answers say whether replicas have it all.

    `WAIT` alone counts from the connection's own last write, and so says nothing of what another connection wrote and
    this one reads. The message in front of it, to nobody, is such a write; it is not kept.
    """

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        self.commands: Sequence[Command] = (("PUBLISH", keys.FENCE, b""), ("WAIT", replicas, _WITHIN_MS))
        if not replicas:
            self.commands = ()

    def checked(self, replies: Sequence[Reply]) -> list[Reply]:
        """Return the answers without the fence's own. Raises `DependencyDown` when too few replicas have it in time."""
        if not self._replicas:
            return list(replies)
        reached = replies[-1]
        if isinstance(reached, Exception):
            raise as_our_error(reached) from reached
        if reached < self._replicas:
            raise DependencyDown(f"Only {reached} of {self._replicas} replicas of the broker have it in time.")
        return list(replies[: -len(self.commands)])
