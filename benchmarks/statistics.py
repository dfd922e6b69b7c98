# ruff: noqa: A005 - it is only ever `benchmarks.statistics`
"""`make bench-statistics`: measure the acceptance figures of the statistics and print them as a table.

The simulations are those of tests/statistics/test_acceptance.py, on as many runs as the figures ask for.
"""

from __future__ import annotations

import argparse
import time

from tests.analysis import labelling, tails
from tests.statistics import detections, differences, live, rivals

FIGURES = {
    "even_split": (differences.even_split, 2000),
    "small_shares": (differences.small_shares, 2000),
    "every_outcome": (detections.every_outcome, 2000),
    "ramp": (differences.ramp_under_drift, 2000),
    "clusters": (differences.clustered_units, 2000),
    "coverage": (differences.coverage, 4000),
    "power": (differences.power_and_stops, 4000),
    "pairs": (detections.paired_versions, 4000),
    "paired_clusters": (detections.paired_clusters, 4000),
    "sample_ratio": (detections.sample_ratio, 20_000),
    "guardrail": (detections.guardrail, 4000),
    "latency": (detections.slower_candidate, 1000),
    "audit": (labelling.audit_level, 1000),
    "audited_split": (labelling.audited_split, 300),
    "clustered_recalls": (labelling.clustered_recalls, 500),
    "arrival_order": (live.arrival_order, 200),
    "live_differences": (live.live_differences, 400),
    "busy_unit": (live.busy_unit, 100),
    "paired_rivals": (rivals.paired_rivals, 4000),
    "alike": (detections.alike_versions, 4000),
    "heavy_tails": (tails.heavy_tails, 400),
    "tiny_shares": (tails.tiny_shares, 200),
    "report": (detections.whole_report, 1_000_000),
}
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], help="which to measure; all without any")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    print("| figure | what | aim | measured | runs |\n|---|---|---|---|---|", flush=True)
    started = time.perf_counter()
    for name in arguments.figures or FIGURES:
        simulate, runs = FIGURES[name]
        for reading in simulate(runs, arguments.seed):
            mark = "" if reading.is_met else " **missed**"
            count = runs if name != "report" else 1
            cells = (reading.figure, reading.what, reading.aim, reading.text + mark, f"{count:,}")
            print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s, seed {arguments.seed}")


if __name__ == "__main__":
    main()
