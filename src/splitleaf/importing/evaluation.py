"""Trying preprocessings and label orders on labelled pictures, through the artifact as serving runs it.

Wrong scaling, filter or class order never raises an error; it answers wrongly and with confidence. Only
pictures whose answer is known can show it.
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
from splitleaf.importing.pictures import LabelledPictures, read_tensors
from splitleaf.registry.manifest import Preprocessing

OutputKind = Literal["probabilities", "logits"]
Tick = Callable[[int, int], None]
"""Told (pictures done, pictures in all)."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The network's raw outputs for the pictures that could be read."""

    pictures: LabelledPictures
    """Those that could be read."""
    refused: int
    """Pictures that the intake would refuse."""
    outputs: dict[Preprocessing, NDArray[np.float32]]
    """(pictures, classes) for each preprocessing."""

    def answers(self, preprocessing: Preprocessing) -> NDArray[np.int64]:
        """Return the output that answered each picture."""
        columns: NDArray[np.int64] = self.outputs[preprocessing].argmax(axis=1)
        return columns

    def answer_counts(self, preprocessing: Preprocessing) -> NDArray[np.int64]:
        """Return how often each folder's pictures (row) were answered with each output (column)."""
        counts = np.zeros((len(self.pictures.folders), self.outputs[preprocessing].shape[1]), dtype=np.int64)
        np.add.at(counts, (self.pictures.truth, self.answers(preprocessing)), 1)
        return counts

    def right(self, preprocessing: Preprocessing, order: Sequence[int]) -> NDArray[np.bool_]:
        """Return which pictures are answered right when folder i is output `order[i]`."""
        expected = np.array(order, dtype=np.int64)[self.pictures.truth]
        result: NDArray[np.bool_] = self.answers(preprocessing) == expected
        return result

    def mean_confidence(self, preprocessing: Preprocessing, output: OutputKind) -> float:
        """Return the mean largest probability, uncalibrated."""
        return float(calibrate(self.outputs[preprocessing], output, 1.0).max(axis=1).mean())


def score(runtime: Runtime, pictures: LabelledPictures, preprocessings: Sequence[Preprocessing], tick: Tick) -> Scores:
    """Answer every picture in every preprocessing. Raises `ImportRefused` when no picture can be read."""
    specs = list(dict.fromkeys(one.input_spec for one in preprocessings))

    def answer(path_index: int) -> NDArray[np.float32] | None:
        tensors = read_tensors(pictures.paths[path_index], specs)
        if tensors is None:
            return None
        by_spec = dict(zip(specs, (tensor.astype(np.float32) for tensor in tensors), strict=True))
        return _answer_each(runtime, [(by_spec[one.input_spec], one.normalization) for one in preprocessings])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = []
        for done, answered in enumerate(pool.map(answer, range(len(pictures))), start=1):
            answers.append(answered)
            tick(done, len(pictures))
    read = [index for index, answered in enumerate(answers) if answered is not None]
    if not read:
        raise ImportRefused(f"none of the {len(pictures)} pictures can be read", code="no_pictures")
    stacked = np.stack([answered for answered in answers if answered is not None])
    outputs = {one: stacked[:, index] for index, one in enumerate(preprocessings)}
    return Scores(pictures.only(read), len(pictures) - len(read), outputs)


def _answer_each(runtime: Runtime, inputs: Sequence[tuple[NDArray[np.float32], Normalization]]) -> NDArray[np.float32]:
    """Answer one picture in each preprocessing; equal inputs (no resize, say, hence no filter) are run once."""
    known: dict[tuple[bytes, Normalization], NDArray[np.float32]] = {}
    answers = []
    for pixels, normalization in inputs:
        key = (hashlib.blake2b(pixels.tobytes(), digest_size=16).digest(), normalization)
        if key not in known:
            known[key] = runtime.run(normalize(pixels[None].copy(), normalization))[0]
        answers.append(known[key])
    return np.stack(answers)
