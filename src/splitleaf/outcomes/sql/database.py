"""What every part of the store does with its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, text

from splitleaf.outcomes.sql.engine import open_engine, our_errors


class SqlDatabase:
    """A pool of connections. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        """Connects when it is first used."""
        self._engine = open_engine(url)

    def ping(self) -> None:
        with our_errors(), self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _writing(self, turn: int | None = None) -> Iterator[Connection]:
        """Open a transaction. With `turn`, writers that name the same number come one after the other."""
        with our_errors(), self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                # Before the first look: what is decided on must still be so when it is written.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif turn is not None:
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": turn})
            yield connection

    def _all(self, query: Any) -> Sequence[Any]:
        with our_errors(), self._engine.connect() as connection:
            return connection.execute(query).all()

    @contextmanager
    def _streaming(self, query: Any) -> Iterator[Callable[[int], Sequence[Any]]]:
        """Yield a function that returns the next so many rows, none at the end: for a million rows, of few columns.

        They are the driver's own rows, because SQLAlchemy's take longer to make than all the rest. Values are as the
        database has them: 0 and 1 for a boolean on SQLite.
        """
        with our_errors(), self._engine.connect() as connection:
            compiled = query.compile(dialect=connection.dialect)
            values = compiled.params
            driver: Any = connection.connection
            if connection.dialect.name == "sqlite":
                with closing(driver.cursor()) as cursor:
                    cursor.execute(compiled.string, [values[name] for name in compiled.positiontup])
                    yield cursor.fetchmany
            else:
                # Kept on the server's side: the client would have to hold all rows at once.
                with driver.cursor(name="streaming") as cursor:
                    cursor.execute(compiled.string, values, binary=True)
                    yield cursor.fetchmany
