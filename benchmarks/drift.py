"""Does drift show, and is it silent without? `python -m benchmarks.drift --test DIR`.

Streams of real photos that no training saw, in windows drawn with a seed: as they are, darker, and with one class in
place of most others. Prints the share of windows that are alarms.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from splitleaf.analysis.baseline import Baseline, read_baseline
from splitleaf.analysis.windows import judge_window
from splitleaf.core.measures import MEASURES
from splitleaf.core.prediction import Classification
from splitleaf.engine.loading import load_classifier
from splitleaf.images.decoded import decode_image
from splitleaf.importing.images import read_labelled_folder

WINDOW = 500
_SEED = 20_261_125


@dataclass(frozen=True, slots=True)
class Stream:
    """Answers to photos, and the weight with which each is drawn."""

    name: str
    answers: Sequence[Classification]
    weights: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--versions", default="v1,v2")
    parser.add_argument("--test", type=Path, required=True, help="folder of class folders that no training saw")
    parser.add_argument("--windows", type=int, default=200, help="windows of each stream")
    arguments = parser.parse_args()
    for version in arguments.versions.split(","):
        print(f"\n## {version}, {WINDOW} photos a window\n\n| stream | alarms | furthest off |\n|---|---|---|")
        streams, baseline = prepare(arguments.models / version, arguments.test)
        for stream in streams:
            print(row(stream, baseline, arguments.windows))


def prepare(folder: Path, photos: Path) -> tuple[list[Stream], Baseline]:
    """Return the streams of a version and what it holds for usual."""
    classifier, found = load_classifier(folder), read_labelled_folder(photos)
    manifest = classifier.manifest
    assert manifest.insight is not None
    with np.load(folder / manifest.insight.file, allow_pickle=False) as arrays:
        baseline = read_baseline(dict(arrays))
    assert baseline is not None, "import the version with --reference"

    def answers(change: Callable[[Image.Image], Image.Image]) -> list[Classification]:
        uploads = (_encoded(change(Image.open(path).convert("RGB"))) for path in found.paths)
        tensors = (decode_image(upload, [manifest.preprocessing.input_spec]).tensors for upload in uploads)
        return [classifier.classify(one).classifications[0] for one in tensors]

    even = np.ones(len(found))
    one_class = np.where(found.truth == 0, 9.0, 1.0)
    same = answers(lambda photo: photo)
    return [
        Stream("as they are", same, even),
        Stream("half of them of one class", same, one_class),
        *(Stream(f"{1 - light:.0%} darker", answers(_darker(light)), even) for light in (0.9, 0.8, 0.6)),
    ], baseline


def row(stream: Stream, baseline: Baseline, windows: int) -> str:
    rng, alarms, furthest = np.random.default_rng(_SEED), 0, ""
    shares = stream.weights / stream.weights.sum()
    for _ in range(windows):
        drawn = [stream.answers[place] for place in rng.choice(len(shares), WINDOW, p=shares)]
        measures = {name: [one.measures[place] for one in drawn] for place, name in enumerate(MEASURES)}
        measures["confidence"] = [one.best.confidence for one in drawn]
        judged = judge_window(baseline, measures, [one.best.label for one in drawn])
        alarms += any(one.is_drift for one in judged)
        furthest = ", ".join(f"{one.measure} {one.index:.2f}" for one in judged[:3])
    return f"| {stream.name} | {alarms} of {windows} | {furthest} |"


def _darker(light: float) -> Callable[[Image.Image], Image.Image]:
    return lambda photo: ImageEnhance.Brightness(photo).enhance(light)


def _encoded(photo: Image.Image) -> bytes:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=95)
    return file.getvalue()


if __name__ == "__main__":
    main()
