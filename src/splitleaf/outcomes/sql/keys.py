"""Keys on SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from splitleaf.core.access import Scope
from splitleaf.core.errors import Conflict, NotFound
from splitleaf.outcomes.experiments import AuditEntry
from splitleaf.outcomes.keys import KeyRecord
from splitleaf.outcomes.sql import rows, tables
from splitleaf.outcomes.sql.database import SqlDatabase


class SqlKeys(SqlDatabase):
    """Keeps the promises of `KeyStore`."""

    def add_key(self, record: KeyRecord, entry: AuditEntry) -> None:
        with self._writing() as connection:
            connection.execute(insert(tables.api_keys), _row(record))
            connection.execute(insert(tables.audit_log), rows.audit_row(entry))

    def revoke_key(self, key_id: str, entry: AuditEntry) -> None:
        known, over = tables.api_keys.c.key_id, tables.key_revocations.c.key_id
        with self._writing() as connection:
            if connection.scalar(select(known).where(known == key_id)) is None:
                raise NotFound("there is no such key", code="key_not_found")
            if connection.scalar(select(over).where(over == key_id)) is not None:
                raise Conflict("the key is revoked already")
            row = {"key_id": key_id, "created_ms": entry.created_ms}
            connection.execute(insert(tables.key_revocations), row)
            connection.execute(insert(tables.audit_log), rows.audit_row(entry))

    def api_keys(self) -> Sequence[KeyRecord]:
        made, over, used = tables.api_keys, tables.key_revocations, tables.key_uses
        query = (
            select(made, over.c.created_ms.label("revoked_ms"), used.c.last_used_ms)
            .outerjoin(over, over.c.key_id == made.c.key_id)
            .outerjoin(used, used.c.key_id == made.c.key_id)
            .order_by(made.c.number.desc())
        )
        return [_read(row) for row in self._all(query)]

    def note_key_use(self, key_id: str, now_ms: int) -> None:
        table, made = tables.key_uses, tables.api_keys.c.key_id
        with self._writing() as connection:
            noted = connection.execute(update(table).where(table.c.key_id == key_id), {"last_used_ms": now_ms})
            if noted.rowcount == 0 and connection.scalar(select(made).where(made == key_id)) is not None:
                connection.execute(insert(table), {"key_id": key_id, "last_used_ms": now_ms})

    def end_session(self, session_id: str, expires_ms: int, now_ms: int) -> None:
        table = tables.ended_sessions
        with self._writing() as connection:
            connection.execute(delete(table).where(table.c.expires_ms <= now_ms))
            there = connection.scalar(select(func.count()).where(table.c.session_id == session_id))
            if not there:
                connection.execute(insert(table), {"session_id": session_id, "expires_ms": expires_ms})

    def ended_sessions(self) -> frozenset[str]:
        return frozenset(row[0] for row in self._all(select(tables.ended_sessions.c.session_id)))


def _row(record: KeyRecord) -> dict[str, Any]:
    return {
        "key_id": record.key_id,
        "digest": record.digest,
        "name": record.name,
        "scope": record.scope.value,
        "created_by": record.created_by,
        "created_ms": record.created_ms,
        "expires_ms": record.expires_ms,
    }


def _read(row: Row[Any]) -> KeyRecord:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a row's names
    del values["number"]
    return KeyRecord(**{**values, "scope": Scope(values["scope"])})
