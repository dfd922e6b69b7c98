"""`python -m benchmarks.reports`: how long a report over a million exposures takes, on SQLite and PostgreSQL."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.outcomes.facts import outcome
from tests.outcomes.servers import PostgresServer
from tests.support.synthetic import REQUEST, START_MS, StandingClock, plan_of

from splitleaf.experiments.bucketing import slot_of
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.flows.run_experiment import create_experiment, ramp_to_stage, start_experiment
from splitleaf.outcomes.sql import SqlOutcomeStore

PLAN = plan_of(
    ramp=[{"share": 5}, {"share": 25}, {"share": 50}],
    guardrails=[{"metric": "error_rate"}, {"metric": "slow_rate"}],
    planned_n=1_000_000,
)
BATCH = 5_000


def fill(store: SqlOutcomeStore, exposures: int) -> None:
    """Write exposures of a fifth as many units, a third in each stage of the ramp."""
    clock, generator = StandingClock(), np.random.default_rng(1)
    create_experiment(store, PLAN, REQUEST, clock)
    start_experiment(store, PLAN.key, PLAN.versions, REQUEST, clock)
    for stage in range(3):
        if stage:
            ramp_to_stage(store, PLAN.key, stage, REQUEST, clock)
        table = store.experiment_revisions(PLAN.key)[0]
        for place in range(0, exposures // 3, BATCH):
            units = [f"{number:032x}" for number in generator.integers(0, exposures // 5, BATCH)]
            numbers = zip(units, generator.lognormal(3, 0.5, BATCH).tolist(), generator.random(BATCH), strict=True)
            template = outcome(experiment=PLAN.key, revision=table.revision, created_ms=START_MS + place)
            store.record_outcomes(
                [
                    replace(
                        template,
                        prediction_id=f"{stage}{place + number:025d}",
                        variant=table.shares[table.slots[slot_of(PLAN.salt or "", unit)]][0],
                        unit_hash=unit,
                        status="succeeded" if luck < 0.99 else "failed",
                        finished_ms=template.created_ms + round(ms),
                        confidence=luck,
                        inference_ms=ms / 2,
                    )
                    for number, (unit, ms, luck) in enumerate(numbers)
                ]
            )


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        server = PostgresServer(Path(folder) / "postgres")
        server.folder.mkdir()
        Path(folder).chmod(0o755)
        server.prepare()
        server.start()
        try:
            yield {"SQLite": f"sqlite:///{folder}/outcomes.sqlite3", "PostgreSQL": server.new_database()}
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exposures", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print("| database | exposures | wall | processor time of this process |\n|---|---|---|---|", flush=True)
    with databases() as urls:
        for name, url in urls.items():
            store = SqlOutcomeStore(url)
            store.migrate()
            fill(store, arguments.exposures)
            taken = []
            for _ in range(3):
                wall, work = time.perf_counter(), time.process_time()
                report = judge_experiment(store, PLAN.key, StandingClock())
                taken.append((time.perf_counter() - wall, time.process_time() - work))
            exposures = sum(arm.images for arm in report.arms)
            best = min(taken)
            print(f"| {name} | {exposures:,} | {best[0]:.1f} s | {best[1]:.1f} s |", flush=True)
            store.close()


if __name__ == "__main__":
    main()
