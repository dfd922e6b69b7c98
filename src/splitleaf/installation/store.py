"""The outcome store as the settings describe it."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from splitleaf.core.errors import DependencyDown
from splitleaf.installation.data_folder import make_data_dir
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.settings import Settings

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
