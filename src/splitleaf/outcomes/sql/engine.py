"""Connections: SQLite with a write-ahead log, PostgreSQL through psycopg. No wait is without an end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from splitleaf.core.errors import ConfigurationError, Conflict, DependencyDown, Unprocessable

BUSY_TIMEOUT_MS = 10_000
POOL_TIMEOUT_S = 3

_NO_SUCH_TABLE_OR_COLUMN = ("42P01", "42703")


def open_engine(url: str) -> Engine:
    """Return an engine for `sqlite:///...` or `postgresql://...`; nothing is connected yet.

    Raises `ConfigurationError` for another kind of URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("the database URL cannot be read") from error
    if parsed.get_backend_name() == "sqlite":
        is_file = parsed.database not in (None, "", ":memory:")
        bounds = {"pool_timeout": POOL_TIMEOUT_S} if is_file else {}
        engine = create_engine(parsed, connect_args={"check_same_thread": False}, **bounds)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        # Imported here: most local installations have no PostgreSQL, and the driver takes its time.
        from splitleaf.outcomes.sql.postgres import open_postgres

        return open_postgres(parsed)
    raise ConfigurationError("the database URL must begin with sqlite:/// or postgresql://")


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict("someone else changed that at the same moment") from error
    except (DataError, UnicodeEncodeError, OverflowError) as error:
        raise Unprocessable(f"the database cannot keep this: {_first_line(error)}") from error
    except (OperationalError, InterfaceError, InternalError, PoolTimeoutError) as error:
        # Internal errors are, for example, those of a standby that is not the primary yet.
        raise DependencyDown(f"the database does not answer: {_first_line(error)}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DependencyDown("the connection to the database broke") from error
        if getattr(error.orig, "sqlstate", None) in _NO_SUCH_TABLE_OR_COLUMN:
            raise DependencyDown("the database has not been migrated yet") from error
        if isinstance(error.orig, sqlite3.DatabaseError):
            raise DependencyDown(f"the database file cannot be read: {_first_line(error)}") from error
        raise


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL lets readers and the one writer work side by side. NORMAL can lose the last moments on a power cut, never
    # consistency; what is lost then is still in the broker's feed unless the broker lost it, too.
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
