"""The snapshot of what can be served: kept when parts are down, never dead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from splitleaf.core.errors import DependencyDown, NoModelReady
from splitleaf.experiments.routing import Routing, Split
from splitleaf.experiments.slots import new_table, to_slots
from splitleaf.flows.serving import NOTHING, Serving, ServingMonitor
from splitleaf.jobs.queue import WorkerReport
from splitleaf.registry.catalogue import Catalogue, VersionFolder
from splitleaf.registry.manifest import Manifest
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


def test_without_a_ready_champion_nothing_is_served() -> None:
    with pytest.raises(NoModelReady):
        NOTHING.choose("unit")
    with pytest.raises(NoModelReady):
        NOTHING.labels()
    assert NOTHING.problems == ("no model is ready",)


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
