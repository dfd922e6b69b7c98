from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from splitleaf.outcomes.sql import SqlOutcomeStore
from splitleaf.outcomes.store import OutcomeStore
from tests.outcomes.servers import NoPostgresHere, PostgresServer

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


def _started(server: PostgresServer) -> PostgresServer:
    try:
        server.prepare()
        server.start()
    except (NoPostgresHere, OSError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL can be started here: {error}")
    return server


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    # Not pytest's own folder, which only its owner may enter: the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        server = _started(PostgresServer(Path(folder)))
        migrated = SqlOutcomeStore(server.new_database())
        migrated.migrate()
        migrated.close()
        yield server
        server.stop()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, which may be stopped and started again."""
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        server = _started(PostgresServer(Path(folder)))
        yield server
        server.stop()


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, on SQLite and on PostgreSQL."""
    yield from empty_database(request, tmp_path / "outcomes.sqlite3")


def empty_database(request: pytest.FixtureRequest, file: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("shared_postgres")
    with server.database() as url:
        yield url


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database that holds no row, on SQLite and on PostgreSQL."""
    return _migrated_url(request, tmp_path)


@pytest.fixture
def open_store(request: pytest.FixtureRequest) -> Iterator[Callable[[str], SqlOutcomeStore]]:
    """Opens stores, and closes them at the test's end."""
    opened: list[SqlOutcomeStore] = []

    def open_one(url: str) -> SqlOutcomeStore:
        opened.append(SqlOutcomeStore(url))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(url: str) -> Iterator[OutcomeStore]:
    """The same port on SQLite and on PostgreSQL."""
    made = SqlOutcomeStore(url)
    yield made
    made.close()


def _migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'outcomes.sqlite3'}"
        made = SqlOutcomeStore(url)
        made.migrate()
        made.close()
        return url
    server: PostgresServer = request.getfixturevalue("shared_postgres")
    # The first database is migrated already, and one copy of it serves all, which is quicker.
    return server.emptied_database(template="test_1")
