"""All rows of the outcome store as plain values, and back; also from SQLite to PostgreSQL and the other way."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, LargeBinary, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError, InvalidRequestError

from splitleaf.core.errors import ConfigurationError, InvalidArtifact
from splitleaf.outcomes.migrations.run import HEAD, migrate, present_schema
from splitleaf.outcomes.sql.engine import open_engine, our_errors

Row = tuple[str, dict[str, Any]]
"""The table's name, and column -> value as JSON knows it; bytes are base64."""

_PAGE: Final = 500
_NOT_ROWS: Final = (
    *(LookupError, ValueError, TypeError, AttributeError),
    InvalidRequestError,
    IntegrityError,
    DataError,
)
_OF_ALEMBIC: Final = "alembic_version"


class SqlArchive:
    """Reads a whole database as of one moment, and fills an empty one."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)

    def close(self) -> None:
        self._engine.dispose()

    def schema(self) -> str | None:
        """Return the number of the migration that the database is at; None for an empty one."""
        with our_errors():
            return present_schema(self._engine)

    def rows(self) -> Iterator[Row]:
        """Yield every row, oldest first, as of the moment of the first."""
        with our_errors(), _snapshot(self._engine) as connection:
            for table in _tables(connection):
                query = select(table).order_by(*table.primary_key.columns)
                for row in connection.execution_options(yield_per=_PAGE).execute(query):
                    yield table.name, _plain(row._asdict())

    def is_empty(self) -> bool:
        with our_errors(), self._engine.connect() as connection:
            return not any(connection.scalar(select(func.count()).select_from(one)) for one in _tables(connection))

    def fill(self, rows: Iterable[Row], schema: str) -> int:
        """Write the rows of a database of that schema into this one, all or none, and bring it up to date.

        Returns how many. Raises `ConfigurationError` for a schema that is newer than this release, and
        `InvalidArtifact` for rows that are not of that schema.
        """
        if schema > HEAD:
            raise ConfigurationError(f"the backup is of a newer release: schema {schema}, this one knows up to {HEAD}")
        with our_errors():
            migrate(self._engine, schema)
            with self._engine.begin() as connection:
                try:
                    count = _insert(connection, rows)
                except _NOT_ROWS as error:
                    # Of a table or column that there is not, say.
                    raise InvalidArtifact(f"its rows do not fit: {error}", code="invalid_backup") from error
            migrate(self._engine)
        return count


def _insert(connection: Connection, rows: Iterable[Row]) -> int:
    tables, count = {table.name: table for table in _tables(connection)}, 0
    for name, group in groupby(rows, key=lambda row: row[0]):
        table = tables[name]
        binary = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
        values = (_typed(row, binary) for _, row in group)
        while page := list(islice(values, _PAGE)):
            if unknown := {column for row in page for column in row} - set(table.columns.keys()):
                raise ValueError(f"{name} has no column {min(unknown)}")
            connection.execute(insert(table), page)
            count += len(page)
        _count_on(connection, table)
    return count


def _snapshot(engine: Engine) -> Connection:
    if engine.dialect.name == "postgresql":
        return engine.connect().execution_options(isolation_level="REPEATABLE READ")
    connection = engine.connect()
    # Python's driver begins no transaction for a SELECT; without one each table would be of another moment.
    connection.exec_driver_sql("BEGIN")
    return connection


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != _OF_ALEMBIC]


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL count on from the highest number: it does not look at what was inserted with one."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        sequence = connection.scalar(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
        )
        if sequence:
            highest = connection.scalar(select(func.max(column)))
            connection.execute(text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest})


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: b64encode(value).decode("ascii") if isinstance(value, (bytes, memoryview)) else value
        for name, value in row.items()
    }


def _typed(row: Mapping[str, Any], binary: Iterable[str]) -> dict[str, Any]:
    return {**row, **{name: b64decode(row[name]) for name in binary if row[name] is not None}}
