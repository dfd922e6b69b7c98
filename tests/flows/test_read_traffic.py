from __future__ import annotations

import random

import numpy as np
import pytest

from splitleaf.flows.read_traffic import PERIODS, Window, read_traffic
from splitleaf.outcomes.events import Outcome
from tests.outcomes.facts import failed_outcome, outcome
from tests.support.clocks import HandClock
from tests.support.stores import EmptyStore

NOW_MS = HandClock().now_ms()


def took(ms: float, ago_ms: int = 0, **changes: object) -> Outcome:
    at = NOW_MS - ago_ms
    return outcome(created_ms=at, finished_ms=at, intake_ms=ms, **changes)


@pytest.mark.parametrize("window", PERIODS)
def test_periods_follow_on_each_other_up_to_now(window: Window) -> None:
    store = EmptyStore()
    number, period_ms = PERIODS[window]
    store.record_outcomes([took(5), took(5, ago_ms=period_ms), took(5, ago_ms=number * period_ms)])
    traffic = read_traffic(store, window, HandClock())
    assert [sum(one.outcomes.values()) for one in traffic.periods] == [0] * (number - 2) + [1, 1]
    assert traffic.since_ms % period_ms == 0
    assert traffic.since_ms + number * period_ms > NOW_MS


def test_what_failed_is_counted_and_its_time_is_not() -> None:
    store = EmptyStore()
    late = failed_outcome(created_ms=NOW_MS, finished_ms=NOW_MS + 60_000, status="expired")
    store.record_outcomes([took(8), took(8, served_version="v2"), late])
    traffic = read_traffic(store, "hour", HandClock())
    assert traffic.total.outcomes == {"succeeded": 2, "expired": 1}
    assert traffic.total.latency is not None
    assert traffic.total.latency.p99_ms < 10
    assert {version: one.outcomes for version, one in traffic.versions.items()} == {
        "v1": {"succeeded": 1, "expired": 1},
        "v2": {"succeeded": 1},
    }


def test_quantiles_are_those_of_the_times_to_a_tenth() -> None:
    rng = random.Random(4)
    times = [rng.lognormvariate(3.5, 0.7) for _ in range(5000)]
    store = EmptyStore()
    store.record_outcomes([took(ms) for ms in times])
    latency = read_traffic(store, "hour", HandClock()).total.latency
    assert latency is not None
    exact = np.quantile(times, [0.5, 0.95, 0.99])
    assert np.allclose([latency.p50_ms, latency.p95_ms, latency.p99_ms], exact, rtol=0.1)


def test_without_answers_there_is_no_latency() -> None:
    traffic = read_traffic(EmptyStore(), "day", HandClock())
    assert traffic.total.outcomes == {}
    assert traffic.total.latency is None
    assert traffic.versions == {}
