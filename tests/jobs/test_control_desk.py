"""One leader among controllers: held against memory and a real broker."""

from __future__ import annotations

import asyncio
import time

from tests.jobs.conftest import Parts

LONG_S = 60.0


async def test_one_leads_and_the_others_are_told_so(parts: Parts) -> None:
    desk = parts.desk()
    assert await desk.lead("ann", LONG_S, "all is well")
    assert not await desk.lead("bob", LONG_S, "I lead")
    assert await desk.statement() == "all is well"
    assert await desk.lead("ann", LONG_S, "still well")
    assert await desk.statement() == "still well"


async def test_who_resigns_makes_room_and_takes_its_words_along(parts: Parts) -> None:
    desk = parts.desk()
    assert await desk.lead("ann", LONG_S, "all is well")
    await desk.resign("bob")
    assert await desk.statement() == "all is well"
    await desk.resign("ann")
    assert await desk.statement() == ""
    assert await desk.lead("bob", LONG_S)
    assert await desk.statement() == ""


async def test_a_lease_that_is_not_renewed_lapses_with_what_was_said(parts: Parts) -> None:
    desk = parts.desk()
    assert await desk.lead("ann", 0.05, "all is well")
    deadline = time.monotonic() + 10
    while not await desk.lead("bob", LONG_S):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert await desk.statement() == ""
    assert not await desk.lead("ann", LONG_S, "I was asleep")
    assert await desk.statement() == ""


async def test_of_many_that_ask_at_once_one_leads(parts: Parts) -> None:
    desk = parts.desk()
    answers = await asyncio.gather(*(desk.lead(f"controller-{number}", LONG_S) for number in range(20)))
    assert sum(answers) == 1
