"""The snapshot of what can be served: kept when parts are down, never dead."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import DependencyDown, NoModelReady, NotFound
from splitleaf.experiments.allocation import first_allocation
from splitleaf.experiments.routing import LiveExperiment, Routing, ShadowRun, Split
from splitleaf.experiments.slots import new_table, to_slots
from splitleaf.flows.serving import NOTHING, STALE_AFTER_S, Serving, ServingMonitor
from splitleaf.jobs.queue import WorkerReport
from splitleaf.registry.catalogue import Catalogue, VersionFolder
from splitleaf.registry.manifest import AuxiliaryTable, Manifest
from tests.support.memory_queue import MemoryBroker, MemoryWorkerDirectory
from tests.support.repositories import add_version

UNITS = [f"unit-{number}" for number in range(300)]


def half_and_half() -> Routing:
    return Routing("v1", Split(4, "salt", ("v1", "v2"), new_table(to_slots({"v1": 50, "v2": 50}))))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    add_version(folder, "v1")
    add_version(folder, "v2")
    return folder


@pytest.fixture
def manifests(models: Path) -> dict[str, Manifest]:
    return {one.version: one.manifest for one in Catalogue(models).scan() if one.manifest}


async def report(directory: MemoryWorkerDirectory, *, draining: bool = False, **versions: str) -> None:
    await directory.report(WorkerReport("w", "host", 1, 0, versions, {}, draining), ttl_s=60)


def test_a_ready_version_answers_its_units_and_the_revision_is_noted(manifests: dict[str, Manifest]) -> None:
    serving = Serving(half_and_half(), manifests, frozenset({"v1", "v2"}))
    choices = [serving.choose(unit) for unit in UNITS]
    assert {one.manifest.version for one in choices} == {"v1", "v2"}
    assert {(one.revision, one.is_fallback) for one in choices} == {(4, False)}


def test_the_champion_stands_in_for_a_version_that_cannot_answer_and_that_is_no_exposure(
    manifests: dict[str, Manifest],
) -> None:
    serving = Serving(half_and_half(), manifests, frozenset({"v1"}))
    choices = [serving.choose(unit) for unit in UNITS]
    assert {(one.manifest.version, one.revision, one.is_fallback) for one in choices} == {
        ("v1", 4, False),
        ("v1", 0, True),
    }


@pytest.mark.parametrize(
    "routing", [Routing("v2", earlier=("v9", "v1")), replace(half_and_half(), champion="v2", earlier=("v1",))]
)
def test_an_earlier_champion_stands_in_for_one_that_cannot_be_loaded(
    manifests: dict[str, Manifest], routing: Routing
) -> None:
    serving = Serving(routing, manifests, frozenset({"v1"}), frozenset({"v2"}))
    choices = {(one.manifest.version, one.is_fallback) for one in map(serving.choose, UNITS)}
    assert ("v1", True) in choices
    assert {version for version, _ in choices} == {"v1"}
    assert not serving.problems
    assert serving.labels()


def test_a_champion_that_is_not_loaded_yet_is_waited_for(manifests: dict[str, Manifest]) -> None:
    serving = Serving(Routing("v2", earlier=("v1",)), manifests, frozenset({"v1"}))
    assert serving.problems
    with pytest.raises(NoModelReady):
        serving.choose("unit")


async def test_the_monitor_tells_a_champion_that_failed_from_one_that_loads(models: Path) -> None:
    directory = MemoryWorkerDirectory(MemoryBroker())
    monitor = ServingMonitor(Catalogue(models).scan, lambda: Routing("v2", earlier=("v1",)), directory)
    await report(directory, v1="ready", v2="loading")
    await monitor.refresh()
    assert monitor.snapshot.problems
    await report(directory, v1="ready", v2="failed: broken")
    await monitor.refresh()
    assert monitor.snapshot.choose("unit").manifest.version == "v1"


def test_without_a_ready_champion_nothing_is_served() -> None:
    with pytest.raises(NoModelReady):
        NOTHING.choose("unit")
    with pytest.raises(NoModelReady):
        NOTHING.labels()
    assert NOTHING.problems == ("no model is ready",)


def live(held: int = 10_000) -> LiveExperiment:
    allocation = first_allocation({"control": 50, "candidate": 50})
    return LiveExperiment(
        key="leaf",
        revision=7,
        salt="salt",
        owners=tuple(name for name, _ in allocation.shares),
        slots=allocation.table,
        versions={"control": "v1", "candidate": "v2"},
        default="control",
        held=((0, held),),
        shadows=(ShadowRun("v1", 10_000), ShadowRun("v2", 5_000), ShadowRun("v3", 10_000)),
    )


def test_an_experiments_variant_answers_and_is_noted(manifests: dict[str, Manifest]) -> None:
    serving = Serving(Routing("v1", experiments=(live(),)), manifests, frozenset({"v1", "v2"}))
    choices = {(one.manifest.version, one.experiment, one.variant, one.revision) for one in map(serving.choose, UNITS)}
    assert choices == {("v1", "leaf", "control", 7), ("v2", "leaf", "candidate", 7)}
    # A version is no shadow of itself, and one that nobody has loaded is none at all.
    shadows = {(one.variant, tuple(m.version for m, _ in one.shadows)) for one in map(serving.choose, UNITS)}
    assert shadows == {("control", ("v2",)), ("candidate", ("v1",))}


def test_the_default_stands_in_for_a_candidate_that_cannot_answer_and_it_counts_against_the_candidate(
    manifests: dict[str, Manifest],
) -> None:
    serving = Serving(Routing("v2", experiments=(live(),)), manifests, frozenset({"v1"}))
    choices = {(one.manifest.version, one.variant, one.revision, one.fallback) for one in map(serving.choose, UNITS)}
    assert choices == {("v1", "control", 7, ""), ("v1", "candidate", 7, "not_ready")}


def test_the_champion_stands_in_where_the_default_cannot_either(manifests: dict[str, Manifest]) -> None:
    twins = replace(live(), versions={"control": "v8", "candidate": "v9"})
    serving = Serving(Routing("v2", experiments=(twins,)), manifests, frozenset({"v2"}))
    assert {(one.manifest.version, one.fallback) for one in map(serving.choose, UNITS)} == {("v2", "not_ready")}
    with pytest.raises(NoModelReady):
        replace(serving, ready=frozenset()).choose("unit")


def test_a_tester_can_have_a_variant_whoever_he_is_and_it_is_noted(manifests: dict[str, Manifest]) -> None:
    serving = Serving(Routing("v1", experiments=(live(),)), manifests, frozenset({"v1", "v2"}))
    forced = serving.choose_forced("leaf", "candidate")
    assert (forced.manifest.version, forced.variant, forced.override, forced.shadows) == ("v2", "candidate", True, ())
    with pytest.raises(NotFound) as refused:
        serving.choose_forced("leaf", "other")
    assert refused.value.error_code == "variant_not_found"
    with pytest.raises(NoModelReady):
        replace(serving, ready=frozenset({"v1"})).choose_forced("leaf", "candidate")


class HandClock(SystemClock):
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


async def test_experiments_end_here_when_the_store_is_silent_for_too_long(models: Path) -> None:
    """One may have been rolled back meanwhile: then control is served, and nothing counts as an exposure."""
    directory, clock = MemoryWorkerDirectory(MemoryBroker()), HandClock()
    await report(directory, v1="ready", v2="ready")
    is_down = False

    def load() -> Routing:
        if is_down:
            raise DependencyDown("no database")
        return replace(half_and_half(), experiments=(live(),))

    monitor = ServingMonitor(Catalogue(models).scan, load, directory, clock=clock)
    await monitor.refresh()
    is_down = True
    clock.now_s += STALE_AFTER_S
    await monitor.refresh()
    assert {monitor.snapshot.choose(unit).experiment for unit in UNITS} == {"leaf"}
    clock.now_s += 0.001
    choices = [monitor.snapshot.choose(unit) for unit in UNITS]
    assert {(one.experiment, one.revision) for one in choices} == {("", 4)}
    is_down = False
    await monitor.refresh()
    assert monitor.snapshot.choose("unit").experiment == "leaf"


async def test_an_answer_to_an_older_question_brings_nothing_back_that_has_ended(models: Path) -> None:
    directory, clock = MemoryWorkerDirectory(MemoryBroker()), HandClock()
    slow, started = threading.Event(), threading.Event()
    answers = [Routing("v1", experiments=(live(),)), Routing("v1")]

    def load() -> Routing:
        answer = answers.pop(0)
        if answer.experiments:
            started.set()
            assert slow.wait(10)
        return answer

    monitor = ServingMonitor(Catalogue(models).scan, load, directory, clock=clock)
    older = asyncio.create_task(monitor.refresh())
    await asyncio.to_thread(started.wait, 10)
    clock.now_s += 1
    await monitor.refresh()
    slow.set()
    await older
    assert monitor.snapshot.routing.experiments == ()


async def test_what_decides_is_asked_for_more_often_than_the_rest(models: Path) -> None:
    asked = 0

    def load() -> Routing:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise RuntimeError("a bug that must not be the end")
        return Routing("v1")

    monitor = ServingMonitor(Catalogue(models).scan, load, MemoryWorkerDirectory(MemoryBroker()))
    running = asyncio.create_task(monitor.run(0.02))
    async with asyncio.timeout(10):
        while asked < 6:
            await asyncio.sleep(0.005)
    running.cancel()
    assert monitor.snapshot.routing.champion == "v1"


async def test_only_versions_that_a_worker_has_loaded_are_ready(models: Path) -> None:
    directory = MemoryWorkerDirectory(MemoryBroker())
    monitor = ServingMonitor(Catalogue(models).scan, lambda: Routing("v1"), directory)
    await report(directory, v1="ready", v2="failed: wrong digest")
    await monitor.refresh()
    assert monitor.snapshot.ready == {"v1"}
    assert monitor.snapshot.problems == ()
    await report(directory, draining=True, v1="ready")
    await monitor.refresh()
    assert monitor.snapshot.ready == frozenset()


async def test_while_the_store_is_down_the_last_known_routing_stays(models: Path) -> None:
    directory = MemoryWorkerDirectory(MemoryBroker())
    answers: list[Routing | Exception] = [half_and_half(), DependencyDown("no database"), Routing("v2")]

    def load() -> Routing:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monitor = ServingMonitor(Catalogue(models).scan, load, directory, lambda: "v9")
    await monitor.refresh()
    await monitor.refresh()
    assert monitor.snapshot.routing == half_and_half()
    assert monitor.route_problem == "no database"
    await monitor.refresh()
    assert (monitor.snapshot.routing, monitor.route_problem) == (Routing("v2"), "")


async def test_a_start_while_the_store_is_down_serves_the_repositorys_champion(models: Path) -> None:
    directory = MemoryWorkerDirectory(MemoryBroker())
    await report(directory, v1="ready")

    def down() -> Routing:
        raise DependencyDown

    monitor = ServingMonitor(Catalogue(models).scan, down, directory, lambda: "v1")
    await monitor.refresh()
    choice = monitor.snapshot.choose("unit")
    assert (choice.manifest.version, choice.revision) == ("v1", 0)


async def test_a_part_that_breaks_unexpectedly_neither_stops_the_others_nor_the_monitor(models: Path) -> None:
    directory = MemoryWorkerDirectory(MemoryBroker())
    await report(directory, v1="ready")
    is_broken = True

    def scan() -> Sequence[VersionFolder]:
        if is_broken:
            raise OSError("the disk is gone")
        return Catalogue(models).scan()

    monitor = ServingMonitor(scan, lambda: Routing("v1"), directory)
    await monitor.refresh()
    assert monitor.snapshot.routing.champion == "v1"
    assert monitor.snapshot.problems
    is_broken = False
    await monitor.refresh()
    assert not monitor.snapshot.problems


EXPERIMENT = LiveExperiment(
    "leaf", 1, "salt", ("control",), new_table((("control", 10_000),)), {"control": "v1", "candidate": "v2"}, "control"
)


@pytest.mark.parametrize(
    ("routing", "is_explained"),
    [
        (Routing("v1"), True),
        (Routing("v2"), False),
        (half_and_half(), False),
        (Routing("v1", experiments=(EXPERIMENT,)), False),
        (Routing("v1", experiments=(replace(EXPERIMENT, versions={"control": "v1"}),)), True),
        (
            Routing(
                "v1",
                experiments=(replace(EXPERIMENT, versions={"control": "v1"}, shadows=(ShadowRun("v2", 10_000),)),),
            ),
            True,
        ),
        (Routing("v1", experiments=(replace(EXPERIMENT, versions={"control": "v1", "candidate": "gone"}),)), False),
    ],
    ids=["all", "champion", "split", "candidate without slots", "experiment", "shadow", "unknown version"],
)
def test_answers_are_explained_where_every_version_that_may_answer_offers_a_heat_map(
    manifests: dict[str, Manifest], routing: Routing, *, is_explained: bool
) -> None:
    heat = AuxiliaryTable(sha256="0" * 64, map_output="map", map_shape=(4, 4))
    known = {**manifests, "v1": manifests["v1"].model_copy(update={"insight": heat})}
    serving = Serving(routing, known, frozenset({"v1", "v2"}))
    assert {serving.choose(unit).is_explained for unit in UNITS} == {is_explained}
