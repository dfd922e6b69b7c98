"""`python -m benchmarks.models`: the repository's versions and the seed's two files, side by side, through HTTP.

A scratch repository gets copies of `models/` and the two files of `../shared/data/keras_files/seed`, imported. The
whole system is started on it; each version in turn becomes the champion and answers the 600 test photos. Processor
time is that of the artifact alone on one thread, measured in turns, so that all versions see the same machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from tests.importing.real_files import FILES, PHOTOS
from tests.system.running import RunningSystem, start_system

from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.images import LabelledImages, read_labelled_folder
from splitleaf.importing.importer import import_model
from splitleaf.importing.latency import measure_latency_ms
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.statistics import wilson_interval
from splitleaf.registry.manifest import Manifest, read_manifest

CLIENTS = 4
ROUNDS = 9
BINS = 15
MODELS = Path(__file__).parents[1] / "models"
SEED_FILES = tuple(one for one in FILES if one.path.startswith("seed/"))


@dataclass(frozen=True)
class Answer:
    label: str
    confidence: float
    """Between 0 and 1."""
    sure: bool


@dataclass(frozen=True)
class Measured:
    """A version's answers to the photos, in their order."""

    manifest: Manifest
    answers: list[Answer]
    right: np.ndarray
    cpu_ms: float

    @property
    def calibration_error(self) -> float:
        return calibration_error(np.array([answer.confidence for answer in self.answers]), self.right)


def main() -> None:
    """Import, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=MODELS, help="the repository of versions to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        shutil.copytree(arguments.models, models)
        versions = sorted(path.parent.name for path in models.glob("*/model.toml"))
        for one in SEED_FILES:
            import_model(ImportRequest(one.source, one.version, models, evaluate=PHOTOS))
            versions.append(one.version)
        manifests = [read_manifest(models / version) for version in versions]
        times = _cpu_times(models, manifests)
        system = start_system(models, Path(scratch) / "data", SPLITLEAF_LOG_LEVEL="warning")
        try:
            images = read_labelled_folder(PHOTOS)
            measured = [
                _measure(manifest, images, system, cpu_ms) for manifest, cpu_ms in zip(manifests, times, strict=True)
            ]
        finally:
            system.stop()
    _print_versions(measured)
    _print_recalls(measured, images)


def _cpu_times(models: Path, manifests: list[Manifest]) -> list[float]:
    """Return the median CPU milliseconds an image of each version, measured in turns."""
    runtimes = [OnnxRuntime(models / one.version / one.artifact.file) for one in manifests]
    shapes = [one.preprocessing.input_spec.shape for one in manifests]
    rounds = [
        [measure_latency_ms(runtime, shape) for runtime, shape in zip(runtimes, shapes, strict=True)]
        for _ in range(ROUNDS)
    ]
    return [statistics.median(one) for one in zip(*rounds, strict=True)]


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of the served confidences, 15 bins."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    return float(sum(gaps))


def make_champion(version: str, system: RunningSystem) -> None:
    """Make a version answer all clients."""
    with system.admin() as admin:
        moved = admin.put("/aliases/champion", json={"version": version, "reason": "measuring"})
        moved.raise_for_status()


def _measure(manifest: Manifest, images: LabelledImages, system: RunningSystem, cpu_ms: float) -> Measured:
    make_champion(manifest.version, system)
    with httpx.Client(base_url=system.url, timeout=60) as client, ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(partial(ask, client), (path.read_bytes() for path in images.paths)))
    right = [answer.label == images.folders[truth] for answer, truth in zip(answers, images.truth, strict=True)]
    return Measured(manifest, answers, np.array(right), cpu_ms)


def ask(client: httpx.Client, photo: bytes) -> Answer:
    """Send a photo and wait for the answer."""
    while True:
        answer = client.post(
            "/v1/predictions", content=photo, headers={"Content-Type": "image/jpeg", "Prefer": "wait=30"}
        )
        if answer.status_code in (429, 503):
            time.sleep(float(answer.headers.get("Retry-After", "1")))
            continue
        answer.raise_for_status()
        result = answer.json()["result"]
        # The first of the list also where the system would rather give no answer: accuracy is about all photos.
        top = result["top"][0]
        return Answer(top["label"], top["confidence"] / 100, result["is_sure"])


def _print_versions(measured: list[Measured]) -> None:
    print(
        "| version | input | H5 and artifact | accuracy (95 % interval) | right | ECE | sure, right of these | CPU ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for one in measured:
        low, high = wilson_interval(int(one.right.sum()), len(one.right))
        sure = np.array([answer.sure for answer in one.answers])
        manifest = one.manifest
        size = (manifest.source.size_bytes + manifest.artifact.size_bytes) / 1e6
        cells = (
            manifest.version,
            f"{manifest.preprocessing.height} x {manifest.preprocessing.width}",
            f"{size:.1f} MB",
            f"{one.right.mean():.4f} ({low:.4f} to {high:.4f})",
            f"{one.right.sum()} of {len(one.right)}",
            f"{one.calibration_error:.3f}",
            f"{sure.mean():.3f}, {one.right[sure].mean():.4f}",
            f"{one.cpu_ms:.2f}",
        )
        print(f"| {' | '.join(cells)} |")


def _print_recalls(measured: list[Measured], images: LabelledImages) -> None:
    """A row for each class, with the interval of a share of its photos."""
    print(f"\n| class | {' | '.join(one.manifest.version for one in measured)} |")
    print(f"|---|{'---|' * len(measured)}")
    for index, name in enumerate(images.folders):
        of_class = np.array(images.truth) == index
        cells = []
        for one in measured:
            right = int(one.right[of_class].sum())
            low, high = wilson_interval(right, int(of_class.sum()))
            cells.append(f"{right / of_class.sum():.3f} ({low:.2f} to {high:.2f})")
        print(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
