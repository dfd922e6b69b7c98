"""Clients of the broker: a pipelined connection that all callers share, and connections for blocking commands."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final

from splitleaf.core.errors import ConfigurationError, DependencyDown
from splitleaf.jobs.redis.address import parse_address
from splitleaf.jobs.redis.connection import Command, Connection, ErrorReply, PendingRequest, Reply
from splitleaf.jobs.redis.discovery import connect
from splitleaf.jobs.redis.errors import translate_error
from splitleaf.jobs.redis.replication import ReplicationBarrier
from splitleaf.jobs.redis.scripts import Script

_MAX_UNANSWERED: Final = 256
"""Requests that may be sent and unanswered. Requests behind them can still be canceled, and are then never sent."""


class RedisClient:
    """Sends commands over one shared connection, which is opened on demand and reopened after a failure.

    Never sends a command twice. Every connection failure raises `DependencyDown`; it is then unknown whether the broker
    executed the command.
    """

    def __init__(self, url: str, *, timeout_s: float, replicas: int = 0) -> None:
        """`timeout_s` limits each call as a whole, including the time in the client's queue.

        With `replicas`, a call returns only after that many replicas have acknowledged all writes before it. Raises
        `DependencyDown` if they do not in time.
        """
        self._url = url
        self._barrier = ReplicationBarrier(replicas)
        self._address = parse_address(url)
        self._timeout_s = timeout_s
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._queued: deque[PendingRequest] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def call(self, *command: Any) -> Reply:
        """Send one command and return its answer; an error answer is raised."""
        (reply,) = await self.pipeline([command])
        return raise_error(reply)

    async def run_script(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Reply:
        """Run a script. Loads it if the broker does not have it (after SCRIPT FLUSH or a restart)."""
        return await self.run_script_after((), script, keys, arguments)

    async def run_script_after(
        self, before: Sequence[Command], script: Script, keys: Sequence[bytes], arguments: Sequence[Any]
    ) -> Reply:
        """Send commands and then a script on the same connection; return the script's reply."""
        tail = (len(keys), *keys, *arguments)
        *_, reply = await self.pipeline([*before, ("EVALSHA", script.digest, *tail)])
        if is_unknown_script(reply):
            reply = await self.call("EVAL", script.source, *tail)
        return raise_error(reply)

    async def pipeline(self, commands: list[Command]) -> list[Reply]:
        """Send commands in order on one connection. Error replies are returned in their place, not raised."""
        request = PendingRequest([*commands, *self._barrier.commands], self._timeout_s)
        self._queued.append(request)
        self._send()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._fail_overdue)
        try:
            return self._barrier.check(await request.future)
        except OSError as error:
            raise translate_error(error) from error
        except DependencyDown:
            # The server may be a demoted primary that does not know it yet. Reconnecting finds the present primary.
            if self._connection is not None:
                self._connection.abort()
            raise

    async def close(self) -> None:
        """Fail all pending requests and close the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        self._fail_queued(DependencyDown("The connection to the broker was closed."))
        if self._connection is not None:
            self._connection.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def blocking(self) -> BlockingConnection:
        """Return a separate connection for commands that block."""
        return BlockingConnection(self._url, self._timeout_s, self._barrier)

    def _send(self) -> None:
        """Send queued requests, up to the limit of unanswered ones."""
        connection = self._connection
        # A connection that failed before its callbacks were set did not call `_lost`.
        if connection is None or not connection.is_open:
            if self._queued and self._connecting is None:
                self._connecting = asyncio.create_task(self._connect())
            return
        while self._queued and len(connection.handlers) < _MAX_UNANSWERED:
            request = self._queued.popleft()
            # The caller timed out or was canceled, so its commands must not be executed any more.
            if not request.future.done():
                connection.send(request.commands, request)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._connection = await connect(self._address)
        except Exception as error:  # noqa: BLE001 - all callers must get an error, whatever it is
            self._fail_queued(translate_error(error))
        else:
            self._connection.on_replies = self._send
            self._connection.on_lost = self._lost
        finally:
            self._connecting = None
        self._send()

    def _lost(self) -> None:
        self._connection = None
        self._send()

    def _fail_overdue(self) -> None:
        """Give up whatever was handlers too long ago. All have the same time, so the oldest are in front."""
        loop = asyncio.get_running_loop()
        self._timer = None
        sent = self._connection.handlers if self._connection is not None else ()
        if self._connection is not None and sent and sent[0].deadline <= loop.time():
            # Its reply may still arrive and would be matched to another request.
            self._connection.abort()
        while self._queued and self._queued[0].deadline <= loop.time():
            self._queued.popleft().fail(DependencyDown("The broker does not answer in time."))
        sent = self._connection.handlers if self._connection is not None else ()
        if oldest := [*sent][:1] or [*self._queued][:1]:
            self._timer = loop.call_at(oldest[0].deadline, self._fail_overdue)

    def _fail_queued(self, error: Exception) -> None:
        queued, self._queued = self._queued, deque()
        for request in queued:
            request.fail(error)


class BlockingConnection:
    """A separate connection for one blocking command at a time."""

    def __init__(self, url: str, timeout_s: float, barrier: ReplicationBarrier) -> None:
        self._address = parse_address(url)
        self._timeout_s = timeout_s
        self._barrier = barrier
        self._connection: Connection | None = None

    async def call(self, *command: Any, block_ms: int) -> Reply:
        """Send a command that blocks for up to `block_ms`. Raises `DependencyDown` if the reply is overdue."""
        (reply,) = await self.pipeline([command], block_ms=block_ms)
        return raise_error(reply)

    async def pipeline(self, commands: list[Command], *, block_ms: int) -> list[Reply]:
        """Send commands that block for up to `block_ms` in total. Error replies are returned in their place."""
        within_s = block_ms / 1000 + self._timeout_s
        try:
            async with asyncio.timeout(within_s):
                connection = await self._ensure_open()
                request = PendingRequest([*commands, *self._barrier.commands], within_s)
                connection.send(request.commands, request)
                return self._barrier.check(await request.future)
        except (OSError, ConfigurationError, DependencyDown) as error:
            self._disconnect()
            raise translate_error(error) from error
        except asyncio.CancelledError:
            # The replies to this call would be matched to the next one.
            self._disconnect()
            raise

    async def subscription(
        self, channel: bytes, on_subscribed: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the messages of a channel. Raises `OSError` or `DependencyDown` if the connection fails."""
        replies = _Subscription()
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._ensure_open()
                connection.send([("SUBSCRIBE", channel)], replies)
                await replies.next()
            await on_subscribed()
            while True:
                kind, _, message = await replies.next()
                if kind == b"message":
                    yield message
        finally:
            self._disconnect()

    async def close(self) -> None:
        self._disconnect()

    async def _ensure_open(self) -> Connection:
        if self._connection is None or not self._connection.is_open:
            self._connection = await connect(self._address)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


class _Subscription:
    """Receives an endless sequence of replies."""

    def __init__(self) -> None:
        self.deadline = math.inf
        self._replies: asyncio.Queue[Reply | Exception] = asyncio.Queue()

    def receive(self, reply: Reply) -> bool:
        self._replies.put_nowait(reply)
        return False

    def fail(self, error: Exception) -> None:
        self._replies.put_nowait(error)

    async def next(self) -> Reply:
        """Return the next reply. Raises the error that ended the connection."""
        return raise_error(await self._replies.get())


def is_unknown_script(reply: Reply) -> bool:
    """Return whether the broker does not have the script (after SCRIPT FLUSH or a restart)."""
    return isinstance(reply, ErrorReply) and str(reply).startswith("NOSCRIPT")


def raise_error(reply: Reply) -> Reply:
    """Return a reply. Raises it if it is an error."""
    if isinstance(reply, Exception):
        raise translate_error(reply) from reply
    return reply
