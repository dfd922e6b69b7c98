"""A loaded version: pixels in, classifications out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import EngineFailed
from splitleaf.core.prediction import Classification, LabelScore
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.appearance import measure_appearance
from splitleaf.engine.auxiliary_outputs import AuxiliaryOutputs, AuxiliaryResult
from splitleaf.engine.calibration import calibrate, entropy
from splitleaf.engine.normalization import pixels_of, to_batch
from splitleaf.engine.runtime import Runtime
from splitleaf.registry.manifest import Manifest

TOP_K = 5
_NOTHING_FURTHER = AuxiliaryResult()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Classifications in the order of the input, and the time each phase took for the whole batch."""

    classifications: tuple[Classification, ...]
    preprocess_ms: float
    inference_ms: float


class Classifier:
    """A manifest and its loaded network. Thread-safe if the runtime is."""

    def __init__(self, manifest: Manifest, runtime: Runtime, auxiliary: AuxiliaryOutputs | None = None) -> None:
        self.manifest = manifest
        self._runtime = runtime
        self._auxiliary = auxiliary
        self._spec = manifest.preprocessing.input_spec
        self._normalization = manifest.preprocessing.normalization
        self._names = tuple(manifest.display_name(label) for label in manifest.labels)
        other = manifest.decision.other_label
        self._other = None if other is None else manifest.labels.index(other)
        self.batch_size = manifest.batching.cap
        """Images in one run of the network; a larger batch is split."""

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def digest(self) -> str:
        return self.manifest.digest

    def classify(self, tensors: Sequence[ImageTensor]) -> BatchResult:
        """Classify images that were preprocessed as the manifest specifies. Raises `EngineFailed`."""
        started = time.perf_counter()
        batch = to_batch(tensors, self._spec, self._normalization)
        prepared = time.perf_counter()
        outputs, *extras = self._run_with(batch, self._auxiliary.outputs if self._auxiliary else ())
        answered = time.perf_counter()
        probabilities = calibrate(outputs, self.manifest.artifact.output, self.manifest.calibration.temperature)
        classifications = self._describe(probabilities, self._interpret(tensors, extras, probabilities))
        return BatchResult(classifications, (prepared - started) * 1000, (answered - prepared) * 1000)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's checked raw outputs (n, classes) for a normalized batch."""
        return self._run_with(batch, ())[0]

    def _run_with(self, batch: NDArray[np.float32], names: Sequence[str]) -> tuple[NDArray[np.float32], ...]:
        starts = range(0, len(batch), self.batch_size)
        parts = [self._run_part(batch[start : start + self.batch_size], names) for start in starts]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _run_part(self, batch: NDArray[np.float32], names: Sequence[str]) -> tuple[NDArray[np.float32], ...]:
        answers = self._runtime.run_with(batch, names) if names else (self._runtime.run(batch),)
        outputs = answers[0]
        if outputs.shape != (len(batch), len(self.manifest.labels)):
            raise EngineFailed(f"the network returned scores of shape {outputs.shape} for {len(batch)} images")
        if not np.isfinite(outputs).all():
            raise EngineFailed("the network returned scores that are not finite")
        return answers

    def _interpret(
        self, tensors: Sequence[ImageTensor], extras: Sequence[NDArray[np.float32]], probabilities: NDArray[np.float64]
    ) -> Sequence[AuxiliaryResult]:
        if self._auxiliary is None:
            return [_NOTHING_FURTHER] * len(tensors)
        appearance = None
        if self._auxiliary.measures_appearance:
            measured = [measure_appearance(pixels_of(one, self._spec), self._spec.color) for one in tensors]
            appearance = np.array(measured, dtype=np.float32)
        return self._auxiliary.interpret(extras, appearance, self._ranks(probabilities)[:, 0])

    def _ranks(self, probabilities: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the outputs (n, classes) by descending probability, with the one for everything else last."""
        ranked = -probabilities
        if self._other is not None:
            ranked[:, self._other] = 1.0
        # A stable sort of the negated values keeps ties in the order of the labels on every machine.
        return np.argsort(ranked, axis=1, kind="stable")

    def _describe(
        self, probabilities: NDArray[np.float64], results: Sequence[AuxiliaryResult]
    ) -> tuple[Classification, ...]:
        order = self._ranks(probabilities)[:, : min(TOP_K, len(self.manifest.conditions))]
        is_other = [best == self._other for best in probabilities.argmax(axis=1).tolist()]
        entropies = entropy(probabilities)
        labels, names = self.manifest.labels, self._names
        threshold = self.manifest.decision.min_confidence
        described = []
        rows = zip(probabilities, order.tolist(), entropies.tolist(), is_other, results, strict=True)
        for row, best, spread, other, result in rows:
            top = tuple(LabelScore(labels[i], names[i], float(row[i])) for i in best)
            is_familiar = result.is_familiar and not other
            is_sure = is_familiar and top[0].confidence >= threshold
            described.append(Classification(top, spread, is_sure, is_familiar, result.heat, result.measures))
        return tuple(described)
