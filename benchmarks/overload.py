"""What is left of the service when more is asked of it than it can do: `python -m benchmarks.overload` prints a table.

Measures the capacity by a closed loop, then asks open-loop for 0.5 to 8 times as much. The system runs on one processor
and the generator on another one, where there are two. `--plot FILE.svg` draws it. On a machine that does other work,
`--service-ms 25` puts a worker in place that takes so long for an image and no processor time: the capacity is known,
and what is measured is what the API and the queue do.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.images import leaf_like_jpeg
from tests.support.repositories import write_version
from tests.system.running import RunningSystem, start_system

from benchmarks.figures import LABELS
from benchmarks.networks import mobilenet_v2

LOADS = (0.5, 1.0, 2.0, 4.0, 8.0)
FLOOD = 6.0
QUIET_PER_S = 2.0
CONNECTIONS = 32
HEAD = (
    "load",
    "asked/s",
    "goodput/s",
    "goodput/capacity",
    "refused",
    "refusals p50 / p99",
    "accepted p50 / p99",
    "expired of accepted",
)


@dataclass(frozen=True)
class Level:
    """What one load led to."""

    load: float
    seconds: float
    report: dict[str, Any]

    @property
    def goodput(self) -> float:
        return float(self.report["done_in_time"]) / self.seconds

    @property
    def answers(self) -> Counter[str]:
        return Counter(self.report["answers"])

    @property
    def expired_share(self) -> float:
        accepted = sum(count for state, count in self.answers.items() if not state.isdigit())
        return self.answers["expired"] / max(accepted, 1)

    def row(self, capacity: float) -> str:
        asked = self.report["asked"]
        cells = (
            f"{self.load:g}x",
            f"{asked / self.seconds:.0f}",
            f"{self.goodput:.0f}",
            f"{self.goodput / capacity:.2f}",
            f"{self.answers['503'] / asked:.2f}",
            _pair(self.report["refused_ms"]),
            _pair(self.report["accepted_ms"]),
            f"{self.expired_share:.4f}",
        )
        others = {name: count for name, count in self.answers.items() if name not in ("succeeded", "503", "expired")}
        return "| " + " | ".join(cells) + " |" + (f" {others}" if others else "")


def _pair(values: Sequence[float | None]) -> str:
    return " / ".join("-" if one is None else f"{one:,.0f}" for one in values) + " ms"


class Bench:
    """A system on one processor, and a generator on another."""

    def __init__(self, scratch: Path, ttl_s: float, service_ms: float = 0) -> None:
        self._image = scratch / "leaf.jpg"
        self._image.write_bytes(leaf_like_jpeg())
        self._ttl_s = ttl_s
        write_version(scratch / "models", "v1", mobilenet_v2(), labels=LABELS, side=224)
        every = sorted(os.sched_getaffinity(0))
        self._generator, system = {every[-1]}, set(every[:1])
        os.sched_setaffinity(0, system)  # what is started from here inherits it
        settings = {"SPLITLEAF_LOG_LEVEL": "warning", "SPLITLEAF_API__PREDICTION_TTL_S": f"{ttl_s:g}"}
        self._worker: subprocess.Popen[bytes] | None = None
        self._service_ms = service_ms
        if service_ms:
            settings["SPLITLEAF_WORKER__VERSIONS"] = '["none"]'
            command = [sys.executable, "-m", "benchmarks.steady_worker", str(scratch / "data"), f"v1={service_ms}"]
            self._worker = subprocess.Popen(command)
        self.system: RunningSystem = start_system(scratch / "models", scratch / "data", **settings)
        os.sched_setaffinity(0, self._generator)

    def stop(self) -> None:
        if self._worker:
            self._worker.kill()
            self._worker.wait()
        self.system.stop()

    def capacity(self) -> float:
        """Return images a second of a closed loop that keeps the system busy, or what a steady worker does."""
        if self._service_ms:
            self._run("benchmarks.load", "--connections", "8", "--seconds", "2")
            return 1000 / self._service_ms
        options = ["--connections", str(CONNECTIONS), "--seconds", "10", "--warm-up", "3"]
        (report,) = self._run("benchmarks.load", *options)
        return float(report["rate"])

    def ask(self, rate: float, seconds: float, clients: Sequence[str] = ()) -> list[dict[str, Any]]:
        more = [word for client in clients for word in ("--client", client)]
        times = ["--warm-up", f"{self._ttl_s}", "--seconds", f"{seconds}", "--patience", f"{self._ttl_s + 4}"]
        return self._run("benchmarks.open_loop", "--rate", f"{rate}", *times, *more)

    def _run(self, module: str, *options: str) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", module, self.system.url, "--image", str(self._image), *options]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [json.loads(line) for line in output.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", default=",".join(f"{load:g}" for load in LOADS), help="times the capacity")
    parser.add_argument("--seconds", type=float, default=15, help="of each load, after a warm-up of one time to live")
    parser.add_argument("--ttl", type=float, default=8, help="time to live of a prediction, in seconds")
    parser.add_argument("--service-ms", type=float, default=0, help="of a steady worker in place of the real one")
    parser.add_argument("--no-flood", action="store_true", help="leave out the quiet client beside a flooder")
    parser.add_argument("--plot", type=Path, help="file for a drawing (SVG)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), arguments.ttl, arguments.service_ms)
        try:
            capacity = bench.capacity()
            print(f"Capacity {capacity:.0f} images/s; time to live {arguments.ttl:g} s.\n")
            print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
            levels = []
            for load in map(float, filter(None, arguments.loads.split(","))):
                (report,) = bench.ask(load * capacity, arguments.seconds)
                levels.append(Level(load, arguments.seconds, report))
                print(levels[-1].row(capacity), flush=True)
            if not arguments.no_flood:
                print("\n" + _flood(bench, capacity, arguments.seconds))
        finally:
            bench.stop()
    if arguments.plot:
        arguments.plot.write_text(draw(levels, capacity), encoding="utf-8")


def _flood(bench: Bench, capacity: float, seconds: float) -> str:
    flooder, quiet = bench.ask(FLOOD * capacity, seconds, [f"127.0.0.2={QUIET_PER_S}"])
    got = Counter(quiet["answers"])["succeeded"]
    return (
        f"A client that asks for {QUIET_PER_S:g}/s beside one at {FLOOD:g}x got {got} of {quiet['asked']} "
        f"({got / max(quiet['asked'], 1):.0%}), accepted p50 / p99 {_pair(quiet['accepted_ms'])}; the flooder "
        f"{flooder['answers'].get('succeeded', 0)} of {flooder['asked']}."
    )


def draw(levels: Sequence[Level], capacity: float) -> str:
    """Return goodput over load as SVG, with the line of a service that never does less."""
    width, height, left, base = 560, 260, 52, 212
    most = max(level.load for level in levels)

    def at(load: float, share: float) -> str:
        return f"{left + (width - left - 20) * load / most:.1f},{base - 170 * share:.1f}"

    points = " ".join(at(level.load, level.goodput / capacity) for level in levels)
    dots = "".join(
        '<circle cx="{}" cy="{}" r="4" fill="#2e7d32"/>'.format(*at(level.load, level.goodput / capacity).split(","))
        for level in levels
    )
    ideal = " ".join(at(load, share) for load, share in ((0, 0), (1, 1), (most, 1)))
    labels = "".join(
        f'<text x="{at(level.load, 0).split(",")[0]}" y="{base + 18}" text-anchor="middle">{level.load:g}x</text>'
        for level in levels
    )
    shares = "".join(
        f'<text x="{left - 8}" y="{float(at(0, share).split(",")[1]) + 4:.1f}" text-anchor="end">{share:g}</text>'
        for share in (0, 0.5, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f'<polyline points="{left},{base} {width - 20},{base}" stroke="#888" fill="none"/>'
        f'<polyline points="{ideal}" stroke="#aaa" stroke-dasharray="4 4" fill="none"/>'
        f'<polyline points="{points}" stroke="#2e7d32" stroke-width="2" fill="none"/>{dots}{labels}{shares}'
        f'<text x="{left}" y="20">answered in time, as a share of the capacity</text>'
        f'<text x="{width - 20}" y="{base + 36}" text-anchor="end">asked, in capacities</text></svg>\n'
    )


if __name__ == "__main__":
    main()
