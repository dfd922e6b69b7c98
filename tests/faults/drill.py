"""One seed: a cluster is started, broken under load and mended, and then everything is compared."""

from __future__ import annotations

import asyncio
import bisect
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.breaker import Breaker
from tests.faults.checker import Evidence, Violation, check
from tests.faults.clients import Clients
from tests.faults.cluster import Cluster, Database, running_cluster
from tests.faults.history import History, Result
from tests.faults.quiet import recorded, until_quiet
from tests.faults.schedule import draw_schedule

A_WEEK_S: Final = 604_800
CALM_S: Final = 1.0
"""Before the first fault."""


@dataclass(frozen=True)
class Drill:
    """What one seed does."""

    seed: int
    seconds: float
    per_second: float
    has: Collection[str]
    """What may be used of the surroundings (`Kind.needs`)."""
    every_s: float = 1.0
    """Between the beginnings of two faults, on average."""
    only: Collection[str] = ()
    """Kinds of faults; without any, all of them."""
    keep_log: Path | None = None
    """Where to keep what the roles said."""


@dataclass
class Finding:
    """What became of it."""

    seed: int
    seconds: float
    accepted: int
    final: Mapping[str, int]
    calls: int
    refusals: Mapping[str, int]
    faults: Mapping[str, int]
    touched: Mapping[str, int]
    """Kind of fault -> predictions that were under way while one of it was active."""
    broken: Mapping[str, Mapping[str, int]]
    """Rule -> kind of fault -> violations by predictions that were under way then."""
    pauses_s: Mapping[str, float] = field(default_factory=dict)
    """Kind of fault -> longest time from its end until a client was next told of an answer."""
    violations: list[str] = field(default_factory=list)
    stories: str = ""
    errors: list[str] = field(default_factory=list)


async def run_drill(drill: Drill, database: Database | None = None) -> Finding:
    """Do what the seed says, and return what was found."""
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slf", dir="/tmp", ignore_cleanup_errors=True) as folder:
        # A key that is older than that is looked up in the database, and answered anew while that is silent, as is
        # documented: a clock that jumps ahead makes keys that old.
        settings = {"QUEUE__RESULT_TTL_S": str(A_WEEK_S)}
        async with running_cluster(Path(folder), database, has=drill.has, settings=settings) as cluster:
            evidence, breaker = await _play(drill, cluster)
            if drill.keep_log:
                shutil.copyfile(cluster.log, drill.keep_log)
        violations = check(evidence)
    return _finding(drill, evidence.history, violations, breaker.errors, time.monotonic() - began_at)


async def _play(drill: Drill, cluster: Cluster) -> tuple[Evidence, Breaker]:
    history = History()
    clients = Clients(cluster.urls, history, drill.per_second, drill.seed)
    breaker = Breaker(cluster, history, drill.seed)
    schedule = draw_schedule(drill.seed, drill.seconds, drill.has, every_s=drill.every_s, only=drill.only)
    running = asyncio.create_task(clients.run(drill.seconds + CALM_S))
    await asyncio.sleep(CALM_S)
    await breaker.run(schedule)
    try:
        await cluster.until_ready()
    except TimeoutError as error:
        breaker.errors.append(f"not ready again in time: {error}")
    await running
    left = await until_quiet(cluster)
    history.looked_at_s = history.now_s()
    await clients.look_at_all()
    clients.close()
    rows, aside = await recorded(cluster)
    return Evidence(history, rows, left, aside), breaker


def _finding(drill: Drill, history: History, violations: list[Violation], errors: list[str], seconds: float) -> Finding:
    accepted = history.accepted()
    finals = {call.prediction_id: call.state for call in history.calls if call.is_final}
    under_way = _under_way(history)
    broken: dict[str, Counter[str]] = {}
    for violation in violations:
        for kind, ids in under_way.items():
            broken.setdefault(violation.rule, Counter())[kind] += violation.prediction_id in ids
    stories = [history.story_of(one.prediction_id) for one in violations if one.prediction_id in accepted][:5]
    return Finding(
        drill.seed,
        seconds,
        len(accepted),
        Counter(finals.get(one, "none") for one in accepted),
        len(history.calls),
        Counter(f"{call.status} {call.code}" for call in history.calls if call.result is not Result.OK),
        Counter(mark.kind for mark in history.marks),
        {kind: len(ids) for kind, ids in under_way.items()},
        broken,
        _pauses_s(history),
        [str(one) for one in violations],
        "\n".join(stories),
        errors,
    )


def _under_way(history: History) -> dict[str, set[str]]:
    """Return kind of fault -> accepted predictions that clients had to do with while one of it was active."""
    accepted, lives = history.accepted(), history.lives()
    found: dict[str, set[str]] = {}
    for mark in history.marks:
        ids = {one for one in accepted if lives[one][0] <= mark.ended_s and mark.began_s <= lives[one][1]}
        found.setdefault(mark.kind, set()).update(ids)
    return found


def _pauses_s(history: History) -> dict[str, float]:
    told = sorted(
        call.ended_s for call in history.calls if call.state == "succeeded" and call.ended_s < history.looked_at_s
    )
    found: dict[str, float] = {}
    for mark in history.marks:
        following = bisect.bisect(told, mark.ended_s)
        if following < len(told):
            found[mark.kind] = max(found.get(mark.kind, 0.0), told[following] - mark.ended_s)
    return found
