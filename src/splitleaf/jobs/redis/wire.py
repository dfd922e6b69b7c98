"""One connection to the broker: commands go out as they come, and answers come back in their order.

The protocol is parsed and packed by hiredis. Nothing is ever sent again: what was on its way when a connection
broke has failed, and whether it was carried out is unknown.
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
"""Words of a command: bytes, text, numbers."""
Reply = Any

_NO_MORE: Final = object()
_ELSEWHERE: Final = ("READONLY", "MASTERDOWN", "LOADING")
"""Answers of a server that is no primary, or not yet: another connection may reach the one that is."""
_KEEPALIVE_S: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


class ErrorReply(Exception):
    """The broker's own words about why a command failed, its kind first: `OOM ...`, `NOSCRIPT ...`."""


class Asked(Protocol):
    """Somebody to whom answers go."""

    deadline: float
    """When the answer is overdue, by the event loop's clock. To be enforced by whoever sends."""

    def hear(self, reply: Reply) -> bool:
        """Take an answer; return True when it was the last one."""
        ...

    def fail(self, error: Exception) -> None:
        """Learn that no more answers will come."""
        ...


class Exchange:
    """Commands that travel together, and the future of their answers; error answers are among them."""

    __slots__ = ("_replies", "commands", "deadline", "future")

    def __init__(self, commands: Sequence[Command], within_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.commands = commands
        self.future: asyncio.Future[list[Reply]] = loop.create_future()
        self.deadline = loop.time() + within_s
        self._replies: list[Reply] = []

    def hear(self, reply: Reply) -> bool:
        self._replies.append(reply)
        if len(self._replies) < len(self.commands):
            return False
        if not self.future.done():
            self.future.set_result(self._replies)
        return True

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Wire(asyncio.Protocol):
    """An open connection, with its password and its database named."""

    def __init__(self) -> None:
        self.facts: Mapping[str, str] = {}
        """What the server says of itself: `INFO` of the sections below."""
        self.asked: deque[Asked] = deque()
        """Who waits for answers, in the order in which they come."""
        self.on_answers: Callable[[], None] = _nothing
        self.on_lost: Callable[[], None] = _nothing
        """Called when the connection has ended, after all who waited were told."""
        self._reader = hiredis.Reader(replyError=ErrorReply, notEnoughData=_NO_MORE)
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: BrokerAddress) -> Wire:
        """Connect. Raises `OSError` when there is no connection to be had, `ConnectionRefusedError` by the server."""
        loop = asyncio.get_running_loop()
        if address.path:
            _, wire = await loop.create_unix_connection(cls, address.path)
        else:
            _, wire = await loop.create_connection(cls, address.host, address.port, ssl=address.tls_context())
        try:
            await wire.introduce(address)
        except BaseException:
            wire.abort()
            raise
        return wire

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def send(self, commands: Sequence[Command], asked: Asked) -> None:
        """Send commands; their answers go to `asked`. Small ones share a write: the event loop gathers them."""
        if self._transport is None or self._transport.is_closing():
            asked.fail(ConnectionResetError("the connection to the broker has ended"))
            return
        self.asked.append(asked)
        self._transport.writelines([hiredis.pack_command(tuple(command)) for command in commands])

    def abort(self) -> None:
        """End the connection now; who waits for answers learns it at once."""
        if self._transport is not None:
            self._transport.abort()
            self._end("the connection to the broker was closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        _keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        is_elsewhere = False
        try:
            while (reply := self._reader.gets()) is not _NO_MORE:
                is_elsewhere = is_elsewhere or (isinstance(reply, ErrorReply) and str(reply).startswith(_ELSEWHERE))
                if self.asked[0].hear(reply):
                    self.asked.popleft()
        except (hiredis.ProtocolError, IndexError):
            # Not the protocol, or an answer to nothing.
            self.abort()
            return
        if is_elsewhere:
            self.abort()
            return
        self.on_answers()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._end(str(exc or "the broker hung up"))

    async def ask(self, *command: Any) -> Reply:
        """Send one command and return its answer; an error answer is a refusal (`OSError`)."""
        exchange = Exchange([command], math.inf)
        self.send(exchange.commands, exchange)
        (reply,) = await exchange.future
        if isinstance(reply, ErrorReply):
            raise ConnectionRefusedError(str(reply))
        return reply

    async def introduce(self, address: BrokerAddress) -> None:
        """Say who we are, and hear what the server is."""
        commands: list[Command] = []
        if address.password or address.username:
            who = (address.username,) if address.username else ()
            commands.append(("AUTH", *who, address.password))
        if address.database:
            commands.append(("SELECT", address.database))
        commands.append(("INFO", "server", "memory", "persistence", "replication", "cluster"))
        exchange = Exchange(commands, math.inf)
        self.send(commands, exchange)
        replies = await exchange.future
        for reply in replies:
            if isinstance(reply, ErrorReply):
                raise ConnectionRefusedError(str(reply))
        lines = replies[-1].decode().splitlines()
        self.facts = dict(line.split(":", 1) for line in lines if ":" in line)

    def _end(self, reason: str) -> None:
        self._transport = None
        asked, self.asked = self.asked, deque()
        for one in asked:
            one.fail(ConnectionResetError(reason))
        self.on_lost()


def check_server(facts: Mapping[str, str]) -> None:
    """Look at what a broker says of itself.

    Raises `ConfigurationError` for one that is too old, may evict tasks or is part of a cluster, and
    `ConnectionRefusedError` for one that is no primary, or not yet.
    """
    name = "Valkey" if "valkey_version" in facts else "Redis"
    if facts.get("cluster_enabled") == "1":
        raise ConfigurationError(
            f"{name} runs in cluster mode, which is not supported: use one primary, with replicas and sentinels"
        )
    version = facts.get("valkey_version") or facts.get("redis_version", "0")
    least = 8 if name == "Valkey" else 7
    if int(version.split(".")[0]) < least:
        raise ConfigurationError(f"{name} {version} is too old: Redis 7.0 or Valkey 8.0 is needed")
    if facts.get("maxmemory", "0") != "0" and facts.get("maxmemory_policy") != "noeviction":
        raise ConfigurationError(
            f"{name} would evict accepted work: set `maxmemory-policy noeviction` (it is {facts['maxmemory_policy']})"
        )
    if facts.get("role", "master") != "master":
        raise ConnectionRefusedError("READONLY this server is a replica")
    if facts.get("loading") == "1":
        raise ConnectionRefusedError("LOADING this server is reading its data")


def _keep_alive(line: socket.socket | None) -> None:
    """Let the system find out that a silent host is gone: who listens only would never learn it."""
    if line is None or line.family == socket.AF_UNIX:
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE_S.items():
        if hasattr(socket, name):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _nothing() -> None:
    pass
