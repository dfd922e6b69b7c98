"""Keys in memory: for tests of what stands on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from splitleaf.core.errors import Conflict, NotFound
from splitleaf.outcomes.experiments import AuditEntry
from splitleaf.outcomes.keys import KeyRecord


class MemoryKeys:
    """Keeps the promises of `KeyStore`."""

    def __init__(self, record_audit: Callable[[AuditEntry], None]) -> None:
        self._record_audit = record_audit
        self._records: dict[str, KeyRecord] = {}
        self._ended: dict[str, int] = {}

    def add(self, record: KeyRecord, entry: AuditEntry) -> None:
        if record.key_id in self._records:
            raise Conflict("there is a key of this id already")
        self._records[record.key_id] = record
        self._record_audit(entry)

    def revoke(self, key_id: str, entry: AuditEntry) -> None:
        record = self._records.get(key_id)
        if record is None:
            raise NotFound("there is no such key", code="key_not_found")
        if record.revoked_ms is not None:
            raise Conflict("the key is revoked already")
        self._records[key_id] = replace(record, revoked_ms=entry.created_ms)
        self._record_audit(entry)

    def all(self) -> Sequence[KeyRecord]:
        return list(reversed(self._records.values()))

    def note_use(self, key_id: str, now_ms: int) -> None:
        if key_id in self._records:
            self._records[key_id] = replace(self._records[key_id], last_used_ms=now_ms)

    def end_session(self, session_id: str, expires_ms: int, now_ms: int) -> None:
        self._ended = {one: ends_ms for one, ends_ms in self._ended.items() if ends_ms > now_ms}
        self._ended[session_id] = expires_ms

    def ended_sessions(self) -> frozenset[str]:
        return frozenset(self._ended)
