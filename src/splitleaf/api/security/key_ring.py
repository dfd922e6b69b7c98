"""The keys in force, at hand for every request: those of the settings, and those of the store as of a moment ago."""

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

FRESH_S: Final = 1.0
"""What was read so recently is not read again."""
OBEYED_WITHIN_S: Final = 2.0
"""A key of the store opens nothing where the store was silent for longer: it may have been revoked meanwhile."""
ANSWERED_WITHIN_S: Final = 1.0
"""A request waits no longer for the store: one that is frozen would hold up all that bring a key."""
USE_NOTED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A key that is in force. Nothing in it opens anything."""

    digest: str
    scope: Scope
    name: str = ""
    """Empty for a key of the settings."""
    expires_ms: int | None = None

    @property
    def key_id(self) -> str:
        """Return how the key is called: the beginning of its digest."""
        return key_id_of(self.digest)

    @property
    def actor(self) -> str:
        """Return how the audit log names it."""
        short = f"key:{self.digest[:8]}"
        return f"{self.name} ({short})" if self.name else short


class KeyRing:
    """Looks keys up, with at most one question to the store a second, and none for the keys of the settings."""

    def __init__(
        self, store: KeyStore, clock: Clock, read_keys: Iterable[str] = (), write_keys: Iterable[str] = ()
    ) -> None:
        """Take the SHA-256 (hex) of keys from the settings. Those that may write may manage keys: they come first."""
        self._store = store
        self._clock = clock
        settled = [Identity(digest.lower(), Scope.READ) for digest in read_keys]
        settled += [Identity(digest.lower(), Scope.ADMIN) for digest in write_keys]
        self.settled: Mapping[str, Identity] = {one.key_id: one for one in settled}
        """By id; of a key that is named twice, what it may do at most."""
        self._kept: Mapping[str, KeyRecord] = {}
        self._ended: frozenset[str] = frozenset()
        self._heard_at = -math.inf
        self._reading: asyncio.Task[DependencyDown | None] | None = None
        self._noted: dict[str, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, digest: str) -> Identity | None:
        """Return whom the SHA-256 of a key belongs to. Raises `DependencyDown` where only the store could tell."""
        key_id = key_id_of(digest)
        who = self.settled.get(key_id)
        if who is None:
            await self._refresh()
            who = self._of_store(key_id)
        # The id is no secret; the rest of the digest is compared in constant time.
        return who if who and hmac.compare_digest(who.digest, digest) else None

    async def find_of_session(self, session: Session) -> Identity | None:
        """Return whose key a session was opened with, while both are in force."""
        who = self.settled.get(session.key_id)
        try:
            await self._refresh()
        except DependencyDown:
            # The keys of the settings are there for the day on which nothing else is.
            if who is None:
                raise
        if session.session_id in self._ended:
            return None
        return who or self._of_store(session.key_id)

    def forget(self) -> None:
        """Ask the store anew at the next question: this process has just changed something there."""
        self._heard_at = -math.inf
        self._reading = None

    async def close(self) -> None:
        """Wait for what is still being written."""
        await asyncio.gather(*self._notes, return_exceptions=True)

    def _of_store(self, key_id: str) -> Identity | None:
        record = self._kept.get(key_id)
        if record is None or not record.is_in_force(self._clock.now_ms()):
            return None
        self._note_use(key_id)
        return Identity(record.digest, record.scope, record.name, record.expires_ms)

    async def _refresh(self) -> None:
        """Have what the store said a moment ago at hand. Raises `DependencyDown` when that is too long ago."""
        asked_at = self._clock.monotonic()
        if asked_at - self._heard_at < FRESH_S:
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._hear(asked_at))
        failure: DependencyDown | None = DependencyDown("the database does not answer")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                failure = await asyncio.shield(self._reading)
        if failure and asked_at - self._heard_at > OBEYED_WITHIN_S:
            raise failure

    async def _hear(self, asked_at: float) -> DependencyDown | None:
        """Ask the store, for everybody who waits. What was asked before this process forgot changes nothing."""
        try:
            records, ended = await asyncio.to_thread(self._read)
        except DependencyDown as error:
            return error
        else:
            if self._reading is asyncio.current_task():
                self._kept, self._ended, self._heard_at = records, ended, asked_at
            return None
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None

    def _read(self) -> tuple[Mapping[str, KeyRecord], frozenset[str]]:
        records = self._store.api_keys()
        return {one.key_id: one for one in records if one.revoked_ms is None}, self._store.ended_sessions()

    def _note_use(self, key_id: str) -> None:
        """Write down that the key was used, beside the request and once a minute."""
        now = self._clock.monotonic()
        if now - self._noted.get(key_id, -math.inf) < USE_NOTED_S:
            return
        self._noted[key_id] = now
        task = asyncio.create_task(self._write_use(key_id, self._clock.now_ms()))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write_use(self, key_id: str, now_ms: int) -> None:
        try:
            await asyncio.to_thread(self._store.note_key_use, key_id, now_ms)
        except SplitleafError as error:
            log.warning("key_use_not_noted", key_id=key_id, detail=error.detail)
