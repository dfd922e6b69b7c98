"""An outcome store of a test's own: SQLite in a file, empty and migrated."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from functools import cache
from pathlib import Path

from splitleaf.outcomes.sql import SqlOutcomeStore


class EmptyStore(SqlOutcomeStore):
    """The store of `make up`. A copy of a migrated file, because to migrate takes longer than most tests."""

    def __init__(self) -> None:
        copy = _folder() / f"{uuid.uuid4().hex}.sqlite3"
        shutil.copyfile(_migrated(), copy)
        super().__init__(f"sqlite:///{copy}")


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
