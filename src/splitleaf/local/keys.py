"""What the command line does to keys, in the database that a running system reads."""

from __future__ import annotations

from collections.abc import Sequence

from splitleaf.core.access import Scope
from splitleaf.core.errors import NotFound
from splitleaf.flows.manage_keys import create_key, revoke_key
from splitleaf.flows.run_experiment import Hand
from splitleaf.installation.store import LocalHand
from splitleaf.outcomes.keys import KeyRecord

_DAY_MS = 86_400_000


class KeyKeeper(LocalHand):
    """Raises what `flows.manage_keys` raises."""

    def create(self, name: str, scope: Scope, days: float | None, reason: str) -> tuple[str, KeyRecord]:
        """Return the key itself, this once, and its record. `days`: how long it opens anything; None: until revoked."""
        expires_ms = None if days is None else self._clock.now_ms() + round(days * _DAY_MS)
        return create_key(self._store, name, scope, expires_ms, Hand(self._actor, reason), self._clock)

    def list(self) -> Sequence[KeyRecord]:
        return self._store.api_keys()

    def revoke(self, named: str, reason: str) -> KeyRecord:
        """End the key of this id, or of this beginning of one. Raises `NotFound` unless it names one key."""
        found = [one for one in self._store.api_keys() if named and one.key_id.startswith(named)]
        if len(found) != 1:
            said = f"{len(found)} keys begin with" if found else "no key has the id"
            raise NotFound(f"{said} {named!r}; see `splitleaf keys list`", code="key_not_found")
        revoke_key(self._store, found[0].key_id, Hand(self._actor, reason), self._clock)
        return found[0]
