"""Can confidences stand in for labels? `python -m benchmarks.prediction_powered --photos FOLDER [--photos FOLDER ...]`.

Prediction-powered inference (Angelopoulos et al., 2023; anytime-valid: Csillag et al., 2025) replaces a label by a
guess and corrects the guess on the images that are labelled. For two versions on the same images the guess is by how
much the second is more likely to be right, and what is labelled are disagreements. With few of them labelled, the
labels that a verdict takes shrink to the share E[(x - guess)^2] / E[x^2] of plain paired labels, where x is 1, 0, or
-1 for an image that the second version, neither, or the first one gets right. No other estimator that labels
disagreements at random does better with this guess, so the share is the most that can be gained.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.importing.real_files import FILES, PHOTOS

from splitleaf.engine.normalization import normalize
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.images import LabelledImages, read_all, read_labelled_folder
from splitleaf.importing.importer import import_model
from splitleaf.importing.request import ImportRequest
from splitleaf.registry.manifest import read_manifest

MODELS = Path(__file__).parents[1] / "models"
DRAWS = 2_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Disagreements:
    """The images on which two versions differ: who is right, and what each thinks of both labels."""

    x: Floats
    first: Floats
    """What the first version thinks of the second's label less what it thinks of its own, (images,)."""
    second: Floats

    def guesses(self) -> dict[str, Floats]:
        return {
            "first version's confidences": self.first,
            "second version's confidences": self.second,
            "mean of both": (self.first + self.second) / 2,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", required=True, help="folder of class folders")
    arguments = parser.parse_args()
    print("| photos | versions | disagreements | guess | labels over plain paired labels (95 %) | best scaled |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        shutil.copytree(MODELS, models)
        for one in FILES[:2]:
            import_model(ImportRequest(one.source, one.version, models, evaluate=PHOTOS))
        for photos in arguments.photos:
            images = read_labelled_folder(photos)
            for pair in (("v1", "v2"), ("seed1", "seed2")):
                found = compare(models, pair, images)
                for name, guess in found.guesses().items():
                    cells = (images.name, " and ".join(pair), f"{len(found.x)}", name, *gain(found.x, guess))
                    print("| " + " | ".join(cells) + " |", flush=True)


def compare(models: Path, pair: tuple[str, str], images: LabelledImages) -> Disagreements:
    first, second = (confidences(models / version, images) for version in pair)
    labels = read_manifest(models / pair[0]).labels
    truth = np.array([labels.index(images.folders[one]) for one in images.truth])
    one, other = first.argmax(1), second.argmax(1)
    rows = np.flatnonzero(one != other)
    one, other, truth = one[rows], other[rows], truth[rows]
    return Disagreements(
        (other == truth).astype(float) - (one == truth),
        first[rows, other] - first[rows, one],
        second[rows, other] - second[rows, one],
    )


def confidences(folder: Path, images: LabelledImages) -> Floats:
    """Return the calibrated probabilities, (images, labels)."""
    manifest = read_manifest(folder)
    runtime = OnnxRuntime(folder / manifest.artifact.file)
    preprocessing = manifest.preprocessing
    answers = [
        runtime.run(normalize(np.array(pixels, np.float32)[None], preprocessing.normalization))[0]
        for pixels in read_all(images.paths, preprocessing.input_spec)
    ]
    logits = np.log(np.clip(np.array(answers, float), 1e-30, 1)) / manifest.calibration.temperature
    shares: Floats = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares


def gain(x: Floats, guess: Floats) -> tuple[str, str]:
    """Return the share of the labels that remains, with a bootstrap interval, and with the guess's best scale."""
    drawn = np.random.default_rng(1).integers(0, len(x), (DRAWS, len(x)))
    shares = ((x - guess) ** 2)[drawn].mean(1) / np.maximum((x**2)[drawn].mean(1), 1e-9)
    low, high = np.quantile(shares, [0.025, 0.975])
    # In hindsight, on the same images: better than anybody could have known while the experiment ran.
    scale = (x @ guess) / (guess @ guess)
    best = ((x - scale * guess) ** 2).mean() / (x**2).mean()
    return f"{((x - guess) ** 2).mean() / (x**2).mean():.2f} ({low:.2f} to {high:.2f})", f"{best:.2f}"


if __name__ == "__main__":
    main()
