"""The outcome store, built from settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from splitleaf.core.errors import DependencyDown
from splitleaf.installation.data_folder import make_data_dir
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.settings import Settings

if TYPE_CHECKING:
    from splitleaf.outcomes.sql.dump import SqlArchive

log = structlog.get_logger(__name__)

TRY_AGAIN_S: Final = 2.0


def new_store(settings: Settings) -> OutcomeStore:
    """Return the store. Its database does not have to answer yet."""
    # Imported here because it takes a third of a second, during which other parts can start.
    from splitleaf.outcomes.sql import SqlOutcomeStore

    if not settings.database_url:
        make_data_dir(settings.data_dir)
    return SqlOutcomeStore(settings.effective_database_url)


def new_archive(settings: Settings) -> SqlArchive:
    """Return access to all rows of the database, of any schema."""
    from splitleaf.outcomes.sql.dump import SqlArchive

    if not settings.database_url:
        make_data_dir(settings.data_dir)
    return SqlArchive(settings.effective_database_url)


async def migrate_when_it_answers(store: OutcomeStore, tried: asyncio.Event, again_s: float = TRY_AGAIN_S) -> None:
    """Migrate the database as soon as it answers; `tried` is set after the first attempt."""
    while True:
        try:
            await asyncio.to_thread(store.migrate)
        except DependencyDown as error:
            log.warning("not_migrated_yet", detail=error.detail, retry_in_s=again_s)
        except Exception:
            # For example, its schema belongs to a newer release. Images are still answered.
            log.exception("not_migrated")
            return
        else:
            return
        finally:
            tried.set()
        await asyncio.sleep(again_s)
