"""The keys of the admin API, as far as they are kept: never the key itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from splitleaf.core.access import Scope
from splitleaf.outcomes.experiments import AuditEntry


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key that was made here."""

    key_id: str
    digest: str
    """SHA-256 (hex)."""
    name: str
    scope: Scope
    created_by: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    last_used_ms: int | None = None
    """To the minute; kept apart, and lost without harm."""

    def is_in_force(self, now_ms: int) -> bool:
        """Tell whether it opens anything at this time."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


class KeyStore(Protocol):
    """Raises as the outcome store does, of which it is a part."""

    def add_key(self, record: KeyRecord, entry: AuditEntry) -> None:
        """Keep a key together with its audit entry. Raises `Conflict` when there is one of this id."""
        ...

    def revoke_key(self, key_id: str, entry: AuditEntry) -> None:
        """End a key for good, at the entry's time. Raises `NotFound` (`key_not_found`), `Conflict` when it is over."""
        ...

    def api_keys(self) -> Sequence[KeyRecord]:
        """Return all that were ever made, newest first."""
        ...

    def note_key_use(self, key_id: str, now_ms: int) -> None: ...

    def end_session(self, session_id: str, expires_ms: int, now_ms: int) -> None:
        """Remember a logout until the session would have ended on its own; forget those that have."""
        ...

    def ended_sessions(self) -> frozenset[str]: ...
