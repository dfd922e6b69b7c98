"""`python -m benchmarks.field --field DIR`: accuracy on plants, on leaves on paper, and refusal of other things.

The whole system is started on the repository's versions. Each in turn becomes the champion and answers, through HTTP:

- `field/test/<class>` and `others/test/<kind>` of DIR, which no training used;
- leaves of the PlantVillage test photos, cut out and placed on drawn white paper;
- those photos unchanged, and drawn images of things (`benchmarks.others`).

An image is *sure* if it gets an answer, and *refused* if it gets "not sure" or "not a tomato leaf". Top-1 is the first
condition of the answer, also of a refused one.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from tests.importing.real_files import PHOTOS
from tests.system.running import RunningSystem, start_system

from benchmarks.models import CLIENTS, MODELS, Answer, ask, calibration_error, make_champion
from benchmarks.others import draw_others
from splitleaf.importing.images import read_labelled_folder
from splitleaf.importing.statistics import wilson_interval
from training.field import OTHER, list_field
from training.scenes import compose, cut_out, draw_background

SEED = 20_261_130
ON_PAPER = 15
"""Leaves of each class."""
DRAWN = 10
"""Things of each kind."""
SIDE = 384


@dataclass(frozen=True)
class Upload:
    """An image as it is sent, and what it shows."""

    group: str
    truth: str
    """A condition, or `other`."""
    content: bytes


@dataclass(frozen=True)
class Said:
    """A version's answers to the uploads of one group."""

    truths: np.ndarray
    labels: np.ndarray
    confidences: np.ndarray
    is_sure: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return np.asarray(self.labels == self.truths)

    @property
    def balanced(self) -> float:
        """Mean recall of the conditions that there are."""
        return float(np.mean([self.right[self.truths == one].mean() for one in set(self.truths)]))


def main() -> None:
    """Draw, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=MODELS, help="the repository of versions to measure")
    parser.add_argument("--field", type=Path, required=True, help="folder with field, others and boxes.csv")
    arguments = parser.parse_args()
    uploads = [*plants(arguments.field), *leaves_on_paper(), *plain_photos(), *things()]
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        shutil.copytree(arguments.models, models)
        versions = sorted(path.parent.name for path in models.glob("*/model.toml"))
        system = start_system(models, Path(scratch) / "data", SPLITLEAF_LOG_LEVEL="warning")
        try:
            said = {version: ask_all(version, uploads, system) for version in versions}
        finally:
            system.stop()
    print(as_table(said))


def plants(folder: Path) -> Iterator[Upload]:
    for photo in list_field(folder, "test"):
        yield Upload(photo.kind, photo.label, photo.path.read_bytes())


def plain_photos() -> Iterator[Upload]:
    images = read_labelled_folder(PHOTOS)
    for path, truth in zip(images.paths, images.truth, strict=True):
        yield Upload("plain", images.folders[truth], path.read_bytes())


def leaves_on_paper() -> Iterator[Upload]:
    images = read_labelled_folder(PHOTOS)
    for index, name in enumerate(images.folders):
        rng, drawn = np.random.default_rng([SEED, index]), 0
        for place in rng.permutation(np.flatnonzero(np.array(images.truth) == index)):
            leaf = cut_out(images.paths[place])
            if leaf is None or drawn == ON_PAPER:
                continue
            drawn += 1
            yield Upload("paper", name, as_jpeg(compose([leaf], draw_background(rng, SIDE, "paper"), rng)))


def things() -> Iterator[Upload]:
    for _, image in draw_others(DRAWN):
        yield Upload("things", OTHER, as_jpeg(image))


def as_jpeg(image: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)  # type: ignore[attr-defined]
    return file.getvalue()


def ask_all(version: str, uploads: Sequence[Upload], system: RunningSystem) -> dict[str, Said]:
    """Return the version's answers by group."""
    make_champion(version, system)
    with httpx.Client(base_url=system.url, timeout=60) as client, ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(partial(ask, client), (upload.content for upload in uploads)))
    groups = list(dict.fromkeys(upload.group for upload in uploads))
    return {group: said_of(group, uploads, answers) for group in groups}


def said_of(group: str, uploads: Sequence[Upload], answers: Sequence[Answer]) -> Said:
    rows = [(u.truth, a.label, a.confidence, a.sure) for u, a in zip(uploads, answers, strict=True) if u.group == group]
    truths, labels, confidences, is_sure = (np.array(column) for column in zip(*rows, strict=True))
    return Said(truths, labels, confidences, is_sure)


def as_table(said: dict[str, dict[str, Said]]) -> str:
    """Return a row for each figure and a column for each version."""
    columns = [describe(groups) for groups in said.values()]
    rows = [f"| | {' | '.join(said)} |", f"|---|{'---|' * len(said)}"]
    rows += [f"| {name} | {' | '.join(column[name] for column in columns)} |" for name in columns[0]]
    return "\n".join(rows)


def describe(groups: dict[str, Said]) -> dict[str, str]:
    """Return a version's figures as text."""
    field, paper, plain = groups["field"], groups["paper"], groups["plain"]
    figures = {
        "field: top-1": share(field.right),
        "field: balanced": f"{field.balanced:.3f}",
        "field: right of the sure": share(field.right[field.is_sure]),
        "field: sure": share(field.is_sure),
        "field: sure and wrong, of all": share(field.is_sure & ~field.right),
        "field: healthy recall": share(field.right[field.truths == "healthy"]),
        "field: ECE": f"{calibration_error(field.confidences, field.right):.3f}",
        "paper: top-1": share(paper.right),
        "paper: healthy recall": share(paper.right[paper.truths == "healthy"]),
        "paper: sure and wrong, of all": share(paper.is_sure & ~paper.right),
        "PlantVillage: top-1": share(plain.right),
        "PlantVillage: sure": share(plain.is_sure),
        "PlantVillage: right of the sure": share(plain.right[plain.is_sure]),
        "PlantVillage: ECE": f"{calibration_error(plain.confidences, plain.right):.3f}",
    }
    others = {f"{name}: refused": share(~one.is_sure) for name, one in groups.items() if (one.truths == OTHER).all()}
    return figures | others


def share(flags: np.ndarray) -> str:
    """Return a share with its interval and count."""
    low, high = wilson_interval(int(flags.sum()), len(flags))
    return f"{flags.mean():.3f} ({low:.2f} to {high:.2f}), {flags.sum()} of {len(flags)}"


if __name__ == "__main__":
    main()
