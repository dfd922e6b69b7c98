"""What was recorded, asked of a store that may be silent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from splitleaf.core.errors import DependencyDown
from splitleaf.flows.find_outcome import THREADS, OutcomeFinder
from splitleaf.outcomes.events import Outcome
from tests.outcomes.facts import outcome
from tests.support.stores import EmptyStore


class FrozenStore(EmptyStore):
    """Answers nothing before it is thawed."""

    def __init__(self) -> None:
        super().__init__()
        self.thawed = threading.Event()
        self.questions = 0

    def outcome(self, prediction_id: str) -> Outcome | None:
        self.questions += 1
        self.thawed.wait(60)
        return super().outcome(prediction_id)


@pytest.fixture
def frozen() -> Iterator[FrozenStore]:
    store = FrozenStore()
    yield store
    store.thawed.set()


async def test_a_silent_store_holds_nobody_up_and_no_more_threads_than_a_few(frozen: FrozenStore) -> None:
    finder = OutcomeFinder(frozen)
    found = await asyncio.gather(*(finder.find("a" * 26, 0.05) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(one, DependencyDown) for one in found)
    assert frozen.questions == THREADS
    # From now on nobody waits at all.
    with pytest.raises(DependencyDown):
        await finder.find("a" * 26, 600)
    assert frozen.questions == THREADS


async def test_a_store_that_answers_again_is_asked_again(frozen: FrozenStore) -> None:
    finder, fact = OutcomeFinder(frozen), outcome()
    frozen.record_outcomes([fact])
    await asyncio.gather(*(finder.find("a" * 26, 0.05) for _ in range(THREADS)), return_exceptions=True)
    frozen.thawed.set()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await finder.find(fact.prediction_id, 60) == fact
            except DependencyDown:
                await asyncio.sleep(0.01)
            else:
                return
