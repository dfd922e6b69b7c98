"""The Keras files of other people, what is known of each, and what their own framework answers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splitleaf.engine.normalization import normalize
from splitleaf.importing.images import LabelledImages, read_all
from splitleaf.importing.sandbox import Sandbox
from splitleaf.registry.manifest import Preprocessing

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
KERAS_FILES = SHARED / "keras_files"
PHOTOS = SHARED / "tomato/test"


@dataclass(frozen=True)
class RealFile:
    """One file, and what the README of its folder says of it."""

    version: str
    """What it is imported as."""
    path: str
    format: str
    shape: tuple[int, int]
    classes: int
    values: str
    """The right scaling, as the importer's table calls it."""
    resize: str
    """The filter with which the README's figure was measured."""
    accuracy: float
    """Share of the 600 test photos answered right, in exactly that preprocessing."""

    @property
    def source(self) -> Path:
        return KERAS_FILES / self.path


FILES = (
    RealFile("seed1", "seed/v1/Tomato_model_v1.h5", "h5-keras2", (32, 32), 10, "x/255", "pillow-nearest", 0.903),
    RealFile("seed2", "seed/v2/Tomato_model_v2.h5", "h5-keras2", (32, 32), 10, "x/255", "pillow-nearest", 0.985),
    RealFile(
        "teachable",
        "teachable_machine_keras_2_4/keras_model.h5",
        "h5-keras2",
        (224, 224),
        15,
        "x/127.5 - 1",
        "pillow-bilinear",
        0.988,
    ),
    RealFile("keras35", "keras_3_5_h5/tomato.h5", "h5-keras3", (224, 224), 10, "x/255", "pillow-bilinear", 0.965),
    RealFile("saved2", "savedmodel_tf_2_10/2", "savedmodel", (256, 256), 10, "0..255", "pillow-bilinear", 0.735),
    RealFile("saved5", "savedmodel_tf_2_10/5", "savedmodel", (256, 256), 10, "0..255", "pillow-bilinear", 0.793),
)


def answers_of_original(
    source: Path, images: LabelledImages, preprocessing: Preprocessing, sandbox: Sandbox
) -> NDArray[np.float32]:
    """Return what the file answers (images, classes) in its own framework."""
    inputs = np.stack(read_all(images.paths, preprocessing.input_spec)).astype(np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        given, answered = Path(scratch) / "inputs.npy", Path(scratch) / "answers.npy"
        np.save(given, normalize(inputs, preprocessing.normalization))
        loader = sandbox.perform("inspect", source=source.resolve())["loader"]
        size = (preprocessing.height, preprocessing.width)
        sandbox.perform("predict", source=source.resolve(), loader=loader, inputs=given, outputs=answered, size=size)
        found: NDArray[np.float32] = np.load(answered)
    return found
