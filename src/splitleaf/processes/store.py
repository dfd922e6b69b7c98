"""The outcome store as the settings describe it."""

from __future__ import annotations

from splitleaf.outcomes.store import OutcomeStore
from splitleaf.processes.data import make_data_dir
from splitleaf.settings import Settings


def new_store(settings: Settings) -> OutcomeStore:
    """Return the store; its database need not answer yet."""
    # Imported here: it takes a third of a second, which other parts of the start can use.
    from splitleaf.outcomes.sql import SqlOutcomeStore

    if not settings.database_url:
        make_data_dir(settings.data_dir)
    return SqlOutcomeStore(settings.effective_database_url)
