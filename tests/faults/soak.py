"""`make soak`: small faults for an hour at 70 % of what the system can do: `python -m tests.faults.soak [--minutes 60]`.

Writes samples of memory, descriptors, keys and streams as CSV, draws them, and says whether they are flat.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from tests.faults.breaker import Breaker
from tests.faults.checker import Evidence, check
from tests.faults.clients import Clients
from tests.faults.cluster import Cluster, running_cluster
from tests.faults.flatness import Sample, draw, judge
from tests.faults.history import History
from tests.faults.quiet import leftovers, recorded, until_quiet
from tests.faults.schedule import SMALL, Fault, draw_schedule
from tests.faults.surroundings import end_in_order_when_told
from tests.support.processes import children_of, memory_bytes, open_files

CAPACITY_S: Final = 15.0
SHARE: Final = 0.7
SAMPLE_S: Final = 10.0
RESULT_TTL_S: Final = 300
"""Results leave the broker after this time, so that an hour shows whether they do."""
CAPACITY_CLIENTS: Final = 64


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--per-second", type=float, help="images; without it, 70 % of what is measured first")
    parser.add_argument("--every", type=float, default=20, help="seconds between two small faults, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/soak"), help="folder for the CSV file and the plot")
    arguments = parser.parse_args()
    end_in_order_when_told()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    arguments.out.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_soak(arguments))


async def _soak(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="slf", dir="/tmp", ignore_cleanup_errors=True) as folder:
        settings = {"QUEUE__RESULT_TTL_S": str(RESULT_TTL_S)}
        async with running_cluster(Path(folder), disk_megabytes=1024, settings=settings) as cluster:
            history, samples = History(), list[Sample]()
            per_second = arguments.per_second or SHARE * await _capacity(cluster)
            print(f"{per_second:.0f} images a second for {arguments.minutes:g} minutes", flush=True)
            clients = Clients(cluster.urls, history, per_second, arguments.seed)
            schedule = _small_faults(arguments.seed, 60 * arguments.minutes, arguments.every)
            sampling = asyncio.create_task(_keep_sampling(cluster, history, samples, arguments.out / "samples.csv"))
            breaker = Breaker(cluster, history, arguments.seed)
            await asyncio.gather(clients.run(60 * arguments.minutes), breaker.run(schedule))
            sampling.cancel()
            left = await until_quiet(cluster)
            history.looked_at_s = history.now_s()
            await clients.look_at_all(one_in=10)
            clients.close()
            rows, aside = await recorded(cluster)
    return _report(Evidence(history, rows, left, aside), samples, arguments.out)


def _small_faults(seed: int, seconds: float, every_s: float) -> Sequence[Fault]:
    """Return faults that spare the oldest process of each role: whose memory grows would start anew otherwise."""
    drawn = draw_schedule(seed, seconds, (), every_s=every_s, only=SMALL)
    return [replace(one, choice=0.5 + one.choice / 2) for one in drawn]


async def _capacity(cluster: Cluster) -> float:
    """Return how many images a second are answered when so many clients each wait for their answer."""
    history = History()
    clients = Clients(cluster.urls, history, 10_000, seed=0, most_at_once=CAPACITY_CLIENTS)
    began_s = history.now_s()
    await clients.run(CAPACITY_S)
    return len(history.accepted()) / (history.now_s() - began_s)


async def _keep_sampling(cluster: Cluster, history: History, samples: list[Sample], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter[str] | None = None
        while True:
            began = time.monotonic()
            sample = await asyncio.to_thread(_sample, cluster, history)
            samples.append(sample)
            if writer is None:
                writer = csv.DictWriter(file, list(sample))
                writer.writeheader()
            writer.writerow({name: f"{value:g}" for name, value in sample.items()})
            file.flush()
            await asyncio.sleep(max(0.0, SAMPLE_S - (time.monotonic() - began)))


def _sample(cluster: Cluster, history: History) -> Sample:
    """Look at the oldest process of each role, with its children, and at the broker."""
    sample: Sample = {"minutes": round(history.now_s() / 60, 2)}
    for role in ("api", "worker", "controller"):
        pid = min(cluster.pids(role), default=0)
        family = [pid, *children_of(pid)] if pid else []
        sample[f"{role} MB"] = round(sum(map(memory_bytes, family)) / 1e6, 1)
        sample[f"{role} descriptors"] = sum(map(open_files, family))
    broker = cluster.broker.process.pid if cluster.broker.process else 0
    client = cluster.broker_client()
    sample["broker MB"] = round(memory_bytes(broker) / 1e6, 1)
    sample["broker descriptors"] = open_files(broker)
    sample["broker keys"] = client.dbsize()
    left = leftovers(cluster)
    sample["tasks in streams"] = left["entries in streams"]
    sample["outcomes in the feed"] = left["feed"]
    client.close()
    return sample


def _report(evidence: Evidence, samples: Sequence[Sample], out: Path) -> int:
    history, violations = evidence.history, check(evidence)
    draw(samples, out / "soak.svg")
    faults = Counter(mark.kind for mark in history.marks)
    print(
        f"{len(history.accepted()):,} accepted, {len(history.calls):,} calls, {faults.total()} faults: {dict(faults)}"
    )
    print(f"{len(violations)} violations")
    for violation in violations[:20]:
        print(f"  {violation}")
        print(history.story_of(violation.prediction_id.split(" ")[0]))
    verdicts = judge(samples)
    print("\n".join(["| | second quarter | last quarter | |", "|---|---|---|---|", *map(str, verdicts)]))
    return 1 if violations or not all(one.is_flat for one in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
