"""What the admin API tells of the leading controller."""

from __future__ import annotations

import pytest

from splitleaf.core.clock import Clock
from splitleaf.experiments.watch import ControlWatch, write_watch
from splitleaf.flows.guard_experiments import ExperimentGuardian
from splitleaf.flows.run_experiment import ChangeRequest, create_experiment, start_experiment, stop_experiment
from splitleaf.outcomes.store import OutcomeStore
from tests.api.served import READ_KEY, Served, code
from tests.experiments.plans import RAMP, plan
from tests.support.memory_queue import MemoryLeaderElection

ANN = ChangeRequest("ann", "to find out")
LONG_S = 3_600.0
WAITING = [{**stage, "min_n": 50} for stage in RAMP]


def start(store: OutcomeStore, clock: Clock) -> None:
    create_experiment(store, plan(ramp=WAITING, guardrails=[{"metric": "error_rate"}]), ANN, clock)
    start_experiment(store, "leaf", {"v1", "v2"}, ANN, clock)


async def test_it_tells_what_an_experiment_waits_for_and_who_says_so(served: Served) -> None:
    start(served.store, served.clock)
    election = MemoryLeaderElection(served.broker)
    controller = ExperimentGuardian(served.store, election, served.clock, "controller-1")
    await controller.renew()
    controller.look(await election.settled_ms())
    # The broker here goes by the real clock, and a busy machine may take longer than a lease to answer.
    await election.lead("controller-1", LONG_S, controller._statement)
    async with served.client(READ_KEY) as client:
        one = (await client.get("/admin/api/experiments/leaf/control")).json()
        everything = (await client.get("/admin/api/control")).json()
    assert (one["experiment"], one["leader"]) == ("leaf", "controller-1")
    assert one["summary"] == "stage 1 of 5 (1 %): waiting for 50 more images"
    assert one["watch"]["stage"]["min_images"] == 50
    assert one["watch"]["step"] == "wait"
    assert [one["metric"] for one in one["watch"]["guardrails"]] == ["error_rate"]
    assert everything == {
        "leader": "controller-1",
        "checked_at": one["checked_at"],
        "experiments": [one["watch"]],
    }


async def test_it_says_so_when_nobody_leads(served: Served) -> None:
    start(served.store, served.clock)
    async with served.client(READ_KEY) as client:
        one = (await client.get("/admin/api/experiments/leaf/control")).json()
        everything = (await client.get("/admin/api/control")).json()
        stop_experiment(served.store, "leaf", ANN, served.clock)
        ended = (await client.get("/admin/api/experiments/leaf/control")).json()
    assert (one["leader"], one["watch"]) == (None, None)
    assert one["summary"] == "no controller is the leader: no guardrail is checked and no stage advances"
    assert everything == {"leader": None, "checked_at": None, "experiments": []}
    assert ended["summary"] == "the experiment is neither running nor paused"


async def test_an_experiment_that_the_leader_has_not_seen_yet_is_told_as_such(served: Served) -> None:
    start(served.store, served.clock)
    election = MemoryLeaderElection(served.broker)
    await election.lead("controller-1", LONG_S, write_watch(ControlWatch("controller-1", served.clock.now_ms())))
    async with served.client(READ_KEY) as client:
        one = (await client.get("/admin/api/experiments/leaf/control")).json()
    assert (one["leader"], one["watch"], one["summary"]) == (
        "controller-1",
        None,
        "the controller has not checked this experiment yet",
    )


@pytest.mark.parametrize(
    ("key", "path", "problem"),
    [
        (READ_KEY, "/admin/api/experiments/nowhere/control", (404, "experiment_not_found")),
        ("", "/admin/api/experiments/leaf/control", (401, "unauthorized")),
        ("", "/admin/api/control", (401, "unauthorized")),
    ],
)
async def test_it_tells_nobody_without_a_key(served: Served, key: str, path: str, problem: tuple[int, str]) -> None:
    async with served.client(key) as client:
        assert code(await client.get(path)) == problem
