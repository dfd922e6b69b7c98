"""Movable names: one step, within the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from splitleaf.core.errors import Conflict
from splitleaf.outcomes.events import AliasChange
from splitleaf.outcomes.experiments import AliasMove
from splitleaf.outcomes.sql import tables


def append_move(connection: Connection, move: AliasMove, actor: str, reason: str, now_ms: int) -> AliasChange:
    """Append a change of an alias. Raises `Conflict` when the alias does not point where it is expected to."""
    newest = _newest_change(connection, move.alias)
    previous = newest.version if newest else None
    if previous != move.expected:
        raise Conflict(f"{move.alias} names {previous}, not {move.expected}")
    change = {
        "alias": move.alias,
        "sequence": newest.sequence + 1 if newest else 1,
        "version": move.version,
        "previous": previous,
        "actor": actor,
        "reason": reason,
        "created_ms": now_ms,
    }
    result = connection.execute(tables.alias_changes.insert(), change)
    (change_id,) = result.inserted_primary_key or (0,)
    return AliasChange(move.alias, move.version, previous, actor, reason, now_ms, change_id)


def _newest_change(connection: Connection, alias: str) -> Any:
    table = tables.alias_changes
    query = select(table).where(table.c.alias == alias).order_by(table.c.sequence.desc()).limit(1)
    return connection.execute(query).first()
