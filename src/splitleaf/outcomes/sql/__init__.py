"""The outcome store on SQLite or PostgreSQL."""

from splitleaf.outcomes.sql.store import SqlOutcomeStore

__all__ = ["SqlOutcomeStore"]
