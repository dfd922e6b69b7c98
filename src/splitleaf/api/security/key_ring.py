"""The valid keys: those from the settings, and a recent copy of those in the store."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from splitleaf.api.security.sessions import Session
from splitleaf.core.access import Scope, key_id_of
from splitleaf.core.clock import Clock
from splitleaf.core.errors import DependencyDown, SplitleafError
from splitleaf.outcomes.keys import KeyRecord, KeyStore

log = structlog.get_logger(__name__)

REFRESH_AFTER_S: Final = 1.0
"""A copy younger than this is used without asking the store."""
MAX_AGE_S: Final = 2.0
"""Keys of the store are refused if the copy is older than this: they may have been revoked since."""
STORE_TIMEOUT_S: Final = 1.0
"""How long a request waits for the store, so that a frozen store does not block every request with a key."""
USE_INTERVAL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of a valid key. It does not contain the key."""

    digest: str
    scope: Scope
    name: str = ""
    """Empty for a key from the settings."""
    expires_ms: int | None = None

    @property
    def key_id(self) -> str:
        """Return the id of the key: the beginning of its digest."""
        return key_id_of(self.digest)

    @property
    def actor(self) -> str:
        """Return the name for the audit log."""
        short = f"key:{self.digest[:8]}"
        return f"{self.name} ({short})" if self.name else short


class KeyRing:
    """Looks up keys. It queries the store at most once a second, and never for keys from the settings."""

    def __init__(
        self, store: KeyStore, clock: Clock, read_keys: Iterable[str] = (), write_keys: Iterable[str] = ()
    ) -> None:
        """Take the SHA-256 (hex) of keys from the settings. `write_keys` get the scope `admin`."""
        self._store = store
        self._clock = clock
        given = [Identity(digest.lower(), Scope.READ) for digest in read_keys]
        given += [Identity(digest.lower(), Scope.ADMIN) for digest in write_keys]
        self.from_settings: Mapping[str, Identity] = {one.key_id: one for one in given}
        """By id. A key that is listed twice has the larger scope."""
        self._records: Mapping[str, KeyRecord] = {}
        self._ended_sessions: frozenset[str] = frozenset()
        self._copied_at = -math.inf
        self._reading: asyncio.Task[DependencyDown | None] | None = None
        self._use_recorded_at: dict[str, float] = {}
        self._writes: set[asyncio.Task[None]] = set()

    async def find(self, digest: str) -> Identity | None:
        """Return the owner of the key with this SHA-256. Raises `DependencyDown` if the store is needed but down."""
        key_id = key_id_of(digest)
        who = self.from_settings.get(key_id)
        if who is None:
            await self._refresh()
            who = self._of_store(key_id)
        # The id is not secret; the whole digest is compared in constant time.
        return who if who and hmac.compare_digest(who.digest, digest) else None

    async def find_of_session(self, session: Session) -> Identity | None:
        """Return the owner of the key that opened a session, if both are still valid."""
        who = self.from_settings.get(session.key_id)
        try:
            await self._refresh()
        except DependencyDown:
            # Keys from the settings must work when the database does not.
            if who is None:
                raise
        if session.session_id in self._ended_sessions:
            return None
        return who or self._of_store(session.key_id)

    def forget(self) -> None:
        """Query the store at the next lookup, because this process has just changed a key or session."""
        self._copied_at = -math.inf
        self._reading = None

    async def close(self) -> None:
        """Wait for pending writes."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    def _of_store(self, key_id: str) -> Identity | None:
        record = self._records.get(key_id)
        if record is None or not record.is_in_force(self._clock.now_ms()):
            return None
        self._record_use(key_id)
        return Identity(record.digest, record.scope, record.name, record.expires_ms)

    async def _refresh(self) -> None:
        """Update the copy if it is old. Raises `DependencyDown` if it is too old and the store does not answer."""
        asked_at = self._clock.monotonic()
        if asked_at - self._copied_at < REFRESH_AFTER_S:
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._copy(asked_at))
        failure: DependencyDown | None = DependencyDown("the database does not answer")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORE_TIMEOUT_S):
                failure = await asyncio.shield(self._reading)
        if failure and asked_at - self._copied_at > MAX_AGE_S:
            raise failure

    async def _copy(self, asked_at: float) -> DependencyDown | None:
        """Query the store once for all waiting requests. A query that began before `forget` is discarded."""
        try:
            records, ended = await asyncio.to_thread(self._read)
        except DependencyDown as error:
            return error
        else:
            if self._reading is asyncio.current_task():
                self._records, self._ended_sessions, self._copied_at = records, ended, asked_at
            return None
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None

    def _read(self) -> tuple[Mapping[str, KeyRecord], frozenset[str]]:
        records = self._store.api_keys()
        return {one.key_id: one for one in records if one.revoked_ms is None}, self._store.ended_sessions()

    def _record_use(self, key_id: str) -> None:
        """Record that the key was used, in the background and at most once a minute."""
        now = self._clock.monotonic()
        if now - self._use_recorded_at.get(key_id, -math.inf) < USE_INTERVAL_S:
            return
        self._use_recorded_at[key_id] = now
        task = asyncio.create_task(self._write_use(key_id, self._clock.now_ms()))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _write_use(self, key_id: str, now_ms: int) -> None:
        try:
            await asyncio.to_thread(self._store.note_key_use, key_id, now_ms)
        except SplitleafError as error:
            log.warning("key_use_not_use_recorded_at", key_id=key_id, detail=error.detail)
