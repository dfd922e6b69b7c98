"""Kills, freezes and restarts under load: `python -m benchmarks.faults [--predictions 10000]`.

Starts the real system as `splitleaf up` does, with a null model and more workers beside its own, breaks it
while clients send pictures through HTTP, and prints what became of every accepted prediction.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.repositories import write_version
from tests.system.breaking import kill_broker, more_workers
from tests.system.drills import Crowd, Findings, find_out, finished_after
from tests.system.running import RunningSystem, start_system

from benchmarks.networks import null_network

SIDE = 32
LABELS = [f"class {number}" for number in range(10)]
KILL_EVERY_S = 2.0
BEYOND_LEASE = 1.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=10_000)
    parser.add_argument("--per-second", type=float, default=150)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--broker-kills", type=int, default=5)
    parser.add_argument("--drill", choices=["workers", "broker", "both"], default="both")
    arguments = parser.parse_args()
    crowd = (arguments.predictions, arguments.per_second)
    if arguments.drill in ("workers", "both"):
        asyncio.run(_print("Workers killed and frozen", worker_drill, crowd, arguments.workers))
    if arguments.drill in ("broker", "both"):
        asyncio.run(_print("Broker killed", broker_drill, crowd, arguments.broker_kills))


Drill = Callable[[Crowd, int], Awaitable[dict[str, object]]]


async def _print(title: str, drill: Drill, crowd: tuple[int, float], number: int) -> None:
    with tempfile.TemporaryDirectory(prefix="slf", dir="/tmp") as folder:
        system = start_null_system(Path(folder))
        try:
            made = Crowd(system, *crowd)
            started = time.monotonic()
            facts = await drill(made, number)
            facts = {"seconds": f"{time.monotonic() - started:.0f}", **facts}
            print(as_table(title, await find_out(made), made, facts), flush=True)
        finally:
            system.stop()


def start_null_system(folder: Path, **settings: str) -> RunningSystem:
    write_version(folder / "models", "v1", null_network(SIDE), labels=LABELS, side=SIDE)
    text = 'schema = 1\n[aliases]\nchampion = "v1"\n'
    (folder / "models/repository.toml").write_text(text, encoding="utf-8")
    return start_system(folder / "models", folder / "data", **settings)


async def worker_drill(crowd: Crowd, workers: int, lease_s: float = 5.0) -> dict[str, object]:
    """A worker dies every two seconds, and one is frozen beyond its lease, again and again."""
    async with more_workers(crowd.system, workers - 1) as hands:
        killing = asyncio.create_task(hands.kill_every(KILL_EVERY_S))
        running = asyncio.create_task(crowd.run())
        try:
            while not running.done():
                await asyncio.sleep(1)
                await hands.freeze(BEYOND_LEASE * lease_s)
            await running
        finally:
            killing.cancel()
            await asyncio.gather(killing, running, return_exceptions=True)
        return {"workers": workers, "SIGKILL": hands.kills, "SIGSTOP beyond the lease, then SIGCONT": hands.freezes}


async def broker_drill(crowd: Crowd, kills: int) -> dict[str, object]:
    """The broker is killed so many times, spread over the run."""
    running = asyncio.create_task(crowd.run())
    moments = []
    for _ in range(kills):
        await asyncio.sleep(crowd.count / crowd.per_second / (kills + 1))
        moments.append(kill_broker(crowd.system))
    await running
    await asyncio.sleep(2)  # the outcomes are recorded a little later
    pauses = sorted(finished_after(crowd.system, moment) / 1000 for moment in moments)
    return {
        "SIGKILL of the broker": kills,
        "from a kill to the next completion": f"{pauses[0]:.2f} to {pauses[-1]:.2f} s",
        "longest_pause_s": pauses[-1],
    }


def as_table(title: str, findings: Findings, crowd: Crowd, facts: dict[str, object]) -> str:
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(findings.by_status.items()))
    refusals = ", ".join(f"{count} x {status} {code}" for (status, code), count in crowd.ledger.refusals.items())
    rows = {
        "predictions accepted": findings.accepted,
        "final states": statuses,
        "looks at states": findings.looks,
        **{name: value for name, value in facts.items() if not name.endswith("_s")},
        "answers other than 2xx, all repeated": refusals or "none",
        "accepted and lost": findings.lost,
        "final states that changed": findings.changed,
        "answers of another picture": findings.mixed_up,
        "missing or different in the outcome store": findings.unrecorded,
        "recorded twice": findings.recorded_twice,
    }
    return "\n".join([f"\n| {title} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


if __name__ == "__main__":
    main()
