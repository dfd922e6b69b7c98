"""Guardrails and reports on what really arrives, when it arrives: a slower candidate is no failing one."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from splitleaf.analysis.verdicts import Verdict
from tests.experiments.plans import plan
from tests.flows.real_path import Crowd, RealPath, Service

SLOW = {"control": Service(answers_in_s=0.1), "candidate": Service(answers_in_s=1.0)}
LATE = {"candidate": Service(ready_after_s=3.0)}
BURSTS = {"crowd": Crowd(in_bursts=True), **SLOW}


def guarded(seed: int, share: float = 50, **services: Any) -> RealPath:
    variants = {"control": {"version": "v1", "share": 100 - share}, "candidate": {"version": "v2", "share": share}}
    made = plan(salt=f"5a17{seed:04x}", variants=variants, guardrails=[{"metric": "error_rate"}])
    return RealPath(made, seed, **services)


@pytest.mark.parametrize("services", [SLOW, LATE, BURSTS], ids=["slow", "late", "bursts"])
async def test_a_candidate_that_is_slower_and_fails_no_more_often_is_left_alone(services: dict[str, Any]) -> None:
    """In the order of recording, most of these would be rolled back."""
    paths = [guarded(seed, **services) for seed in range(4)]
    for path in paths:
        await path.run(20)
    assert [path.is_rolled_back for path in paths] == [False] * len(paths)


@pytest.mark.parametrize(("control_s", "most"), [(0.1, 25), (1.0, 35)])
async def test_a_candidate_that_fails_is_rolled_back_after_a_few_of_its_requests(control_s: float, most: int) -> None:
    """Of which five come in each second that control takes."""
    services = {"control": Service(answers_in_s=control_s), "candidate": Service(fails=0.2)}
    paths = [guarded(seed, 10, **services) for seed in range(9)]
    for path in paths:
        await path.run(60)
    assert all(path.is_rolled_back for path in paths)
    assert statistics.median(path.candidate_requests for path in paths) <= most


async def test_a_candidate_that_hangs_is_rolled_back_once_its_deadlines_have_passed() -> None:
    path = guarded(1, 10, candidate=Service(hangs=0.5))
    await path.run(60)
    assert path.is_rolled_back
    assert path.clock.monotonic() - path._began_s < 45


@pytest.mark.parametrize("services", [SLOW, LATE, BURSTS], ids=["slow", "late", "bursts"])
async def test_a_report_of_equal_versions_finds_no_difference_in_what_has_not_come_yet(
    services: dict[str, Any],
) -> None:
    paths = [guarded(seed, **services) for seed in range(4)]
    for path in paths:
        await path.run(5)
    reports = [await path.report() for path in paths]
    assert not {Verdict.BETTER, Verdict.WORSE, Verdict.INVALID} & {one.statement.verdict for one in reports}
    assert all(one.health.is_sound for one in reports)
    assert not any(row.log10_e and row.log10_e > 1.3 for one in reports for row in one.metrics[0].arms)


async def test_images_that_are_taken_back_more_often_in_one_arm_make_the_report_unsound_and_hold_the_ramp() -> None:
    """Which of them are left is no chance: equal error rates would look different."""
    variants = {"control": {"version": "v1", "share": 50}, "candidate": {"version": "v2", "share": 50}}
    ramp = [{"share": 40, "min_n": 200}, {"share": 50}]
    health, stages = [], []
    for cancels in ((0.3, 0.3), (0.0, 0.8)):
        path = RealPath(plan(salt="5a17", variants=variants, ramp=ramp), 1, crowd=Crowd(cancels=cancels))
        await path.run(8)
        health.append({one.name: one.status for one in (await path.report()).health.checks})
        record = path.store.experiment("leaf")
        assert record is not None
        stages.append(record.stage)
    assert [one["cancellations"] for one in health] == ["ok", "failed"]
    assert [one["split"] for one in health] == ["ok", "ok"]
    assert stages == [1, 0]
