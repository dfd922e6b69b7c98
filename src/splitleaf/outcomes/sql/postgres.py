"""Connections to PostgreSQL that never wait forever, in whatever state the server is."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError

CONNECT_TIMEOUT_S: Final = 3
STATEMENT_TIMEOUT_S: Final = 30
"""The server ends a statement after it. A report over a million outcomes is many statements: it is read in pages."""
LOCK_TIMEOUT_S: Final = 10
IDLE_TIMEOUT_S: Final = 60
"""The server ends a transaction in which nothing happens: a client that is frozen holds no lock forever."""
SILENCE_S: Final = STATEMENT_TIMEOUT_S + 5
"""Who has heard nothing for so long closes the connection: a server that is frozen, or cut off, ends no statement."""
PING_SILENCE_S: Final = 2
"""So soon is a connection of the pool given up that does not answer."""

_LIMITS: Final = {
    "statement_timeout": STATEMENT_TIMEOUT_S,
    "lock_timeout": LOCK_TIMEOUT_S,
    "idle_in_transaction_session_timeout": IDLE_TIMEOUT_S,
}
_Result = TypeVar("_Result")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes the connection on its own on a server that has fallen silent.

    `statement_timeout` is kept by the server, and the kernel acknowledges TCP packets even where the server's process
    is frozen. So the client must look at its own clock.
    """

    silence_s: float | None = SILENCE_S
    is_fresh = True

    def wait(self, gen: PQGen[_Result], *arguments: Any, **named: Any) -> _Result:
        """Wait for what every call of the driver waits for."""
        if self.silence_s is None:
            return super().wait(gen, *arguments, **named)
        try:
            return super().wait(_within(gen, self.silence_s), *arguments, **named)
        except _SilenceError:
            self.pgconn.finish()
            raise

    def ping(self) -> None:
        """Raise `psycopg.Error` unless the server answers soon; one that has just answered is not asked."""
        if self.is_fresh:
            self.is_fresh = False
            return
        usual, self.silence_s = self.silence_s, PING_SILENCE_S
        self.autocommit = True
        try:
            self.execute("SELECT 1")
        finally:
            self.silence_s = usual
        self.autocommit = False


class _SilenceError(psycopg.OperationalError):
    """Nothing was heard in time."""


def _within(gen: PQGen[_Result], seconds: float) -> Generator[Any, Any, _Result]:
    """Pass everything on until time is up. The driver resumes a generator ten times a second at least."""
    give_up_at = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            wanted = gen.send(ready)
            if not ready and time.monotonic() > give_up_at:
                raise _SilenceError(f"nothing was heard from the server for {seconds:g} s")
    except StopIteration as done:
        result: _Result = done.value
        return result


def open_postgres(url: URL) -> Engine:
    """Return an engine whose every wait has an end; nothing is connected yet."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=4,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", _require_answer)
    return engine


@contextmanager
def unlimited(connection: Connection) -> Iterator[None]:
    """Let a transaction take its time: a migration rewrites what it must. Waiting for locks stays bounded."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    driver: Any = connection.connection.driver_connection
    driver.silence_s = None
    try:
        yield
    finally:
        driver.silence_s = SILENCE_S


def _connect(_dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]) -> BoundedConnection:
    connection = BoundedConnection.connect(*arguments, **named)
    # Not as `options` of the connection: poolers in between refuse those.
    settings = ", ".join(f"set_config('{name}', '{1000 * seconds}', false)" for name, seconds in _LIMITS.items())
    connection.execute(f"SELECT {settings}".encode())
    connection.commit()
    return connection


def _require_answer(connection: BoundedConnection, _record: object, _proxy: object) -> None:
    """Have a dead connection replaced, as `pool_pre_ping` would, but without waiting for longer than a moment."""
    try:
        connection.ping()
    except psycopg.Error as error:
        raise InvalidatePoolError(str(error)) from error


__all__ = ["BoundedConnection", "open_postgres", "unlimited"]
