"""The outcome store as the settings describe it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Self

from splitleaf.core.clock import SystemClock
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.processes.data import is_in_use, make_data_dir
from splitleaf.settings import Settings, read_settings


def new_store(settings: Settings) -> OutcomeStore:
    """Return the store; its database need not answer yet."""
    # Imported here: it takes a third of a second, which other parts of the start can use.
    from splitleaf.outcomes.sql import SqlOutcomeStore

    if not settings.database_url:
        make_data_dir(settings.data_dir)
    return SqlOutcomeStore(settings.effective_database_url)


class LocalHand:
    """Somebody at the command line who changes what a running system reads in its database."""

    def __init__(self, data_dir: Path | None = None) -> None:
        """`data_dir` wins over the setting, as for `splitleaf up --data`."""
        settings = read_settings()
        self._settings = settings.model_copy(update={"data_dir": data_dir}) if data_dir else settings
        self._store = new_store(self._settings)
        self._store.migrate()
        self._clock = SystemClock()
        self._actor = f"cli:{getpass.getuser()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    @property
    def idle_data_dir(self) -> Path | None:
        """Return the data folder when it is an embedded one that no running system uses."""
        if self._settings.database_url or is_in_use(self._settings.data_dir):
            return None
        return self._settings.data_dir.absolute()
