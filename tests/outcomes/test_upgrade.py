"""From the first release's database, with something in every table of it, to this one's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from splitleaf.core.errors import ConfigurationError
from splitleaf.core.ids import new_prediction_id
from splitleaf.outcomes.migrations import run
from splitleaf.outcomes.sql import SqlOutcomeStore
from splitleaf.outcomes.sql.engine import open_engine
from splitleaf.outcomes.sql.rows import outcome_row
from tests.outcomes.facts import NOW_MS, feedback, outcome

OpenStore = Callable[[str], SqlOutcomeStore]
ID: Final = new_prediction_id()
TABLE: Final = bytes(10_000)

FIRST: Final[Mapping[str, Mapping[str, Any]]] = {
    "outcomes": {
        "prediction_id": ID, "status": "succeeded", "role": "primary", "assigned_version": "v1", "served_version": "v1",
        "served_digest": "d" * 64, "revision": 1, "experiment": "", "variant": "", "override": False,
        "unit_hash": "u" * 32, "request_id": "r", "label": "healthy", "confidence": 0.9, "entropy": 0.1, "is_sure": True,
        "top": '[["healthy","Healthy",0.9]]', "flags": "[]", "created_ms": NOW_MS, "finished_ms": NOW_MS + 40,
        "intake_ms": 1.0, "queue_ms": 2.0, "preprocess_ms": 3.0, "inference_ms": 4.0, "batch_size": 1, "deliveries": 1,
        "worker": "w", "schema": 1,
    },
    "feedback": {
        "feedback_id": "f" * 32, "prediction_id": ID, "source": "user", "author": "u" * 32, "correct": True,
        "created_ms": NOW_MS,
    },
    "alias_changes": {
        "alias": "champion", "sequence": 1, "version": "v1", "actor": "ann", "reason": "first", "created_ms": NOW_MS,
    },
    "routing_revisions": {
        "revision": 1, "salt": "s", "shares": '[["v1",10000]]', "slots": TABLE, "actor": "ann", "reason": "first",
        "created_ms": NOW_MS,
    },
    "set_aside": {"prediction_id": "?", "document": "{}", "reason": "unreadable", "created_ms": NOW_MS},
}  # fmt: skip
"""What a process of the first release wrote: a row in every table."""


@pytest.fixture
def first(empty_url: str) -> str:
    """The URL of a database as the first release left it."""
    engine = open_engine(empty_url)
    run.migrate(engine, "0001")
    assert set(FIRST) == set(inspect(engine).get_table_names()) - {"alembic_version"}
    with engine.begin() as connection:
        for table, row in FIRST.items():
            columns, values = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), dict(row))
    engine.dispose()
    return empty_url


def test_everything_that_was_there_is_there_and_life_goes_on(first: str, open_store: OpenStore) -> None:
    store = open_store(first)
    store.migrate()
    kept = store.outcome(ID)
    assert kept is not None
    assert (kept.label, kept.confidence, kept.experiment, kept.fallback) == ("healthy", 0.9, "", "")
    assert [one.correct for one in store.feedback(ID)] == [True]
    assert store.aliases() == {"champion": "v1"}
    routing = store.routing()
    assert routing is not None
    assert (routing.shares, routing.slots) == ((("v1", 10_000),), TABLE)
    assert [one[2] for one in store.aside()] == ["unreadable"]
    assert store.record_outcomes([outcome()]) == 1
    store.record_feedback(feedback(ID))
    store.move_alias("champion", "v2", expected="v1", actor="ann", reason="second", now_ms=NOW_MS)
    assert len(store.feedback(ID)) == 2


def test_what_was_written_stays_as_it_was_written(first: str, open_store: OpenStore) -> None:
    open_store(first).migrate()
    engine = open_engine(first)
    with engine.connect() as connection:
        for table, row in FIRST.items():
            columns = ", ".join(f'"{name}"' for name in row)
            (found,) = connection.execute(text(f"SELECT {columns} FROM {table}"))
            assert [_plain(value) for value in found] == [_plain(value) for value in row.values()], table
    engine.dispose()


def test_every_step_on_the_way_can_be_the_last_and_be_gone_on_from(first: str, open_store: OpenStore) -> None:
    engine = open_engine(first)
    for step in steps():
        run.migrate(engine, step)
        assert run.present_schema(engine) == step
    engine.dispose()
    store = open_store(first)
    store.migrate()
    assert store.outcome(ID) is not None


def test_a_process_of_the_release_before_writes_on_beside_this_one(empty_url: str, open_store: OpenStore) -> None:
    store = open_store(empty_url)
    store.migrate()
    fact = outcome(schema=4, fingerprint="")
    row = {name: value for name, value in outcome_row(fact).items() if name != "fingerprint"}
    columns, values = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO outcomes ({columns}) VALUES ({values})"), row)
    engine.dispose()
    assert store.record_outcomes([fact, outcome(origin="page", created_ms=NOW_MS + 1)]) == 1
    assert [one.fingerprint for one in store.outcomes_after(0, 10)] == ["", "f" * 32]
    assert store.exposures(fact.experiment).origins == ("unit", "page")


def test_an_older_release_says_what_to_do_and_touches_nothing(first: str, open_store: OpenStore) -> None:
    engine = open_engine(first)
    _set_schema(engine, "9999")
    with pytest.raises(ConfigurationError) as refused:
        open_store(first).migrate()
    assert "run the release that brought it there" in refused.value.detail
    assert "restore the backup" in refused.value.detail
    assert run.present_schema(engine) == "9999"
    assert set(FIRST) == set(inspect(engine).get_table_names()) - {"alembic_version"}
    engine.dispose()


def steps() -> list[str]:
    scripts = ScriptDirectory(str(Path(run.__file__).parent))
    return [one.revision for one in scripts.walk_revisions()][::-1]


def _set_schema(engine: Engine, schema: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :schema"), {"schema": schema})


def _plain(value: Any) -> Any:
    """SQLite has no booleans, and drivers differ in what they call bytes."""
    return bytes(value) if isinstance(value, memoryview) else int(value) if isinstance(value, bool) else value
