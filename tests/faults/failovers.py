"""The broker's primary fails under load, again and again: `python -m tests.faults.failovers [--failovers 10] [--demoted]`.

Starts a primary, two replicas and three sentinels, and the real system on them. Replication is cut for 0.8 s while the
primary goes on. Then the primary is killed and a replica is promoted; the old one comes back as a replica. With
`--demoted` it is frozen in place of killed until another one is promoted, and keeps the connections of its clients when it
wakes and is made a replica. Prints what became of every accepted prediction.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.checker import Evidence, Violation, check
from tests.faults.clients import Clients
from tests.faults.history import History, Result
from tests.faults.images import add_versions
from tests.faults.quiet import recorded_in
from tests.jobs.sentinels import Replicated
from tests.system.running import RunningSystem, start_system

CUT_S: Final = 0.8
BETWEEN_S: Final = 2.0


@dataclass(frozen=True)
class Plan:
    """What is done."""

    failovers: int = 10
    replicas: int = 1
    is_demoted: bool = False
    per_second: float = 60


@dataclass(frozen=True)
class Finding:
    """What became of it."""

    history: History
    violations: Sequence[Violation]
    from_failure_s: Sequence[float]
    """To the next completion."""
    from_failover_s: Sequence[float]

    def __str__(self) -> str:
        accepted = self.history.accepted()
        finals = {call.prediction_id: call.state for call in self.history.calls if call.is_final}
        states = Counter(finals.get(one, "none") for one in accepted)
        refused = Counter(f"{one.status} {one.code}" for one in self.history.calls if one.result is not Result.OK)
        rules = Counter(one.rule for one in self.violations)
        rows = {
            "predictions accepted": len(accepted),
            "final states": ", ".join(f"{number} {state}" for state, number in states.items()),
            "failovers": len(self.from_failure_s),
            "from the failure to the next completion": _span(self.from_failure_s),
            "from the failover to the next completion": _span(self.from_failover_s),
            "refusals": ", ".join(f"{number} x {said}" for said, number in refused.items()),
            "accepted and lost": rules["lost"] + rules["vanished"],
            "final states that changed": rules["changed"],
            "missing or different in the outcome store": rules["unrecorded"] + rules["differing"],
            "all violations": ", ".join(f"{number} x {rule}" for rule, number in rules.items()) or "none",
        }
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.failovers", description=__doc__)
    parser.add_argument("--failovers", type=int, default=10)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--demoted", action="store_true")
    parser.add_argument("--per-second", type=float, default=60, help="images")
    given = parser.parse_args()
    plan = Plan(given.failovers, given.replicas, given.demoted, given.per_second)
    with tempfile.TemporaryDirectory(prefix="slf", dir="/tmp", ignore_cleanup_errors=True) as folder:
        finding = asyncio.run(run_failovers(Path(folder), plan))
    print(finding)
    return 1 if finding.violations else 0


async def run_failovers(folder: Path, plan: Plan) -> Finding:
    """Start everything, let so many primaries fail under load, and compare all that was told with the store."""
    broker = Replicated(folder / "broker", keeps_connections=plan.is_demoted)
    add_versions(folder / "models")
    try:
        await asyncio.to_thread(broker.start)
        settings = {"SPLITLEAF_REDIS_URL": broker.url, "SPLITLEAF_QUEUE__REPLICAS": str(plan.replicas)}
        system = await asyncio.to_thread(lambda: start_system(folder / "models", folder / "data", **settings))
        try:
            return await _play(plan, broker, system)
        finally:
            await asyncio.to_thread(system.stop)
    finally:
        broker.stop()


async def _play(plan: Plan, broker: Replicated, system: RunningSystem) -> Finding:
    history, moments = History(), []
    clients = Clients([system.url], history, plan.per_second, seed=plan.failovers)
    running = asyncio.create_task(clients.run(3600))
    for _ in range(plan.failovers):
        await asyncio.sleep(BETWEEN_S)
        moments.append(await asyncio.to_thread(_fail_over, broker, is_killed=not plan.is_demoted))
    await asyncio.sleep(BETWEEN_S)
    clients.is_enough = True
    await running
    await asyncio.sleep(3)  # the recorder is a moment behind
    history.looked_at_s = history.now_s()
    await clients.look_at_all()
    clients.close()
    store = system.data / "outcomes.sqlite3"
    rows, aside = await asyncio.to_thread(recorded_in, f"sqlite:///{store}")
    violations = check(Evidence(history, rows, {}, aside))
    pauses = [[_finished_after(store, moment) for moment in each] for each in zip(*moments, strict=True)]
    return Finding(history, violations, *pauses)


def _fail_over(broker: Replicated, *, is_killed: bool) -> tuple[float, float]:
    """Return when the primary failed and when another one was promoted, in milliseconds since the epoch."""
    old = broker.primary()
    broker.cut_replication()
    time.sleep(CUT_S)
    failed = time.time() * 1000
    assert old.process is not None
    os.kill(old.process.pid, signal.SIGKILL if is_killed else signal.SIGSTOP)
    broker.until_promoted(old)
    promoted = time.time() * 1000
    if is_killed:
        old.kill()
        broker.bring_back(old)
    else:
        os.kill(old.process.pid, signal.SIGCONT)
        old.ask("ACL", "SETUSER", "replicator", "on")
        broker.until_whole()
    return failed, promoted


def _finished_after(store: Path, moment_ms: float) -> float:
    """Return how many seconds after this moment the next prediction was finished."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
        query = "SELECT min(finished_ms) FROM outcomes WHERE status = 'succeeded' AND finished_ms > ?"
        (first,) = database.execute(query, [moment_ms]).fetchone()
    return float("inf") if first is None else float(first - moment_ms) / 1000


def _span(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"


if __name__ == "__main__":
    sys.exit(main())
