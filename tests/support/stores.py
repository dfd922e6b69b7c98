"""An outcome store of a test's own: SQLite in a file, empty and migrated."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from functools import cache
from pathlib import Path

from sqlalchemy import select

from splitleaf.outcomes.sql import SqlOutcomeStore, tables


class EmptyStore(SqlOutcomeStore):
    """The store of `make up`. A copy of a migrated file, because to migrate takes longer than most tests."""

    def __init__(self) -> None:
        copy = _folder() / f"{uuid.uuid4().hex}.sqlite3"
        shutil.copyfile(_migrated(), copy)
        super().__init__(f"sqlite:///{copy}")

    def reviewed_ids(self) -> set[str]:
        return {row[0] for row in self._all(select(tables.review_items.c.prediction_id))}


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="splitleaf-stores-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def _migrated() -> Path:
    file = _folder() / "migrated.sqlite3"
    store = SqlOutcomeStore(f"sqlite:///{file}")
    store.migrate()
    store.close()
    return file
