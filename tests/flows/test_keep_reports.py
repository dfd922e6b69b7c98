from __future__ import annotations

import asyncio

import pytest

from splitleaf.analysis.report import Report
from splitleaf.core.errors import DependencyDown, NotFound
from splitleaf.flows.judge_experiment import RECORDING_S
from splitleaf.flows.keep_reports import ReportKeeper
from splitleaf.flows.run_experiment import pause_experiment
from splitleaf.outcomes.exposures import Exposures
from tests.support.memory_queue import MemoryBroker, MemoryLeaderElection
from tests.support.stores import EmptyStore
from tests.support.synthetic import REQUEST, StandingClock, Synthetic, plan_of

ALL = 2**62
TTL_S = 30.0


class CountingStore(EmptyStore):
    """Counts the reports that are made from it."""

    made = 0

    def exposures(self, experiment: str, *, before_ms: int | None = None, with_images: bool = True) -> Exposures:
        self.made += 1
        return super().exposures(experiment, before_ms=before_ms, with_images=with_images)


class Election(MemoryLeaderElection):
    """Says what the test sets, or nothing."""

    def __init__(self, settled_ms: int | None = None) -> None:
        super().__init__(MemoryBroker())
        self.said_ms = settled_ms

    async def settled_ms(self) -> int:
        if self.said_ms is None:
            raise DependencyDown
        return self.said_ms


async def test_a_report_is_made_once_for_what_is_known_and_anew_when_more_is() -> None:
    store = CountingStore()
    experiment = Synthetic(plan_of(), store=store).run(200)
    keeper, key = ReportKeeper(store, experiment.clock, Election(ALL), TTL_S), experiment.plan.key
    first = await asyncio.gather(*(keeper.report(key) for _ in range(5)))
    assert store.made == 1
    assert len(set(first)) == 1
    experiment.run(10)
    later = Report.model_validate_json(await keeper.report(key))
    assert store.made == 2
    assert later.newest_outcome == 210


async def test_new_outcomes_wait_a_moment_and_a_persons_step_does_not() -> None:
    store = CountingStore()
    experiment = Synthetic(plan_of(), store=store).run(200)
    clock = StandingClock(experiment.clock.now_ms())
    keeper, key = ReportKeeper(store, clock, Election(ALL), TTL_S), experiment.plan.key
    await keeper.report(key)
    experiment.run(10)
    await keeper.report(key)
    assert store.made == 1, "not a second has passed"
    pause_experiment(store, key, REQUEST, experiment.clock)
    assert Report.model_validate_json(await keeper.report(key)).experiment.state == "paused"


async def test_a_current_report_does_not_wait() -> None:
    store = CountingStore()
    experiment = Synthetic(plan_of(), store=store).run(200)
    keeper, key = ReportKeeper(store, StandingClock(), Election(ALL), TTL_S), experiment.plan.key
    await keeper.report(key)
    experiment.run(10)
    assert Report.model_validate_json(await keeper.report(key, is_current=True)).newest_outcome == 210
    await keeper.report(key, is_current=True)
    assert store.made == 2, "nothing is new"


async def test_a_report_is_kept_for_ten_times_the_processor_time_that_it_took() -> None:
    store = CountingStore()
    experiment = Synthetic(plan_of(), store=store).run(200)
    clock, processor = StandingClock(), iter((100.0, 101.5, 200.0, 200.1))
    keeper, key = ReportKeeper(store, clock, Election(ALL), TTL_S, lambda: next(processor)), experiment.plan.key
    await keeper.report(key)
    experiment.run(10)
    clock.set(clock.now_ms() + 14_000)
    await keeper.report(key)
    assert store.made == 1
    clock.set(clock.now_ms() + 2_000)
    await keeper.report(key)
    assert store.made == 2


async def test_there_is_no_report_on_nothing() -> None:
    with pytest.raises(NotFound):
        await ReportKeeper(EmptyStore(), StandingClock(), Election(ALL), TTL_S).report("nothing")


async def test_what_is_younger_than_a_prediction_under_way_waits_for_it_and_then_comes_in() -> None:
    store = CountingStore()
    experiment = Synthetic(plan_of(), store=store).run(200)
    election = Election(experiment.clock.now_ms() - 99_500)
    keeper, key = ReportKeeper(store, experiment.clock, election, TTL_S), experiment.plan.key
    assert Report.model_validate_json(await keeper.report(key)).newest_outcome == 100
    experiment.clock.set(experiment.clock.now_ms() + 10_000)
    election.said_ms = experiment.clock.now_ms()
    assert Report.model_validate_json(await keeper.report(key)).newest_outcome == 200
    experiment.clock.set(experiment.clock.now_ms() + 10_000)
    election.said_ms = experiment.clock.now_ms()
    await keeper.report(key)
    assert store.made == 2, "nothing is new"


async def test_without_the_broker_what_may_be_under_way_is_told_by_the_clock() -> None:
    experiment = Synthetic(plan_of()).run(200)
    keeper, key = ReportKeeper(experiment.store, experiment.clock, Election(), TTL_S), experiment.plan.key
    assert Report.model_validate_json(await keeper.report(key)).newest_outcome == 199 - TTL_S - RECORDING_S
