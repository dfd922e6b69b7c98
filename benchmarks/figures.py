"""The figures of the documentation, each measured by one function that returns a row of a table."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.support.images import jpeg
from tests.support.repositories import write_version
from tests.system.running import RunningSystem, start_system

from benchmarks.bare import BATCH, run_batch
from benchmarks.load import one_client, prepared_request
from benchmarks.networks import mobilenet_v2, null_network
from splitleaf.engine.onnx import OnnxRuntime

LABELS = tuple(f"condition {number}" for number in range(10))
CORES = 2


@dataclass(frozen=True)
class Figure:
    """What was measured, what it came to, and what was aimed at."""

    name: str
    measured: str
    aim: str
    remark: str = ""


@dataclass(frozen=True)
class Bench:
    """A folder to work in, an image to upload, and how long to measure."""

    folder: Path
    image: Path
    seconds: float

    @contextmanager
    def system(self, network: bytes, side: int) -> Iterator[RunningSystem]:
        """Run the whole system on one version."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            models = Path(scratch) / "models"
            write_version(models, "v1", network, labels=LABELS, side=side)
            system = start_system(models, Path(scratch) / "data", SPLITLEAF_LOG_LEVEL="warning")
            try:
                yield system
            finally:
                system.stop()

    def load(self, system: RunningSystem, connections: int, image: Path | None = None) -> dict[str, float]:
        """Return what clients saw that keep `connections` requests in flight."""
        command = [sys.executable, "-m", "benchmarks.load", system.url, "--image", str(image or self.image)]
        command += ["--connections", str(connections), "--seconds", str(self.seconds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        report: dict[str, float] = json.loads(done.stdout)
        return report

    def bare(self, network: Path, side: int, batch: int = BATCH) -> float:
        """Return images a second of a loop without a server, on each core one."""
        command = [sys.executable, "-m", "benchmarks.bare", str(network), str(self.image)]
        command += ["--side", str(side), "--seconds", str(self.seconds), "--batch", str(batch)]
        loops = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CORES)]
        return sum(float(loop.communicate()[0]) for loop in loops)


def throughput(bench: Bench, rounds: int = 3) -> Figure:
    """Served over bare, the two in turn, so that both see the same weather; the median of the ratios."""
    network = mobilenet_v2()
    file = bench.folder / "mobilenet_v2.onnx"
    file.write_bytes(network)
    ratios, one_by_one, rates, shares = [], [], [], []
    with bench.system(network, 224) as system:
        bench.load(system, 16)
        for _ in range(rounds):
            before = bench.bare(file, 224)
            served = bench.load(system, 16)
            after = bench.bare(file, 224)
            ratios.append(served["rate"] / ((before + after) / 2))
            one_by_one.append(served["rate"] / bench.bare(file, 224, batch=1))
            rates.append(served["rate"])
            shares.append(served["generator_cpu_share"])
    return Figure(
        "served throughput over the bare loop, MobileNetV2-224",
        f"{statistics.median(ratios):.2f}",
        ">= 0.85",
        f"{statistics.median(rates):.0f} images/s; over a bare loop of one image at a time "
        f"{statistics.median(one_by_one):.2f}; rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)}; "
        f"the load generator used {statistics.median(shares):.1%} of one core",
    )


def added_latency(bench: Bench, count: int = 150) -> Figure:
    """p50 of one client that waits, less the time of the same work without a server, measured in turn."""
    network = mobilenet_v2()
    runtime = OnnxRuntime(network)
    image = bench.image.read_bytes()
    batch = np.empty((1, 224, 224, 3), np.float32)
    alone, served = [], []
    with bench.system(network, 224) as system, one_client(system.url) as ask:
        request = prepared_request(system.url, image)
        for round_ in range(count + 10):
            started = time.perf_counter()
            run_batch(runtime, image, batch)
            middle = time.perf_counter()
            ask(request)
            ended = time.perf_counter()
            if round_ >= 10:
                alone.append(middle - started)
                served.append(ended - middle)
    added = 1000 * (statistics.median(served) - statistics.median(alone))
    return Figure(
        "added latency, p50 of one client that waits",
        f"{added:.1f} ms",
        "<= 5 ms",
        f"{1000 * statistics.median(served):.1f} ms served, {1000 * statistics.median(alone):.1f} ms bare",
    )


def null_rate(bench: Bench) -> Figure:
    """Queue and API alone: a network that computes next to nothing."""
    small = bench.folder / "small.jpg"
    small.write_bytes(jpeg(size=(32, 32)))
    with bench.system(null_network(), 32) as system:
        reports = [bench.load(system, 64, small) for _ in range(3)]
        photo = bench.load(system, 64)
    middle = sorted(reports, key=lambda report: report["rate"])[1]
    return Figure(
        "null model and an image of 32 x 32, uploads answered by `Prefer: wait`",
        f"{middle['rate']:.0f} predictions/s",
        ">= 2,000/s",
        f"p50 {middle['p50_ms']:.0f} ms at 64 connections; the load generator used {middle['generator_cpu_share']:.0%} "
        f"of one core; with a photo of 15 KB to decode {photo['rate']:.0f}/s",
    )


def start_time(bench: Bench, rounds: int = 5) -> Figure:
    """From the command to the first answered image, with everything installed, on the repository's models."""
    times = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=bench.folder) as scratch:
            shutil.copytree("models", Path(scratch) / "models")
            started = time.perf_counter()
            system = start_system(Path(scratch) / "models", Path(scratch) / "data", SPLITLEAF_LOG_LEVEL="warning")
            with one_client(system.url) as ask:
                ask(prepared_request(system.url, bench.image.read_bytes()))
            times.append(time.perf_counter() - started)
            system.stop()
    return Figure(
        "start until a first answer",
        f"{statistics.median(times):.1f} s",
        "<= 3 s",
        f"{rounds} starts with an empty data folder, best {min(times):.1f} s",
    )


def memory(bench: Bench) -> Figure:
    """Resident memory after a load, of each process of the system."""
    with bench.system(mobilenet_v2(), 224) as system:
        bench.load(system, 16)
        sizes = {role: max(map(resident_mb, system.pids(role))) for role in ("api", "worker", "controller")}
    measured = ", ".join(f"{role} {size:.0f} MB" for role, size in sizes.items())
    return Figure("memory with a MobileNet-size model", measured, "API <= 150 MB, worker <= 300 MB")


def resident_mb(pid: int) -> float:
    """Return the memory of a process, what it shares counted by halves, thirds and so on."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    raise ValueError(f"process {pid} does not say how large it is")


def installation(bench: Bench) -> Figure:
    """What the lock file of serving puts on disk, in an environment of its own."""
    environment = bench.folder / "serving"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", environment], check=True)
    install: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        environment / "bin/python",
        "--require-hashes",
    ]
    subprocess.run([*install, "-r", "requirements/serve.txt"], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file() and not path.is_symlink())
    heavy = [name for name in ("tensorflow", "torch", "keras") if (packages / name).exists()]
    return Figure(
        "installation for serving",
        f"{size / 1e6:.0f} MB",
        "<= 500 MB",
        f"TensorFlow, Keras or torch: {heavy or 'none'}",
    )


FIGURES = {
    "throughput": throughput,
    "latency": added_latency,
    "null": null_rate,
    "start": start_time,
    "memory": memory,
    "installation": installation,
}
