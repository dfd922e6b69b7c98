"""One pipelined connection to the broker: replies arrive in the order of the commands.

hiredis parses and packs the protocol. Nothing is resent: if a connection fails, all unanswered commands fail, and it is
unknown whether the broker executed them.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, cast

import hiredis

from splitleaf.core.errors import ConfigurationError
from splitleaf.jobs.redis.address import BrokerAddress

Command = Sequence[Any]
"""Arguments of a command: bytes, text, numbers."""
Reply = Any

_INCOMPLETE: Final = object()
_NOT_PRIMARY: Final = ("READONLY", "MASTERDOWN", "LOADING")
"""Error replies of a server that is not the primary, or not ready. Reconnecting may find the primary."""
_KEEPALIVE_S: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


class ErrorReply(Exception):
    """An error reply of the broker. The text starts with the error code: `OOM ...`, `NOSCRIPT ...`."""


class ReplyHandler(Protocol):
    """Receives the replies to a request."""

    deadline: float
    """When the reply is overdue, by the event loop's clock. The sender enforces it."""

    def receive(self, reply: Reply) -> bool:
        """Take a reply; return True if it was the last one."""
        ...

    def fail(self, error: Exception) -> None:
        """Take the error that ended the connection: no more replies follow."""
        ...


class PendingRequest:
    """Commands that are sent together, and the future of their replies, including error replies."""

    __slots__ = ("_replies", "commands", "deadline", "future")

    def __init__(self, commands: Sequence[Command], within_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.commands = commands
        self.future: asyncio.Future[list[Reply]] = loop.create_future()
        self.deadline = loop.time() + within_s
        self._replies: list[Reply] = []

    def receive(self, reply: Reply) -> bool:
        self._replies.append(reply)
        if len(self._replies) < len(self.commands):
            return False
        if not self.future.done():
            self.future.set_result(self._replies)
        return True

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Connection(asyncio.Protocol):
    """A connection that is authenticated and has its database selected."""

    def __init__(self) -> None:
        self.server_info: Mapping[str, str] = {}
        """Fields of `INFO` from the sections that `handshake` asks for."""
        self.handlers: deque[ReplyHandler] = deque()
        """Handlers of unanswered requests, oldest first."""
        self.on_replies: Callable[[], None] = _nothing
        self.on_lost: Callable[[], None] = _nothing
        """Called when the connection has ended, after all handlers have failed."""
        self._reader = hiredis.Reader(replyError=ErrorReply, notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: BrokerAddress) -> Connection:
        """Connect. Raises `OSError` if no connection can be made, `ConnectionRefusedError` if the server refuses it."""
        loop = asyncio.get_running_loop()
        if address.path:
            _, connection = await loop.create_unix_connection(cls, address.path)
        else:
            _, connection = await loop.create_connection(cls, address.host, address.port, ssl=address.tls_context())
        try:
            await connection.handshake(address)
        except BaseException:
            connection.abort()
            raise
        return connection

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def send(self, commands: Sequence[Command], handler: ReplyHandler) -> None:
        """Send commands; their replies go to `handler`. The event loop merges small writes."""
        if self._transport is None or self._transport.is_closing():
            handler.fail(ConnectionResetError("the connection to the broker has ended"))
            return
        self.handlers.append(handler)
        self._transport.writelines([hiredis.pack_command(tuple(command)) for command in commands])

    def abort(self) -> None:
        """Close the connection now and fail all unanswered requests."""
        if self._transport is not None:
            self._transport.abort()
            self._end("the connection to the broker was closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        _enable_keepalive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        is_not_primary = False
        try:
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                is_not_primary = is_not_primary or (
                    isinstance(reply, ErrorReply) and str(reply).startswith(_NOT_PRIMARY)
                )
                if self.handlers[0].receive(reply):
                    self.handlers.popleft()
        except (hiredis.ProtocolError, IndexError):
            # Not the Redis protocol, or a reply without a request.
            self.abort()
            return
        if is_not_primary:
            self.abort()
            return
        self.on_replies()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._end(str(exc or "the broker closed the connection"))

    async def ask(self, *command: Any) -> Reply:
        """Send one command and return its reply. Raises `ConnectionRefusedError` for an error reply."""
        request = PendingRequest([command], math.inf)
        self.send(request.commands, request)
        (reply,) = await request.future
        if isinstance(reply, ErrorReply):
            raise ConnectionRefusedError(str(reply))
        return reply

    async def handshake(self, address: BrokerAddress) -> None:
        """Authenticate, select the database, and read what the server says about itself."""
        commands: list[Command] = []
        if address.password or address.username:
            who = (address.username,) if address.username else ()
            commands.append(("AUTH", *who, address.password))
        if address.database:
            commands.append(("SELECT", address.database))
        commands.append(("INFO", "server", "memory", "persistence", "replication", "cluster"))
        request = PendingRequest(commands, math.inf)
        self.send(commands, request)
        replies = await request.future
        for reply in replies:
            if isinstance(reply, ErrorReply):
                raise ConnectionRefusedError(str(reply))
        lines = replies[-1].decode().splitlines()
        self.server_info = dict(line.split(":", 1) for line in lines if ":" in line)

    def _end(self, reason: str) -> None:
        self._transport = None
        handlers, self.handlers = self.handlers, deque()
        for one in handlers:
            one.fail(ConnectionResetError(reason))
        self.on_lost()


def check_server(info: Mapping[str, str]) -> None:
    """Check a server by its `INFO` fields.

    Raises `ConfigurationError` if it is too old, may evict tasks or is part of a cluster, and `ConnectionRefusedError`
    if it is not the primary or still loads its data.
    """
    name = "Valkey" if "valkey_version" in info else "Redis"
    if info.get("cluster_enabled") == "1":
        raise ConfigurationError(
            f"{name} runs in cluster mode, which is not supported: use one primary, with replicas and sentinels"
        )
    version = info.get("valkey_version") or info.get("redis_version", "0")
    least = 8 if name == "Valkey" else 7
    if int(version.split(".")[0]) < least:
        raise ConfigurationError(f"{name} {version} is too old: Redis 7.0 or Valkey 8.0 is needed")
    if info.get("maxmemory", "0") != "0" and info.get("maxmemory_policy") != "noeviction":
        raise ConfigurationError(
            f"{name} would evict accepted work: set `maxmemory-policy noeviction` (it is {info['maxmemory_policy']})"
        )
    if info.get("role", "master") != "master":
        raise ConnectionRefusedError("READONLY this server is a replica")
    if info.get("loading") == "1":
        raise ConnectionRefusedError("LOADING this server is loading its data")


def _enable_keepalive(sock: socket.socket | None) -> None:
    """Enable TCP keepalive. Without it, a connection that only receives never notices that its peer host is gone."""
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE_S.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _nothing() -> None:
    pass
