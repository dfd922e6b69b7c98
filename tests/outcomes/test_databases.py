"""What only real databases can show: triggers, values that they refuse, being down."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DatabaseError

from splitleaf.core.errors import ConfigurationError, DependencyDown, SplitleafError, Unprocessable
from splitleaf.core.ids import new_prediction_id
from splitleaf.outcomes.migrations import run
from splitleaf.outcomes.reviews import ReviewTurn, TurnKind
from splitleaf.outcomes.sql import SqlOutcomeStore, postgres, tables
from splitleaf.outcomes.sql.engine import open_engine, our_errors
from tests.outcomes.facts import NOW_MS, experiment_revision, feedback, outcome, review_item, revision, step
from tests.outcomes.servers import PostgresServer
from tests.outcomes.test_keys import KEY, entry

OpenStore = Callable[[str], SqlOutcomeStore]
HISTORY = set(tables.metadata.sorted_tables) - {tables.key_uses, tables.ended_sessions}
TABLES = sorted(table.name for table in HISTORY)


def one_row_in_each(store: SqlOutcomeStore) -> None:
    fact = outcome()
    store.record_outcomes([fact])
    store.record_feedback(feedback(fact.prediction_id))
    store.move_alias("champion", "v1", expected=None, actor="ann", reason="first", now_ms=NOW_MS)
    store.set_routing(revision(1))
    store.set_aside("a" * 26, "{}", "why", NOW_MS)
    store.change_experiment(step(table=experiment_revision()))
    store.enrol([review_item(fact.prediction_id)], expected=0, reached=1, now_ms=NOW_MS)
    store.record_turn(ReviewTurn(fact.prediction_id, "ann", TurnKind.SKIPPED, NOW_MS, NOW_MS))
    store.add_key(KEY, entry())
    store.revoke_key(KEY.key_id, entry("revoke"))


def attempt(url: str, statement: str) -> str:
    """Run a statement as anybody with the password could; return the database's refusal."""
    engine = open_engine(url)
    try:
        with pytest.raises(DatabaseError) as refused, engine.begin() as connection:
            connection.execute(text(statement))
        return str(refused.value)
    finally:
        engine.dispose()


@pytest.mark.parametrize("table", TABLES)
def test_the_database_itself_refuses_to_change_or_delete_a_row(url: str, open_store: OpenStore, table: str) -> None:
    one_row_in_each(open_store(url))
    assert f"{table} is append-only" in attempt(url, f"UPDATE {table} SET created_ms = 0")
    assert f"{table} is append-only" in attempt(url, f"DELETE FROM {table}")
    if url.startswith("postgresql"):
        assert f"{table} is append-only" in attempt(url, f"TRUNCATE {table}")
    engine = open_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text(f"SELECT count(*) FROM {table} WHERE created_ms > 0")) >= 1
    engine.dispose()


def test_an_outcome_survives_the_process(url: str, open_store: OpenStore) -> None:
    fact = outcome()
    first = open_store(url)
    first.record_outcomes([fact])
    first.close()
    assert open_store(url).outcome(fact.prediction_id) == fact


@pytest.mark.parametrize("label", ["half a pair \ud800", "a NUL \0"])
def test_a_text_that_cannot_be_kept_is_our_error_and_spoils_nothing(
    url: str, open_store: OpenStore, label: str
) -> None:
    store, good = open_store(url), outcome()
    bad = replace(outcome(), label=label)
    if "\0" in label and url.startswith("sqlite"):
        assert store.record_outcomes([good, bad]) == 2
        assert store.outcome(bad.prediction_id) == bad
        return
    with pytest.raises(Unprocessable, match="cannot keep"):
        store.record_outcomes([good, bad])
    assert store.outcome(good.prediction_id) is None
    assert store.record_outcomes([good]) == 1


def test_a_number_that_is_too_large_is_our_error(url: str, open_store: OpenStore) -> None:
    with pytest.raises(Unprocessable):
        open_store(url).record_outcomes([outcome(created_ms=2**70)])


def test_before_the_migration_the_store_is_down_not_broken(empty_url: str, open_store: OpenStore) -> None:
    store = open_store(empty_url)
    with pytest.raises(DependencyDown):
        store.routing()
    with pytest.raises(DependencyDown):
        store.record_outcomes([outcome()])
    store.migrate()
    assert store.routing() is None


@pytest.mark.parametrize("url", ["mysql://there/db", "not a url", ""])
def test_another_kind_of_database_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError):
        SqlOutcomeStore(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_goes_by_each_of_its_names(scheme: str) -> None:
    store = SqlOutcomeStore(f"{scheme}://splitleaf:secret@127.0.0.1:1/splitleaf")
    with pytest.raises(DependencyDown) as down:
        store.ping()
    assert "secret" not in str(down.value)


def test_a_sqlite_file_in_a_folder_that_is_not_there_is_down(tmp_path: Path) -> None:
    store = SqlOutcomeStore(f"sqlite:///{tmp_path / 'nowhere' / 'outcomes.sqlite3'}")
    with pytest.raises(DependencyDown):
        store.migrate()
    store.close()


def test_a_sqlite_file_that_is_something_else_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "outcomes.sqlite3").write_bytes(os.urandom(8192))
    store = SqlOutcomeStore(f"sqlite:///{tmp_path / 'outcomes.sqlite3'}")
    with pytest.raises(SplitleafError):
        store.migrate()
    store.close()


@pytest.mark.postgres
@pytest.mark.slow
def test_a_server_that_restarts_is_down_meanwhile_and_found_again(
    own_postgres: PostgresServer, open_store: OpenStore
) -> None:
    store, fact = open_store(own_postgres.new_database()), outcome()
    store.migrate()
    store.record_outcomes([fact])
    own_postgres.stop()
    for call in (store.ping, store.aliases, store.migrate, lambda: store.record_outcomes([outcome()])):
        with pytest.raises(DependencyDown):
            call()
    own_postgres.start()
    assert store.outcome(fact.prediction_id) == fact
    assert store.record_outcomes([outcome()]) == 1
    assert store.feedback(new_prediction_id()) == []


@pytest.mark.postgres
@pytest.mark.slow
def test_a_frozen_server_is_down_and_found_again(
    own_postgres: PostgresServer, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres.BoundedConnection, "silence_s", 1.0)
    monkeypatch.setattr(postgres, "SILENCE_S", 1.0)
    store, fact = open_store(own_postgres.new_database()), outcome()
    store.migrate()
    store.record_outcomes([fact])
    with own_postgres.frozen():
        for call in (store.ping, store.aliases, lambda: store.record_outcomes([outcome()])):
            with pytest.raises(DependencyDown):
                call()
    assert store.outcome(fact.prediction_id) == fact


@pytest.mark.postgres
def test_a_statement_under_way_when_the_server_freezes_comes_to_an_end(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres.BoundedConnection, "silence_s", 0.5)
    engine = open_engine(own_postgres.url_of("postgres"))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        with own_postgres.frozen(), pytest.raises(DependencyDown), our_errors():
            connection.execute(text("SELECT 2"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 3")) == 3
    engine.dispose()


@pytest.mark.postgres
def test_the_server_ends_what_takes_too_long_waits_for_a_lock_or_does_nothing(shared_postgres: PostgresServer) -> None:
    engine = open_engine(shared_postgres.url_of("postgres"))
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    for _ in range(2):  # a fresh connection, and one of the pool
        with engine.connect() as connection:
            assert [connection.scalar(text(f"SHOW {name}")) for name in names] == ["30s", "10s", "1min"]
    engine.dispose()


@pytest.mark.postgres
def test_a_migration_may_take_its_time_and_its_connection_is_bounded_again(own_postgres: PostgresServer) -> None:
    engine = open_engine(own_postgres.url_of("postgres"))
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        with postgres.unlimited(connection):
            patience = (driver.silence_s, connection.scalar(text("SHOW statement_timeout")))
        assert (*patience, driver.silence_s) == (None, "0", postgres.SILENCE_S)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "30s"
    engine.dispose()


def test_who_waits_for_a_migration_that_does_not_end_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_LOCKED_WITHIN_S", 0.1)
    store = SqlOutcomeStore(f"sqlite:///{tmp_path / 'outcomes.sqlite3'}")
    with (tmp_path / "outcomes.sqlite3.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DependencyDown, match="another process"):
            store.migrate()
    store.migrate()
    store.close()


@pytest.mark.postgres
def test_a_database_that_takes_no_writes_is_down(shared_postgres: PostgresServer, open_store: OpenStore) -> None:
    """As a standby, until it has become the primary."""
    url = shared_postgres.new_database(template="test_1")
    engine = open_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    engine.dispose()
    store = open_store(url)
    with pytest.raises(DependencyDown):
        store.record_outcomes([outcome()])
    assert store.count_by_status() == {}


def test_images_with_measures_are_counted_in_their_index_alone(url: str, open_store: OpenStore) -> None:
    store = open_store(url)
    asked: list[tuple[str, Any]] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        asked.append((statement, values))

    try:
        store.count_sightings("a" * 64)
        store.newest_sightings("a" * 64, 5)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    is_sqlite, engine = url.startswith("sqlite"), open_engine(url)
    explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    with engine.connect() as connection:
        if not is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, values in asked:
            plan = " ".join(str(row) for row in connection.exec_driver_sql(explain + statement, values))
            assert "outcomes_by_artifact" in plan, plan
    engine.dispose()
    assert len(asked) == 2
