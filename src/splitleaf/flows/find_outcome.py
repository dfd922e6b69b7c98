"""A prediction's id -> what was recorded of it, within a time that someone can wait."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from splitleaf.core.errors import DependencyDown
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.store import OutcomeStore

THREADS: Final = 4


class OutcomeFinder:
    """Asks the store in threads of its own, so that a silent database holds up nothing but these.

    A thread that waits for the database cannot be called back. While all of them wait for longer than anyone would,
    no one else begins to.
    """

    def __init__(self, store: OutcomeStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="outcome")
        self._overdue: set[Future[Outcome | None]] = set()

    async def find(self, prediction_id: str, within_s: float) -> Outcome | None:
        """Return what was recorded. Raises `DependencyDown` when the store has not answered in time."""
        if len(self._overdue) >= THREADS:
            raise DependencyDown("the database does not answer")
        asked = self._threads.submit(self._store.outcome, prediction_id)
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.wrap_future(asked)
        except TimeoutError:
            if not asked.cancelled():
                self._overdue.add(asked)
                asked.add_done_callback(self._overdue.discard)
            raise DependencyDown(f"the database has not answered within {within_s:g} s") from None


__all__ = ["OutcomeFinder"]
