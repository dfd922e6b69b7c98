"""One process's line to the broker: whatever is asked in one turn of the event loop travels together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as BrokerConnectionError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as BrokerTimeoutError

from splitleaf.core.errors import ConfigurationError, DependencyDown, Overloaded
from splitleaf.jobs.redis.scripts import Script

log = structlog.get_logger(__name__)

Command = Sequence[Any]
Reply = Any

_MAX_GROUPS = 256
_MAX_PIPELINES = 2
_BUSY_ANSWERS = ("LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "READONLY", "MISCONF")


class Link:
    """Commands over a few shared connections, pipelined by themselves.

    Nothing is ever sent twice: redis-py's own retries, which duplicate submits, are off. Every failure of
    the connection is `DependencyDown`, and whether a command was carried out is then unknown.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """`timeout_s` bounds each call as a whole, including its wait behind others."""
        self._url = url
        self._timeout_s = timeout_s
        self._pool = _pool(url, timeout_s)
        self._waiting: list[tuple[list[Command], asyncio.Future[list[Reply]]]] = []
        self._pipelines: set[asyncio.Task[None]] = set()
        self._is_flush_due = False
        self._checked = False

    async def call(self, *command: Any) -> Reply:
        """Send one command and return its answer; an error answer is raised."""
        (reply,) = await self.together([command])
        return _raised(reply)

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Reply:
        """Run a script, teaching it to the broker where that has forgotten it (SCRIPT FLUSH, restart)."""
        return await self.run_after((), script, keys, arguments)

    async def run_after(
        self, before: Sequence[Command], script: Script, keys: Sequence[bytes], arguments: Sequence[Any]
    ) -> Reply:
        """Run a script with commands sent in front of it on the same connection; return the script's answer."""
        tail = (len(keys), *keys, *arguments)
        *_, reply = await self.together([*before, ("EVALSHA", script.digest, *tail)])
        if isinstance(reply, ResponseError) and _is_unknown_script(reply):
            reply = await self.call("EVAL", script.source, *tail)
        return _raised(reply)

    async def together(self, commands: list[Command]) -> list[Reply]:
        """Send commands in order on one connection; error answers are returned in their place."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Reply]] = loop.create_future()
        self._waiting.append((commands, future))
        if not self._is_flush_due and len(self._pipelines) < _MAX_PIPELINES:
            self._is_flush_due = True
            loop.call_soon(self._flush)
        timer = loop.call_later(self._timeout_s, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Break off what is under way and close the connections."""
        for task in self._pipelines:
            task.cancel()
        await asyncio.gather(*self._pipelines, return_exceptions=True)
        await self._pool.aclose()

    def blocking(self) -> BlockingLine:
        """Return a line of its own for commands that block."""
        return BlockingLine(self._url, self._timeout_s)

    def _flush(self) -> None:
        self._is_flush_due = False
        if not self._waiting:
            return
        batch, self._waiting = self._waiting[:_MAX_GROUPS], self._waiting[_MAX_GROUPS:]
        task = asyncio.get_running_loop().create_task(self._pipeline(batch))
        self._pipelines.add(task)
        task.add_done_callback(self._pipeline_done)

    def _pipeline_done(self, task: asyncio.Task[None]) -> None:
        self._pipelines.discard(task)
        self._flush()

    async def _pipeline(self, batch: list[tuple[list[Command], asyncio.Future[list[Reply]]]]) -> None:
        # A caller that gave up while waiting here no longer wants its commands carried out.
        batch = [(commands, future) for commands, future in batch if not future.done()]
        try:
            async with asyncio.timeout(self._timeout_s), _borrowed(self._pool) as connection:
                if not self._checked:
                    await check_server(connection)
                    self._checked = True
                await self._exchange(connection, batch)
        except (RedisError, OSError, TimeoutError, ConfigurationError) as error:
            self._checked = False
            _fail(batch, as_our_error(error))
        except asyncio.CancelledError:
            _fail(batch, DependencyDown("The connection to the broker was closed."))
            raise

    async def _exchange(self, connection: Any, batch: list[tuple[list[Command], asyncio.Future[list[Reply]]]]) -> None:
        await connection.send_packed_command(connection.pack_commands([one for group, _ in batch for one in group]))
        for commands, future in batch:
            replies = [await read_reply(connection) for _ in commands]
            if not future.done():
                future.set_result(replies)


class BlockingLine:
    """A connection of its own for one blocking command at a time."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pool = _pool(url, timeout_s)

    async def call(self, *command: Any, block_ms: int) -> Reply:
        """Send a command that answers within `block_ms`; `DependencyDown` when it is well overdue."""
        try:
            async with asyncio.timeout(block_ms / 1000 + self._timeout_s), _borrowed(self._pool) as connection:
                await connection.send_command(*command)
                return await connection.read_response()
        except (RedisError, OSError, TimeoutError) as error:
            raise as_our_error(error) from error

    async def subscription(
        self, channel: bytes, on_subscribed: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the messages of a channel until the connection breaks."""
        async with _borrowed(self._pool) as connection:
            async with asyncio.timeout(self._timeout_s):
                await connection.send_command("SUBSCRIBE", channel)
                await connection.read_response()
            await on_subscribed()
            while True:
                kind, _, message = await connection.read_response()
                if kind == b"message":
                    yield message

    async def close(self) -> None:
        await self._pool.aclose()


@contextlib.asynccontextmanager
async def _borrowed(pool: Any) -> AsyncGenerator[Any, None]:
    """Give a connection, and throw it away unless all went well: an answer may still be on its way."""
    connection = await pool.get_connection()
    try:
        yield connection
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


async def read_reply(connection: Any) -> Reply:
    """Read one answer; an error answer is returned, a broken connection is raised."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


async def check_server(connection: Any) -> None:
    """Raise `ConfigurationError` for a broker that is too old or may evict tasks."""
    await connection.send_command("INFO", "server", "memory")
    text = await connection.read_response()
    facts = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version") or facts.get("redis_version", "0")
    least = 8 if name == "Valkey" else 7
    if int(version.split(".")[0]) < least:
        raise ConfigurationError(f"{name} {version} is too old: Redis 7.0 or Valkey 8.0 is needed")
    if facts.get("maxmemory", "0") != "0" and facts.get("maxmemory_policy") != "noeviction":
        raise ConfigurationError(
            f"{name} would evict accepted work: set `maxmemory-policy noeviction` (it is {facts['maxmemory_policy']})"
        )


def as_our_error(error: BaseException) -> Exception:
    """Translate what the client or the broker says into the project's errors."""
    if isinstance(error, OutOfMemoryError) or str(error).startswith("OOM"):
        return Overloaded("The broker is out of memory.", retry_after_s=5.0)
    if isinstance(error, ConfigurationError):
        return error
    if isinstance(error, (BrokerConnectionError, BrokerTimeoutError, OSError, TimeoutError)):
        return DependencyDown("The broker does not answer.", reason=str(error))
    if isinstance(error, ResponseError) and str(error).startswith(_BUSY_ANSWERS):
        return DependencyDown("The broker is not ready.", reason=str(error))
    return error if isinstance(error, Exception) else DependencyDown(str(error))


def _pool(url: str, timeout_s: float) -> Any:
    # redis-py's pool is not typed throughout.
    return ConnectionPool.from_url(
        url,
        protocol=2,
        # Times are limited here, around whole exchanges. redis-py would wrap each step into `wait_for`, which
        # costs more and, before Python 3.12, can swallow a cancellation.
        socket_timeout=None,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        health_check_interval=0,
        max_connections=_MAX_PIPELINES + 2,
    )


def _raised(reply: Reply) -> Reply:
    if isinstance(reply, ResponseError):
        raise as_our_error(reply) from reply
    return reply


def _is_unknown_script(error: ResponseError) -> bool:
    return type(error).__name__ == "NoScriptError" or str(error).startswith("NOSCRIPT")


def _expire(future: asyncio.Future[list[Reply]]) -> None:
    if not future.done():
        future.set_exception(DependencyDown("The broker does not answer in time."))


def _fail(batch: list[tuple[list[Command], asyncio.Future[list[Reply]]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
