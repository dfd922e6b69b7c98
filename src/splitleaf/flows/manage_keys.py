"""Keys of the admin API: made, shown once, revoked. Every step says who and why."""

from __future__ import annotations

from splitleaf.core.access import Scope, key_digest, key_id_of, new_key
from splitleaf.core.clock import Clock
from splitleaf.core.errors import Unprocessable
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.outcomes.audit import entry_of
from splitleaf.outcomes.keys import KeyRecord, KeyStore


def create_key(  # noqa: PLR0917 - a change, who makes it, and why
    store: KeyStore, name: str, scope: Scope, expires_ms: int | None, request: ChangeRequest, clock: Clock
) -> tuple[str, KeyRecord]:
    """Return a fresh key, which no one can show again, and what is kept of it.

    Raises `Unprocessable` (`invalid_key`) for one that would be over already.
    """
    now_ms = clock.now_ms()
    if expires_ms is not None and expires_ms <= now_ms:
        raise Unprocessable("the key would be over before it begins", code="invalid_key")
    key = new_key()
    digest = key_digest(key)
    record = KeyRecord(key_id_of(digest), digest, name, scope, request.actor, now_ms, expires_ms)
    facts = {"name": name, "scope": scope.value, "expires_ms": expires_ms}
    store.add_key(
        record, entry_of(request.actor, "create", _subject(record.key_id), request.reason, None, facts, now_ms)
    )
    return key, record


def revoke_key(store: KeyStore, key_id: str, request: ChangeRequest, clock: Clock) -> None:
    """End a key for good. Raises `NotFound` (`key_not_found`), `Conflict` when it is revoked already."""
    now_ms = clock.now_ms()
    after = {"revoked_ms": now_ms}
    store.revoke_key(key_id, entry_of(request.actor, "revoke", _subject(key_id), request.reason, None, after, now_ms))


def _subject(key_id: str) -> str:
    return f"key/{key_id}"
