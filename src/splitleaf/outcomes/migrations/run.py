"""Bringing a database's schema up to date, by the process that comes first."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from splitleaf.core.errors import ConfigurationError, DependencyDown

HEAD = "0009"
"""The newest migration. A test holds it against the scripts."""

# Any number will do, as long as nothing else in the database takes the same lock.
_LOCK_NUMBER = 7_205_759_403
_LOCKED_WITHIN_S = 10.0


def migrate(engine: Engine, target: str = HEAD) -> None:
    """Run what is missing, one process at a time. Quick when nothing is: alembic is not even imported.

    Raises `ConfigurationError` for a database of a newer release.
    """
    if present_schema(engine) == target:
        return
    with _alone(engine):
        if present_schema(engine) != target:
            _upgrade(engine, target)


def present_schema(engine: Engine) -> str | None:
    """Return the number of the newest migration that was run; None for an empty database."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version


def _upgrade(engine: Engine, target: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection, _taking_its_time(connection):
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, target)
        except CommandError as error:
            raise ConfigurationError(
                f"the database is of another release: {error}; this one knows the schema up to {HEAD}: run the release "
                "that brought it there or a newer one, or restore the backup from before"
            ) from error


def _taking_its_time(connection: Connection) -> AbstractContextManager[None]:
    if connection.dialect.name == "sqlite":
        # Python's driver begins no transaction for DDL; a process that dies half-way would leave half a schema.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return nullcontext()
    from splitleaf.outcomes.sql.postgres import unlimited

    return unlimited(connection)


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK_NUMBER})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _LOCK_NUMBER})
    elif engine.url.database and engine.url.database != ":memory:":
        with Path(f"{engine.url.database}.lock").open("w") as lock:
            _lock(lock.fileno())
            yield
    else:
        yield


def _lock(descriptor: int) -> None:
    """Take the lock. Raises `DependencyDown` where someone holds it who does not get on."""
    give_up_at = time.monotonic() + _LOCKED_WITHIN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise DependencyDown("another process is migrating the database, and does not come to an end") from None
            time.sleep(0.05)
        else:
            return
