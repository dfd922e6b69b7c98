"""The schema's way from an empty database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text

from splitleaf.core.errors import ConfigurationError
from splitleaf.outcomes import migrations
from splitleaf.outcomes.migrations import run
from splitleaf.outcomes.sql import SqlOutcomeStore, rows, tables
from splitleaf.outcomes.sql.engine import open_engine
from tests.outcomes.facts import outcome

OpenStore = Callable[[str], SqlOutcomeStore]


def migrate_and_record(url: str) -> int:
    """What each of several processes does at its start."""
    store = SqlOutcomeStore(url)
    try:
        store.migrate()
        return store.record_outcomes([outcome()])
    finally:
        store.close()


def test_the_newest_script_is_the_one_that_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [run.HEAD]


def test_the_migrations_lead_to_the_tables_of_this_release(empty_url: str) -> None:
    engine = open_engine(empty_url)
    run.migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, tables.metadata) == []
        keys = {
            table.name: inspect(connection).get_pk_constraint(table.name) for table in tables.metadata.sorted_tables
        }
    engine.dispose()
    assert {name: key["constrained_columns"] for name, key in keys.items()} == {
        table.name: [column.name for column in table.primary_key] for table in tables.metadata.sorted_tables
    }


def test_a_second_start_runs_nothing(empty_url: str, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(empty_url).migrate()

    def must_not_run(_engine: Any) -> None:
        pytest.fail("migrated again")

    monkeypatch.setattr(run, "_upgrade", must_not_run)
    open_store(empty_url).migrate()


@pytest.mark.slow
def test_a_start_with_nothing_to_do_does_not_even_import_alembic(tmp_path: Path, open_store: OpenStore) -> None:
    url = f"sqlite:///{tmp_path / 'outcomes.sqlite3'}"
    open_store(url).migrate()
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(alembic_is_loaded_after_migrating, (url,)) is False


def alembic_is_loaded_after_migrating(url: str) -> bool:
    # This test's own module imports alembic; look at what comes back after it is forgotten.
    for name in [name for name in sys.modules if name.partition(".")[0] == "alembic"]:
        del sys.modules[name]
    store = SqlOutcomeStore(url)
    store.migrate()
    store.close()
    return "alembic" in sys.modules


@pytest.mark.slow
def test_processes_that_start_at_once_do_not_collide(empty_url: str, open_store: OpenStore) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        assert pool.map(migrate_and_record, [empty_url] * 3, chunksize=1) == [1, 1, 1]
    assert open_store(empty_url).count_by_status() == {"succeeded": 3}


def test_a_start_that_is_cut_off_half_way_leaves_nothing_half_done(empty_url: str, open_store: OpenStore) -> None:
    engine = open_engine(empty_url)

    def die(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "routing_revisions" in statement and "TRIGGER" in statement:
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", die)
    with pytest.raises(KeyboardInterrupt):
        run.migrate(engine)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    store = open_store(empty_url)
    store.migrate()
    assert store.record_outcomes([outcome()]) == 1


def test_a_database_of_a_newer_release_is_refused_in_words(empty_url: str, open_store: OpenStore) -> None:
    store = open_store(empty_url)
    store.migrate()
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match=f"9999.*up to {run.HEAD}"):
        store.migrate()


def test_what_an_older_release_recorded_is_there_after_the_update(empty_url: str, open_store: OpenStore) -> None:
    engine = open_engine(empty_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    fact = outcome(schema=1, origin="", fingerprint="")
    later = {"primary_id", "fallback", "is_familiar", "heat", "measures", "origin", "fingerprint"}
    row = {name: value for name, value in rows.outcome_row(fact).items() if name not in later}
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        columns = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO outcomes ({columns}) VALUES ({values})"), row)
    engine.dispose()
    store = open_store(empty_url)
    store.migrate()
    assert store.outcome(fact.prediction_id) == fact
    assert store.exposures_after(fact.experiment, 0, 10) == [fact]
    assert store.record_outcomes([fact, outcome()]) == 1
