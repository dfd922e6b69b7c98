"""`python -m benchmarks.keras_files`: every real Keras file imported, then served, then compared with itself in Keras.

Each file of `../shared/data/keras_files` becomes a version of one scratch repository; the whole system is started
on it; each version answers the 600 test photos over HTTP and is compared with the original Keras model.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from tests.importing.real_files import FILES, PHOTOS, RealFile, answers_of_original
from tests.system.running import RunningSystem, start_system

from splitleaf.core.preprocessing import ResizeFilter
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.evaluation import score
from splitleaf.importing.images import LabelledImages, read_labelled_folder
from splitleaf.importing.importer import import_model
from splitleaf.importing.interpreter import find_import_python
from splitleaf.importing.labels import match_by_answers
from splitleaf.importing.report import ImportReport, render_preprocessings
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.sandbox import Sandbox
from splitleaf.importing.selection import describe

CLIENTS = 4
REPOSITORY = Path(__file__).parents[1] / "models/repository.toml"


@dataclass(frozen=True)
class Row:
    """What is shown of one file."""

    file: RealFile
    report: ImportReport
    accuracy_of_readme: float
    """Measured here, in the README's preprocessing."""
    accuracy: float
    """Through HTTP, in the preprocessing that import chose."""
    same: int
    images: int

    def __str__(self) -> str:
        manifest = self.report.manifest
        latency = manifest.evaluation.latency_ms if manifest.evaluation else float("nan")
        cells = (
            self.file.path,
            f"{manifest.source.format} {manifest.source.keras_version}".replace("savedmodel ", ""),
            f"{self.file.resize}: {self.file.accuracy:.3f}, {self.accuracy_of_readme:.3f}",
            describe(manifest.preprocessing),
            f"{self.accuracy:.3f}",
            f"{self.same} of {self.images}",
            f"{latency:.2f}",
            f"{self.report.seconds:.0f} s",
        )
        return f"| {' | '.join(cells)} |"


HEADER = (
    "| file | format | README's preprocessing: its accuracy, found here | chosen | accuracy through HTTP "
    "| same top-1 as in Keras | CPU ms/image | import |\n|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", help=f"some of {', '.join(one.version for one in FILES)}; else all")
    parser.add_argument("--tables", action="store_true", help="print each import's table of preprocessings")
    arguments = parser.parse_args()
    chosen = [one for one in FILES if not arguments.versions or one.version in arguments.versions]
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        models.mkdir()
        shutil.copy(REPOSITORY, models)
        reports = [_import(one, models) for one in chosen]
        if arguments.tables:
            for report in reports:
                Console(width=80).print(f"{report.manifest.version}\n", render_preprocessings(report.table))
        _name_champion(models, chosen[0].version)
        system = start_system(models, Path(scratch) / "data", SPLITLEAF_LOG_LEVEL="warning")
        try:
            print(HEADER, flush=True)
            for one, report in zip(chosen, reports, strict=True):
                print(_measure(one, report, system), flush=True)
        finally:
            system.stop()


def _import(one: RealFile, models: Path) -> ImportReport:
    started = time.monotonic()
    report = import_model(ImportRequest(one.source, one.version, models, evaluate=PHOTOS))
    print(f"{one.version} imported in {time.monotonic() - started:.0f} s", flush=True)
    return report


def _name_champion(models: Path, version: str) -> None:
    path = models / "repository.toml"
    text = path.read_text(encoding="utf-8").replace('champion = "v1"', f'champion = "{version}"')
    path.write_text(text, encoding="utf-8")


def _measure(one: RealFile, report: ImportReport, system: RunningSystem) -> Row:
    images = read_labelled_folder(PHOTOS)
    manifest = report.manifest
    with system.admin() as admin:
        moved = admin.put("/aliases/champion", json={"version": one.version, "reason": "measuring"})
        moved.raise_for_status()
    with httpx.Client(base_url=system.url, timeout=60) as client, ThreadPoolExecutor(CLIENTS) as pool:
        labels = list(pool.map(partial(_label_over_http, client), images.paths))
    original = answers_of_original(one.source, images, manifest.preprocessing, Sandbox(find_import_python()))
    same = sum(label == manifest.labels[column] for label, column in zip(labels, original.argmax(axis=1), strict=True))
    right = [label == images.folders[truth] for label, truth in zip(labels, images.truth, strict=True)]
    return Row(one, report, _accuracy_of_readme(one, report, images), float(np.mean(right)), same, len(labels))


def _label_over_http(client: httpx.Client, path: Path) -> str:
    while True:
        answer = client.post(
            "/v1/predictions", content=path.read_bytes(), headers={"Content-Type": "image/jpeg", "Prefer": "wait=30"}
        )
        if answer.status_code in (429, 503):
            time.sleep(float(answer.headers.get("Retry-After", "1")))
            continue
        answer.raise_for_status()
        label: str = answer.json()["result"]["top"][0]["label"]
        return label


def _accuracy_of_readme(one: RealFile, report: ImportReport, images: LabelledImages) -> float:
    preprocessing = report.manifest.preprocessing.model_copy(update={"resize": ResizeFilter(one.resize)})
    runtime = OnnxRuntime(report.folder / report.manifest.artifact.file)
    scores = score(runtime, images, [preprocessing], lambda *_: None)
    order = match_by_answers(scores.answer_counts(preprocessing))
    return float(scores.right(preprocessing, order).mean())


if __name__ == "__main__":
    main()
