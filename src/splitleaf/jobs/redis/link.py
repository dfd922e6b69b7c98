"""One process's line to the broker: whoever asks shares it, and nobody waits for another's answer."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final

from splitleaf.core.errors import ConfigurationError, DependencyDown
from splitleaf.jobs.redis.address import parse_address
from splitleaf.jobs.redis.fence import Fence
from splitleaf.jobs.redis.refusals import as_our_error
from splitleaf.jobs.redis.scripts import Script
from splitleaf.jobs.redis.sentinel import reach
from splitleaf.jobs.redis.wire import Command, ErrorReply, Exchange, Reply, Wire

_MOST_ON_THE_WAY: Final = 256
"""Exchanges that may be sent and unanswered. What waits behind them can still be given up, and is never sent then."""


class Link:
    """Commands over one shared connection, which is made when it is needed and after it broke.

    Nothing is ever sent twice. Every failure of the connection is `DependencyDown`, and whether a command was
    carried out is then unknown.
    """

    def __init__(self, url: str, *, timeout_s: float, replicas: int = 0) -> None:
        """`timeout_s` bounds each call as a whole, including its wait behind others.

        No answer is given before so many replicas have what it rests on; `DependencyDown` when they have it too late.
        """
        self._url = url
        self._fence = Fence(replicas)
        self._address = parse_address(url)
        self._timeout_s = timeout_s
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: deque[Exchange] = deque()
        self._watch: asyncio.TimerHandle | None = None

    async def call(self, *command: Any) -> Reply:
        """Send one command and return its answer; an error answer is raised."""
        (reply,) = await self.together([command])
        return raised(reply)

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Reply:
        """Run a script, teaching it to the broker where that has forgotten it (SCRIPT FLUSH, restart)."""
        return await self.run_after((), script, keys, arguments)

    async def run_after(
        self, before: Sequence[Command], script: Script, keys: Sequence[bytes], arguments: Sequence[Any]
    ) -> Reply:
        """Run a script with commands sent in front of it on the same connection; return the script's answer."""
        tail = (len(keys), *keys, *arguments)
        *_, reply = await self.together([*before, ("EVALSHA", script.digest, *tail)])
        if is_unknown_script(reply):
            reply = await self.call("EVAL", script.source, *tail)
        return raised(reply)

    async def together(self, commands: list[Command]) -> list[Reply]:
        """Send commands in order on one connection; error answers are returned in their place."""
        exchange = Exchange([*commands, *self._fence.commands], self._timeout_s)
        self._waiting.append(exchange)
        self._send()
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(self._timeout_s, self._look_for_overdue)
        try:
            return self._fence.checked(await exchange.future)
        except OSError as error:
            raise as_our_error(error) from error
        except DependencyDown:
            # Perhaps it is no longer the primary, and does not know: who reaches the broker anew finds the one that is.
            if self._wire is not None:
                self._wire.abort()
            raise

    async def close(self) -> None:
        """Break off what is under way and end the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        self._fail_waiting(DependencyDown("The connection to the broker was closed."))
        if self._wire is not None:
            self._wire.abort()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def blocking(self) -> BlockingLine:
        """Return a line of its own for commands that block."""
        return BlockingLine(self._url, self._timeout_s, self._fence)

    def _send(self) -> None:
        """Send what waits, as far as there is room on the way."""
        wire = self._wire
        # One that broke between its opening and our hearing of it has told nobody.
        if wire is None or not wire.is_open:
            if self._waiting and self._connecting is None:
                self._connecting = asyncio.create_task(self._connect())
            return
        while self._waiting and len(wire.asked) < _MOST_ON_THE_WAY:
            exchange = self._waiting.popleft()
            # A caller that gave up while waiting here no longer wants its commands carried out.
            if not exchange.future.done():
                wire.send(exchange.commands, exchange)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._wire = await reach(self._address)
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits must be told
            self._fail_waiting(as_our_error(error))
        else:
            self._wire.on_answers = self._send
            self._wire.on_lost = self._lost
        finally:
            self._connecting = None
        self._send()

    def _lost(self) -> None:
        self._wire = None
        self._send()

    def _look_for_overdue(self) -> None:
        """Give up whatever was asked too long ago. All have the same time, so the oldest are in front."""
        loop = asyncio.get_running_loop()
        self._watch = None
        if self._wire is not None and self._wire.asked and self._wire.asked[0].deadline <= loop.time():
            # Its answer may still come, and would be taken for another's.
            self._wire.abort()
        while self._waiting and self._waiting[0].deadline <= loop.time():
            self._waiting.popleft().fail(DependencyDown("The broker does not answer in time."))
        sent = self._wire.asked if self._wire is not None else ()
        if oldest := [*sent][:1] or [*self._waiting][:1]:
            self._watch = loop.call_at(oldest[0].deadline, self._look_for_overdue)

    def _fail_waiting(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, deque()
        for exchange in waiting:
            exchange.fail(error)


class BlockingLine:
    """A connection of its own for one blocking command at a time."""

    def __init__(self, url: str, timeout_s: float, fence: Fence) -> None:
        self._address = parse_address(url)
        self._timeout_s = timeout_s
        self._fence = fence
        self._wire: Wire | None = None

    async def call(self, *command: Any, block_ms: int) -> Reply:
        """Send a command that answers within `block_ms`; `DependencyDown` when it is well overdue."""
        (reply,) = await self.together([command], block_ms=block_ms)
        return raised(reply)

    async def together(self, commands: list[Command], *, block_ms: int) -> list[Reply]:
        """Send commands that answer within `block_ms` together; error answers are returned in their place."""
        within_s = block_ms / 1000 + self._timeout_s
        try:
            async with asyncio.timeout(within_s):
                wire = await self._opened()
                exchange = Exchange([*commands, *self._fence.commands], within_s)
                wire.send(exchange.commands, exchange)
                return self._fence.checked(await exchange.future)
        except (OSError, ConfigurationError, DependencyDown) as error:
            self._hang_up()
            raise as_our_error(error) from error
        except asyncio.CancelledError:
            # The answers to this call would be taken for those to the next.
            self._hang_up()
            raise

    async def subscription(
        self, channel: bytes, on_subscribed: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the messages of a channel. Raises `OSError` or `DependencyDown` when the connection breaks."""
        heard = _Subscription()
        try:
            async with asyncio.timeout(self._timeout_s):
                wire = await self._opened()
                wire.send([("SUBSCRIBE", channel)], heard)
                await heard.next()
            await on_subscribed()
            while True:
                kind, _, message = await heard.next()
                if kind == b"message":
                    yield message
        finally:
            self._hang_up()

    async def close(self) -> None:
        self._hang_up()

    async def _opened(self) -> Wire:
        if self._wire is None or not self._wire.is_open:
            self._wire = await reach(self._address)
        return self._wire

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.abort()
            self._wire = None


class _Subscription:
    """Answers without an end."""

    def __init__(self) -> None:
        self.deadline = math.inf
        self._heard: asyncio.Queue[Reply | Exception] = asyncio.Queue()

    def hear(self, reply: Reply) -> bool:
        self._heard.put_nowait(reply)
        return False

    def fail(self, error: Exception) -> None:
        self._heard.put_nowait(error)

    async def next(self) -> Reply:
        """Return the next answer. Raises the error that ended the connection."""
        return raised(await self._heard.get())


def is_unknown_script(reply: Reply) -> bool:
    """Tell whether the broker says that it has forgotten the script (SCRIPT FLUSH, restart)."""
    return isinstance(reply, ErrorReply) and str(reply).startswith("NOSCRIPT")


def raised(reply: Reply) -> Reply:
    """Return an answer, or raise the error that it is."""
    if isinstance(reply, Exception):
        raise as_our_error(reply) from reply
    return reply
