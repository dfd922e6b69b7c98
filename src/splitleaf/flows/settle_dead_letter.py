"""An image that took workers down -> tried again or thrown away, by someone who says why."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from splitleaf.core.clock import Clock
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.jobs.queue import DeadLetters
from splitleaf.outcomes.audit import entry_of
from splitleaf.outcomes.store import OutcomeStore


class DeadLetterDesk:
    """Writes down what is about to be done before it is done: an act without an entry cannot be."""

    def __init__(self, letters: DeadLetters, store: OutcomeStore, clock: Clock) -> None:
        self._letters = letters
        self._store = store
        self._clock = clock

    async def retry(self, version: str, token: str, request: ChangeRequest) -> str:
        """Return the id of the new prediction. Raises `NotFound` (`dead_letter_not_found`)."""
        await self._note("retry", version, token, request)
        return await self._letters.retry(version, token)

    async def discard(self, version: str, token: str, request: ChangeRequest) -> None:
        """Raises `NotFound` (`dead_letter_not_found`)."""
        await self._note("discard", version, token, request)
        await self._letters.discard(version, token)

    async def _note(self, action: str, version: str, token: str, request: ChangeRequest) -> None:
        letter = await self._letters.find(version, token)
        subject = f"dead-letter/{version}/{token}"
        entry = entry_of(request.actor, action, subject, request.reason, asdict(letter), None, self._clock.now_ms())
        await asyncio.to_thread(self._store.record_audit, entry)
