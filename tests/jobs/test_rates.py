"""How often one client may ask, counted in memory and by a real broker alike."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitleaf.jobs.keys import rate_key
from splitleaf.jobs.rates import Rate, Standing
from tests.jobs.conftest import Parts
from tests.jobs.servers import BrokerServer
from tests.support.clocks import HandClock
from tests.support.memory_queue import MemoryRateLimiter

FIVE = Rate("calls", 5, 600)
SLACK_S = 60
"""What a busy machine may take between two steps of a test, and less than half of an interval of `FIVE`."""


async def test_so_many_at_once_and_then_one_has_to_wait(parts: Parts) -> None:
    rates = parts.rates()
    standings = [await rates.charge(FIVE, "anna") for _ in range(7)]
    assert [one.is_allowed for one in standings] == [True] * 5 + [False] * 2
    assert [one.remaining for one in standings] == [4, 3, 2, 1, 0, 0, 0]
    assert standings[0].wait_s == 0
    assert 120 - SLACK_S < standings[6].wait_s <= 120


async def test_clients_and_rates_are_counted_apart(parts: Parts) -> None:
    rates = parts.rates()
    for _ in range(6):
        await rates.charge(FIVE, "anna")
    assert (await rates.charge(FIVE, "bert")).is_allowed
    assert (await rates.charge(Rate("others", 5, 600), "anna")).is_allowed


async def test_many_at_once_do_not_get_more(parts: Parts) -> None:
    rates = parts.rates()
    standings = await asyncio.gather(*(rates.charge(FIVE, "anna") for _ in range(50)))
    assert sum(one.is_allowed for one in standings) == 5


async def test_what_was_asked_for_is_forgotten_with_time(parts: Parts) -> None:
    rates, quick = parts.rates(), Rate("quick", 1, 1)
    assert (await rates.charge(quick, "anna")).is_allowed
    async with asyncio.timeout(30):
        while not (await rates.charge(quick, "anna")).is_allowed:
            await asyncio.sleep(0.05)


async def test_the_broker_forgets_a_client_by_itself(redis: Parts, server: BrokerServer) -> None:
    await redis.rates().charge(FIVE, "anna")
    left_ms = int(server.command("PTTL", rate_key("calls", "anna").decode()).strip(b":\r\n"))
    assert 0 < left_ms <= 120_000


async def test_a_clock_that_goes_back_an_hour_costs_a_client_no_more_than_one_interval() -> None:
    clock = HandClock()
    rates = MemoryRateLimiter(clock)
    for _ in range(5):
        await rates.charge(FIVE, "anna")
    clock.move(-3600)
    assert (await rates.charge(FIVE, "anna")).wait_s == 120
    clock.move(120)
    assert (await rates.charge(FIVE, "anna")).is_allowed


async def test_what_the_broker_wrote_before_its_clock_went_back_locks_nobody_out(
    redis: Parts, server: BrokerServer
) -> None:
    rates, key = redis.rates(), rate_key("quick", "anna").decode()
    quick = Rate("quick", 5, 5)
    seconds = int(server.command("TIME").split(b"\r\n")[2])
    server.command("SET", key, str((seconds + 3600) * 1000), "PX", "3600000")
    refused = await rates.charge(quick, "anna")
    assert not refused.is_allowed
    assert 0 < refused.wait_s <= 1
    async with asyncio.timeout(30):
        while not (await rates.charge(quick, "anna")).is_allowed:
            await asyncio.sleep(0.05)
    assert int(server.command("PTTL", key).strip(b":\r\n")) <= 5_000


@pytest.mark.parametrize("count", [1, 3, 7, 60, 999])
async def test_a_rate_gives_exactly_what_it_says_over_a_long_time(count: int) -> None:
    clock = HandClock()
    rates, rate = MemoryRateLimiter(clock), Rate("calls", count, 10)
    allowed = 0
    for _ in range(400):
        allowed += sum([(await rates.charge(rate, "anna")).is_allowed for _ in range(30)])
        clock.move(0.25)
    # All at once at the beginning, and a share of the window each time that it has gone by.
    assert allowed == min(400 * 30, count + int(Fraction(count) * (399 * Fraction(1, 4)) / 10))


@given(st.integers(1, 5000), st.integers(1, 3600), st.integers(0, 10_000_000))
def test_a_standing_never_says_more_than_there_is(count: int, window_s: int, ahead_ms: int) -> None:
    rate = Rate("calls", count, window_s)
    said = Standing.read(rate, float(ahead_ms), 0.0, is_allowed=True)
    assert 0 <= said.remaining <= count
    assert (said.wait_s == 0) == (said.remaining > 0)
    left_ms = window_s * 1000 - ahead_ms
    assert said.remaining * rate.interval_ms <= max(0, left_ms) + rate.interval_ms * 0.001
