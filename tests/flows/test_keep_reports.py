from __future__ import annotations

import asyncio

import pytest

from splitleaf.analysis.report import Report
from splitleaf.core.errors import NotFound
from splitleaf.flows.keep_reports import ReportKeeper
from splitleaf.flows.run_experiment import pause_experiment
from splitleaf.outcomes.exposures import Exposures
from splitleaf.outcomes.memory import MemoryOutcomeStore
from tests.support.synthetic import HAND, StandingClock, Synthetic, plan_of


class CountingStore(MemoryOutcomeStore):
    """Counts the reports that are made from it."""

    made = 0

    def exposures(self, experiment: str, *, with_pictures: bool = True) -> Exposures:
        self.made += 1
        return super().exposures(experiment, with_pictures=with_pictures)


async def test_a_report_is_made_once_for_what_is_known_and_anew_when_more_is() -> None:
    store = CountingStore()
    experiment = Synthetic(plan_of(), store=store).run(200)
    keeper, key = ReportKeeper(store, experiment.clock), experiment.plan.key
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
    keeper, key = ReportKeeper(store, clock), experiment.plan.key
    await keeper.report(key)
    experiment.run(10)
    await keeper.report(key)
    assert store.made == 1, "not a second has passed"
    pause_experiment(store, key, HAND, experiment.clock)
    assert Report.model_validate_json(await keeper.report(key)).experiment.state == "paused"


async def test_there_is_no_report_on_nothing() -> None:
    with pytest.raises(NotFound):
        await ReportKeeper(MemoryOutcomeStore(), StandingClock()).report("nothing")
