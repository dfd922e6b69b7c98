"""Trying preprocessings and label orders on labelled images, through the artifact as serving runs it.

Wrong scaling, filter or class order never raises an error; it answers wrongly and with confidence. Only
images whose answer is known can show it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.core.preprocessing import Normalization
from splitleaf.engine.calibration import calibrate
from splitleaf.engine.normalization import normalize
from splitleaf.engine.runtime import Runtime
from splitleaf.importing.images import LabelledImages, read_tensors
from splitleaf.registry.manifest import Preprocessing

OutputKind = Literal["probabilities", "logits"]
Tick = Callable[[int, int], None]
"""Told (images done, images in all)."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The network's raw outputs for the images that could be read."""

    images: LabelledImages
    """Those that could be read."""
    refused: int
    """Images that the intake would refuse."""
    outputs: dict[Preprocessing, NDArray[np.float32]]
    """(images, classes) for each preprocessing."""

    def answers(self, preprocessing: Preprocessing) -> NDArray[np.int64]:
        """Return the output that answered each image."""
        columns: NDArray[np.int64] = self.outputs[preprocessing].argmax(axis=1)
        return columns

    def answer_counts(self, preprocessing: Preprocessing) -> NDArray[np.int64]:
        """Return how often each folder's images (row) were answered with each output (column)."""
        counts = np.zeros((len(self.images.folders), self.outputs[preprocessing].shape[1]), dtype=np.int64)
        np.add.at(counts, (self.images.truth, self.answers(preprocessing)), 1)
        return counts

    def right(self, preprocessing: Preprocessing, order: Sequence[int]) -> NDArray[np.bool_]:
        """Return which images are answered right when folder i is output `order[i]`."""
        expected = np.array(order, dtype=np.int64)[self.images.truth]
        result: NDArray[np.bool_] = self.answers(preprocessing) == expected
        return result

    def mean_confidence(self, preprocessing: Preprocessing, output: OutputKind) -> float:
        """Return the mean largest probability, uncalibrated."""
        return float(calibrate(self.outputs[preprocessing], output, 1.0).max(axis=1).mean())


def score(runtime: Runtime, images: LabelledImages, preprocessings: Sequence[Preprocessing], tick: Tick) -> Scores:
    """Answer every image in every preprocessing. Raises `ImportRefused` when no image can be read."""
    specs = list(dict.fromkeys(one.input_spec for one in preprocessings))

    def answer(path_index: int) -> NDArray[np.float32] | None:
        tensors = read_tensors(images.paths[path_index], specs)
        if tensors is None:
            return None
        by_spec = dict(zip(specs, (tensor.astype(np.float32) for tensor in tensors), strict=True))
        return _answer_each(runtime, [(by_spec[one.input_spec], one.normalization) for one in preprocessings])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = []
        for done, answered in enumerate(pool.map(answer, range(len(images))), start=1):
            answers.append(answered)
            tick(done, len(images))
    read = [index for index, answered in enumerate(answers) if answered is not None]
    if not read:
        raise ImportRefused(f"none of the {len(images)} images can be read", code="no_images")
    stacked = np.stack([answered for answered in answers if answered is not None])
    outputs = {one: stacked[:, index] for index, one in enumerate(preprocessings)}
    return Scores(images.only(read), len(images) - len(read), outputs)


def _answer_each(runtime: Runtime, inputs: Sequence[tuple[NDArray[np.float32], Normalization]]) -> NDArray[np.float32]:
    """Answer one image in each preprocessing; equal inputs (no resize, say, hence no filter) are run once."""
    known: dict[tuple[bytes, Normalization], NDArray[np.float32]] = {}
    answers = []
    for pixels, normalization in inputs:
        key = (hashlib.blake2b(pixels.tobytes(), digest_size=16).digest(), normalization)
        if key not in known:
            known[key] = runtime.run(normalize(pixels[None].copy(), normalization))[0]
        answers.append(known[key])
    return np.stack(answers)
