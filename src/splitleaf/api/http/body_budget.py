"""A bound on all bodies that this process holds, over all requests."""

from __future__ import annotations

from collections import Counter
from typing import Final

from starlette.types import Message, Receive, Scope

from splitleaf.api.http.addresses import network_of
from splitleaf.api.http.headers import header
from splitleaf.core.errors import Overloaded
from splitleaf.jobs.admission import retry_after_s

_SCOPE_KEY: Final = "splitleaf.held_body"
_GENEROSITY: Final = 4
"""One client may hold so many times what is still free: four fifths of all when it is alone."""


class HeldBodies:
    """Counts bytes as they arrive, so that nobody holds what it only announced."""

    def __init__(self, max_bytes: int = 128_000_000) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self._by_client: Counter[str] = Counter()

    def take(self, client: str, count: int) -> None:
        """Count bytes. Raises `Overloaded` when they are too many, of all clients or of this one."""
        self.require(client, count)
        self.bytes += count
        self._by_client[client] += count

    def require(self, client: str, count: int) -> None:
        """Raise `Overloaded` when there is no room for so many bytes now."""
        free = self._max_bytes - self.bytes
        if count > free or self._by_client[client] + count > _GENEROSITY * free:
            raise Overloaded(retry_after_s=retry_after_s(0), bound="bodies")

    def give_back(self, client: str, count: int) -> None:
        self.bytes -= count
        self._by_client[client] -= count
        if not self._by_client[client]:
            del self._by_client[client]


class HeldBody:
    """The body of one request."""

    def __init__(self, bodies: HeldBodies, scope: Scope, receive: Receive) -> None:
        self._bodies = bodies
        self._client = network_of(scope)
        self._receive = receive
        self._bytes = 0
        self._announced = int(length) if (length := header(scope, b"content-length") or "").isdigit() else 0
        scope[_SCOPE_KEY] = self

    async def receive(self) -> Message:
        """Return the next message. Raises `Overloaded` when the body has no room, before it is read if it can."""
        if self._announced:
            announced, self._announced = self._announced, 0
            self._bodies.require(self._client, announced)
        message = await self._receive()
        if count := len(message.get("body", b"")):
            self._bodies.take(self._client, count)
            self._bytes += count
        return message

    def let_go(self) -> None:
        """Say that nobody holds it any more. May be said twice."""
        if self._bytes:
            self._bodies.give_back(self._client, self._bytes)
            self._bytes = 0


def let_go_of_body(scope: Scope) -> None:
    """Say that the request's body is held no more, though the request still is."""
    if (held := scope.get(_SCOPE_KEY)) is not None:
        held.let_go()
