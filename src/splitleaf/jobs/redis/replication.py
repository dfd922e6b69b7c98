"""Waits until enough replicas of the broker have acknowledged the writes that a reply depends on."""

from __future__ import annotations

from collections.abc import Sequence

from splitleaf.core.errors import DependencyDown
from splitleaf.jobs import keys
from splitleaf.jobs.redis.connection import Command, Reply
from splitleaf.jobs.redis.errors import translate_error

_WITHIN_MS = 400


class ReplicationBarrier:
    """Commands to append to a request. Their replies tell whether enough replicas have everything before them.

    `WAIT` counts from the last write of its own connection, so alone it says nothing about data that another
    connection wrote and this one reads. The `PUBLISH` before it is such a write. Its channel has no subscribers, so it
    stores nothing.
    """

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas
        self.commands: Sequence[Command] = (("PUBLISH", keys.FENCE, b""), ("WAIT", replicas, _WITHIN_MS))
        if not replicas:
            self.commands = ()

    def check(self, replies: Sequence[Reply]) -> list[Reply]:
        """Return the replies without the barrier's own.

        Raises `DependencyDown` if too few replicas acknowledge in time.
        """
        if not self._replicas:
            return list(replies)
        acknowledged = replies[-1]
        if isinstance(acknowledged, Exception):
            raise translate_error(acknowledged) from acknowledged
        if acknowledged < self._replicas:
            raise DependencyDown(
                f"Only {acknowledged} of {self._replicas} replicas of the broker acknowledged in time."
            )
        return list(replies[: -len(self.commands)])
