"""A limit on the bytes of all request bodies that this process holds in memory."""

from __future__ import annotations

from collections import Counter
from typing import Final

from starlette.types import Message, Receive, Scope

from splitleaf.api.http.addresses import network_of
from splitleaf.api.http.headers import header
from splitleaf.core.errors import Overloaded
from splitleaf.jobs.admission import retry_after_s

_SCOPE_KEY: Final = "splitleaf.body"
_FREE_MULTIPLE: Final = 4
"""One client may hold this multiple of what is still free: four fifths of the budget when it is alone."""


class BodyBudget:
    """Counts bytes when they arrive, so that announcing a large body reserves nothing."""

    def __init__(self, max_bytes: int = 128_000_000) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self._by_client: Counter[str] = Counter()

    def take(self, client: str, count: int) -> None:
        """Count bytes. Raises `Overloaded` when the process, or this client, would hold too many."""
        self.require(client, count)
        self.bytes += count
        self._by_client[client] += count

    def require(self, client: str, count: int) -> None:
        """Raise `Overloaded` when there is no room for this many bytes now."""
        free = self._max_bytes - self.bytes
        if count > free or self._by_client[client] + count > _FREE_MULTIPLE * free:
            raise Overloaded(retry_after_s=retry_after_s(0), bound="bodies")

    def release(self, client: str, count: int) -> None:
        self.bytes -= count
        self._by_client[client] -= count
        if not self._by_client[client]:
            del self._by_client[client]


class BudgetedBody:
    """The body of one request, counted against the budget."""

    def __init__(self, budget: BodyBudget, scope: Scope, receive: Receive) -> None:
        self._budget = budget
        self._client = network_of(scope)
        self._receive = receive
        self._bytes = 0
        self._announced = int(length) if (length := header(scope, b"content-length") or "").isdigit() else 0
        scope[_SCOPE_KEY] = self

    async def receive(self) -> Message:
        """Return the next message. Raises `Overloaded` when there is no room, if possible before reading anything."""
        if self._announced:
            announced, self._announced = self._announced, 0
            self._budget.require(self._client, announced)
        message = await self._receive()
        if count := len(message.get("body", b"")):
            self._budget.take(self._client, count)
            self._bytes += count
        return message

    def release(self) -> None:
        """Return the bytes to the budget. Calling it again has no effect."""
        if self._bytes:
            self._budget.release(self._client, self._bytes)
            self._bytes = 0


def release_body(scope: Scope) -> None:
    """Return a request's body to the budget before the request has ended."""
    if (body := scope.get(_SCOPE_KEY)) is not None:
        body.release()
