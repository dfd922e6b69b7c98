"""The outcome store as the settings describe it."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Final, Self

import structlog

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import DependencyDown
from splitleaf.installation.data_folder import is_in_use, make_data_dir
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.settings import Settings, read_settings

log = structlog.get_logger(__name__)

TRY_AGAIN_S: Final = 2.0


def new_store(settings: Settings) -> OutcomeStore:
    """Return the store; its database need not answer yet."""
    # Imported here: it takes a third of a second, which other parts of the start can use.
    from splitleaf.outcomes.sql import SqlOutcomeStore

    if not settings.database_url:
        make_data_dir(settings.data_dir)
    return SqlOutcomeStore(settings.effective_database_url)


async def migrate_when_it_answers(store: OutcomeStore, tried: asyncio.Event, again_s: float = TRY_AGAIN_S) -> None:
    """Bring the database up to date, however late it comes; `tried` is set after the first attempt."""
    while True:
        try:
            await asyncio.to_thread(store.migrate)
        except DependencyDown as error:
            log.warning("not_migrated_yet", detail=error.detail, retry_in_s=again_s)
        except Exception:
            # Of a newer release, for example. Images are answered all the same.
            log.exception("not_migrated")
            return
        else:
            return
        finally:
            tried.set()
        await asyncio.sleep(again_s)


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
