"""Experiments through the running system: `python -m benchmarks.experiments [FIGURE ...]`.

- exposures: an experiment of two versions, 10,000 predictions, a worker killed each two seconds; every answered
  prediction is one exposure. On SQLite and on PostgreSQL.
- guardrails: bad candidates at 1 %, by `splitleaf simulate`: how many images they were given.
- hiding: 1,000 answers of each variant, compared in all but what differs from image to image; and their times.
- hashing: what an assignment costs.
- takeover: how long a controller that takes over reads, and what a look costs then.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from tests.experiments.plans import plan, table
from tests.outcomes.facts import outcome
from tests.outcomes.servers import PostgresServer
from tests.system.answers import compare_answers, make_failing_pair
from tests.system.breaking import more_workers
from tests.system.running import RunningSystem, start_system

from splitleaf.core.clock import SystemClock
from splitleaf.experiments.bucketing import SLOTS, hash_unit, slot_of
from splitleaf.experiments.routing import LiveExperiment, Routing
from splitleaf.experiments.slots import new_table, reallocate, to_slots
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.run_experiment import ChangeRequest, create_experiment, start_experiment
from splitleaf.flows.watch_experiment import ExperimentWatcher
from splitleaf.outcomes.sql import SqlOutcomeStore
from splitleaf.simulation.crowd import Crowd
from splitleaf.simulation.director import Wishes, simulate
from splitleaf.simulation.leaves import draw_leaf
from splitleaf.simulation.scenarios import SCENARIOS
from splitleaf.simulation.versions import make_repository

KILL_EVERY_S = 2.0
WORKERS = 3
WHY = {"reason": "a benchmark"}
FIGURES = ("hashing", "takeover", "guardrails", "hiding", "exposures")
RECORDED = 200_000
KEY = "measured"
DEAL = (sys.executable, "-c", "from benchmarks.experiments import deal; deal()")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []])
    parser.add_argument("--predictions", type=int, default=10_000)
    parser.add_argument("--responses", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    print("| figure | what | aim | measured |\n|---|---|---|---|", flush=True)
    for figure in arguments.figures or FIGURES:
        if figure == "exposures":
            measure_exposures(arguments.predictions)
        if figure == "guardrails":
            measure_guardrails(arguments.seeds)
        if figure == "hiding":
            measure_hiding(arguments.responses)
        if figure == "hashing":
            measure_hashing()
        if figure == "takeover":
            measure_takeover()


def row(figure: str, what: str, aim: str, measured: object) -> None:
    print(f"| {figure} | {what} | {aim} | {measured} |", flush=True)


def measure_exposures(predictions: int) -> None:
    for name in ("SQLite", "PostgreSQL"):
        with contextlib.ExitStack() as stack:
            settings = {"SPLITLEAF_QUEUE__LEASE_MS": "1000"}
            if name == "PostgreSQL":
                settings["SPLITLEAF_DATABASE_URL"] = stack.enter_context(a_postgres())
            system = stack.enter_context(a_system(make_repository, **settings))
            found = asyncio.run(_answers_while_workers_die(system, predictions))
        what = f"{predictions:,} predictions, {name}, {found['kills']} workers killed"
        row("14", f"{what}: answered", f"{predictions:,}", f"{found['answered']:,}")
        row("14", f"{what}: answered and no exposure, or the reverse", "0", found["differences"])
        row("14", f"{what}: recorded twice", "0", found["twice"])


async def _answers_while_workers_die(system: RunningSystem, predictions: int) -> dict[str, int]:
    with system.admin() as admin:
        begin(admin, table(key=KEY))
        crowd = Crowd(system.url, lambda number: _leaf(number % 500), predictions, seed=1)
        async with more_workers(system, WORKERS - 1) as hands:
            killing = asyncio.create_task(hands.kill_every(KILL_EVERY_S))
            await crowd.run(asyncio.Event())
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
            kills = hands.kills
        answered = Counter(one.prediction_id for one in crowd.visits if one.status == "succeeded")
        exposed: Counter[str] = Counter()
        deadline = time.monotonic() + 60
        while exposed != answered and time.monotonic() < deadline:
            await asyncio.sleep(1)
            exposed = Counter(one["prediction_id"] for one in exposures(admin))
    differing = (exposed - answered).total() + (answered - exposed).total()
    twice = sum(count > 1 for count in exposed.values())
    return {"kills": kills, "answered": answered.total(), "differences": differing, "twice": twice}


def measure_guardrails(seeds: int) -> None:
    for name in ("errors", "slow", "wrong"):
        runs = [simulate(Wishes(SCENARIOS[name], seed), lambda _: None) for seed in range(1, seeds + 1)]
        given = [one.rolled_back_after for one in runs if one.rolled_back_after is not None]
        what = f"{name} at 1 %, {seeds} runs"
        row("11", f"{what}: rolled back by itself", str(seeds), sum(one.state == "rolled_back" for one in runs))
        row("11", f"{what}: images that the candidate was given", "median <= 20", _spread(given))
        row("11", f"{what}: given later than 2 s after the decision", "0", sum(one.later_than_2_s or 0 for one in runs))
        row("11", f"{what}: lost, or recorded twice", "0", sum(one.lost + one.recorded_twice for one in runs))


def _spread(numbers: list[int]) -> str:
    return f"median {statistics.median(numbers):g} ({min(numbers)} to {max(numbers)})" if numbers else "none"


def measure_hiding(responses: int) -> None:
    with a_system(make_failing_pair) as system:
        found = compare_answers(system, responses)
    row("13", f"{found.count:,} answers of each variant ({found.kinds}): forms that only one has", "0", found.differing)
    row("13", "the same: answers that name a version, variant, experiment or weight", "0", found.telling)
    for name, times in found.times_ms.items():
        quantiles = statistics.quantiles(times, n=100)
        row("13", f"time to the answer, {name}", "", f"p50 {quantiles[49]:.1f} ms, p95 {quantiles[94]:.1f} ms")


def measure_hashing() -> None:
    shares = (("candidate", SLOTS // 2), ("control", SLOTS // 2))
    versions = {"candidate": "v2", "control": "v1"}
    live = LiveExperiment("leaf", 1, "5a17", ("candidate", "control"), new_table(shares), versions, "control")
    routing = Routing("v1", experiments=(live,))
    units = [f"unit-{number}" for number in range(100_000)]
    began = time.perf_counter()
    for unit in units:
        routing.route(hash_unit(unit, b"pepper"))
    each_us = (time.perf_counter() - began) / len(units) * 1e6
    row("9", "an assignment, hashing of the unit included", "<= 20 us", f"{each_us:.1f} us")
    # Two processes at once, and one after they have ended; each has a hash seed of its own.
    first = [subprocess.Popen(DEAL, stdout=subprocess.PIPE) for _ in range(2)]
    digests = {one.communicate()[0] for one in first} | {
        subprocess.run(DEAL, stdout=subprocess.PIPE, check=True).stdout
    }
    row("10", "variants dealt to the same units in 3 x 333,334 calls, two processes and a restart", "1", len(digests))
    before, after = to_slots({"a": 80, "b": 10, "c": 10}), to_slots({"a": 60, "b": 20, "c": 20})
    old = new_table(before)
    new = reallocate(before, old, after)
    moved = sum(before[one][0] != after[other][0] for one, other in zip(old, new, strict=True)) / SLOTS
    row("10", "slots moved from 80/10/10 to 60/20/20, where 20 % is the least", "<= 20.5 %", f"{moved:.2%}")


def measure_takeover() -> None:
    by, clock = ChangeRequest("a benchmark", "to measure"), SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        store = SqlOutcomeStore(f"sqlite:///{folder}/outcomes.sqlite3")
        store.migrate()
        create_experiment(store, plan(guardrails=[{"metric": "error_rate"}, {"metric": "slow_rate"}]), by, clock)
        record = start_experiment(store, "leaf", {"v1", "v2"}, by, clock)
        (live,) = load_routing(store, "v1").experiments
        one = outcome(experiment="leaf", revision=1)
        for start in range(0, RECORDED, 2_000):
            units = {f"{number:026d}": f"{number:032x}" for number in range(start, start + 2_000)}
            store.record_outcomes(
                [
                    replace(one, prediction_id=key, unit_hash=unit, variant=live.variant_of(unit))
                    for key, unit in units.items()
                ]
            )
        watcher = ExperimentWatcher(store, "leaf")
        began = time.perf_counter()
        watcher.look(record, one.created_ms + 1, clock.now_ms())
        took_s, began = time.perf_counter() - began, time.perf_counter()
        for _ in range(20):
            watcher.look(record, one.created_ms + 1, clock.now_ms())
        look_ms = (time.perf_counter() - began) * 50
        store.close()
    row("", f"a controller that takes over reads {RECORDED:,} exposures for two guardrails", "", f"{took_s:.1f} s")
    row("", "a look at which nothing is new", "", f"{look_ms:.1f} ms")


def deal() -> None:
    """Print a digest of the variants of many units."""
    table_of = new_table((("candidate", SLOTS // 2), ("control", SLOTS // 2)))
    dealt = bytes(table_of[slot_of("5a17", hash_unit(f"unit-{number}", b"pepper"))] for number in range(333_334))
    print(hashlib.sha256(dealt).hexdigest())


def begin(admin: httpx.Client, wanted: dict[str, Any]) -> None:
    for path, body in (("/experiments", {"plan": wanted, **WHY}), (f"/experiments/{wanted['key']}/start", WHY)):
        deadline = time.monotonic() + 30
        while (answer := admin.post(path, json=body)).status_code in (404, 503) and time.monotonic() < deadline:
            time.sleep(0.1)
        answer.raise_for_status()


def exposures(admin: httpx.Client) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        page = admin.get(f"/experiments/{KEY}/exposures", params={"after": after, "limit": 5000}).json()
        if not page["exposures"]:
            return
        yield from page["exposures"]
        after = page["next"]


@contextlib.contextmanager
def a_system(make: Callable[[Path], None] = make_repository, **settings: str) -> Iterator[RunningSystem]:
    """Run v1 and v2 of the simulation."""
    with tempfile.TemporaryDirectory(prefix="slf", dir="/tmp") as folder:
        make(Path(folder) / "models")
        system = start_system(Path(folder) / "models", Path(folder) / "data", **settings)
        try:
            yield system
        finally:
            system.stop()


@contextlib.contextmanager
def a_postgres() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        server = PostgresServer(Path(folder))
        server.prepare()
        server.start()
        yield server.new_database()
        server.stop()


def _leaf(number: int) -> tuple[bytes, str]:
    leaf = draw_leaf(1, number)
    return leaf.jpeg, leaf.truth


if __name__ == "__main__":
    main()
