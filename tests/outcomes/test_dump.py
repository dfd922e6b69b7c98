"""All rows out of a database and into another one: SQLite, PostgreSQL, and from one to the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from splitleaf.core.errors import ConfigurationError, SplitleafError
from splitleaf.outcomes.audit import entry_of
from splitleaf.outcomes.migrations import run
from splitleaf.outcomes.sql import SqlOutcomeStore
from splitleaf.outcomes.sql.dump import Row, SqlArchive
from splitleaf.outcomes.sql.engine import open_engine
from tests.outcomes.conftest import empty_database
from tests.outcomes.facts import NOW_MS, outcome, revision
from tests.outcomes.test_databases import TABLES, one_row_in_each

OpenStore = Callable[[str], SqlOutcomeStore]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database beside that of `url`."""
    yield from empty_database(request, tmp_path / "other.sqlite3")


def dumped(url: str) -> list[Row]:
    """As a backup keeps it: through JSON."""
    archive = SqlArchive(url)
    rows = [(name, row) for name, row in json.loads(json.dumps(list(archive.rows())))]
    archive.close()
    return rows


def fill(url: str, rows: list[Row], schema: str = run.HEAD) -> int:
    archive = SqlArchive(url)
    try:
        return archive.fill(rows, schema)
    finally:
        archive.close()


def test_every_row_of_every_table_comes_back_as_it_was(url: str, other_url: str, open_store: OpenStore) -> None:
    one_row_in_each(open_store(url))
    rows = dumped(url)
    history = set(TABLES)
    assert {name for name, _ in rows} >= history
    assert fill(other_url, rows) == len(rows)
    assert dumped(other_url) == rows
    other, original = open_store(other_url), open_store(url)
    assert other.routing() == original.routing() == revision(1)
    assert list(other.api_keys()) == list(original.api_keys())
    assert other.experiments() == original.experiments()


def test_life_goes_on_behind_the_rows_that_were_put_in(url: str, other_url: str, open_store: OpenStore) -> None:
    one_row_in_each(open_store(url))
    fill(other_url, dumped(url))
    store = open_store(other_url)
    store.migrate()
    last = list(store.outcomes_after(0, 100))[-1].number
    assert store.record_outcomes([outcome()]) == 1
    assert [one.number for one in store.outcomes_after(last, 100)] == [last + 1]
    store.move_alias("champion", "v2", expected="v1", actor="ann", reason="next", now_ms=NOW_MS)
    assert store.audit_log()[0].subject == "alias/champion"


def test_a_backup_of_an_older_release_is_brought_up_to_date(
    empty_url: str, other_url: str, open_store: OpenStore
) -> None:
    engine = open_engine(empty_url)
    run.migrate(engine, "0001")
    with engine.begin() as connection:
        for number in range(3):
            values = f"{number + 1}, 'champion', {number + 1}, 'v{number}', NULL, 'ann', 'why', {NOW_MS}"
            connection.execute(text(f"INSERT INTO alias_changes VALUES ({values})"))
    engine.dispose()
    archive = SqlArchive(empty_url)
    assert archive.schema() == "0001"
    archive.close()
    fill(other_url, dumped(empty_url), "0001")
    store = open_store(other_url)
    store.migrate()
    assert (store.aliases(), len(store.alias_history("champion"))) == ({"champion": "v2"}, 3)
    assert SqlArchive(other_url).schema() == run.HEAD


def test_a_backup_of_a_newer_release_is_refused_before_anything_is_written(empty_url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"9999.*up to {run.HEAD}"):
        fill(empty_url, [], "9999")
    assert SqlArchive(empty_url).schema() is None


def test_a_row_that_does_not_fit_leaves_nothing(url: str, other_url: str, open_store: OpenStore) -> None:
    one_row_in_each(open_store(url))
    rows = dumped(url)
    with pytest.raises(SplitleafError):
        fill(other_url, [*rows, rows[-1]])
    archive = SqlArchive(other_url)
    assert archive.is_empty()
    archive.close()


def test_a_dump_is_of_one_moment(url: str, open_store: OpenStore) -> None:
    store = open_store(url)
    store.record_outcomes([outcome() for _ in range(3)])
    archive = SqlArchive(url)
    rows = archive.rows()
    first = next(rows)
    try:
        store.record_outcomes([outcome()])
        store.record_audit(entry_of("ann", "look", "x", "why", None, None, NOW_MS))
    except sqlite3.OperationalError:
        pytest.fail("the dump keeps others from writing")
    rest = list(rows)
    archive.close()
    names = [name for name, _ in (first, *rest)]
    assert (names.count("outcomes"), names.count("audit_log")) == (3, 0)
