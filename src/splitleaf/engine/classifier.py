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
from splitleaf.engine.calibration import calibrate, entropy
from splitleaf.engine.insight import Insight, Remark
from splitleaf.engine.normalization import pixels_of, to_batch
from splitleaf.engine.runtime import Runtime
from splitleaf.registry.manifest import Manifest

TOP_K = 5
_NO_REMARK = Remark()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Classifications in the order of the input, and the time each phase took for the whole batch."""

    classifications: tuple[Classification, ...]
    preprocess_ms: float
    inference_ms: float


class Classifier:
    """A version as it answers: manifest + network. Thread-safe if its runtime is."""

    def __init__(self, manifest: Manifest, runtime: Runtime, insight: Insight | None = None) -> None:
        self.manifest = manifest
        self._runtime = runtime
        self._insight = insight
        self._spec = manifest.preprocessing.input_spec
        self._normalization = manifest.preprocessing.normalization
        self._names = tuple(manifest.display_name(label) for label in manifest.labels)
        other = manifest.decision.other_label
        self._other = None if other is None else manifest.labels.index(other)
        self.at_once = manifest.batching.cap
        """Images in one run of the network; a larger batch is run in parts."""

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def digest(self) -> str:
        return self.manifest.digest

    def classify(self, tensors: Sequence[ImageTensor]) -> BatchResult:
        """Classify images prepared as the manifest asks. Raises `EngineFailed`."""
        started = time.perf_counter()
        batch = to_batch(tensors, self._spec, self._normalization)
        prepared = time.perf_counter()
        outputs, *extras = self._run_with(batch, self._insight.outputs if self._insight else ())
        answered = time.perf_counter()
        probabilities = calibrate(outputs, self.manifest.artifact.output, self.manifest.calibration.temperature)
        classifications = self._describe(probabilities, self._remarks(tensors, extras, probabilities))
        return BatchResult(classifications, (prepared - started) * 1000, (answered - prepared) * 1000)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's checked raw outputs (n, classes) for a normalized batch."""
        return self._run_with(batch, ())[0]

    def _run_with(self, batch: NDArray[np.float32], names: Sequence[str]) -> tuple[NDArray[np.float32], ...]:
        starts = range(0, len(batch), self.at_once)
        parts = [self._run_part(batch[start : start + self.at_once], names) for start in starts]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _run_part(self, batch: NDArray[np.float32], names: Sequence[str]) -> tuple[NDArray[np.float32], ...]:
        answers = self._runtime.run_with(batch, names) if names else (self._runtime.run(batch),)
        outputs = answers[0]
        if outputs.shape != (len(batch), len(self.manifest.labels)):
            raise EngineFailed(f"the network answered {outputs.shape} for {len(batch)} images")
        if not np.isfinite(outputs).all():
            raise EngineFailed("the network answered with values that are not finite")
        return answers

    def _remarks(
        self, tensors: Sequence[ImageTensor], extras: Sequence[NDArray[np.float32]], probabilities: NDArray[np.float64]
    ) -> Sequence[Remark]:
        if self._insight is None:
            return [_NO_REMARK] * len(tensors)
        appearance = None
        if self._insight.measures_appearance:
            measured = [measure_appearance(pixels_of(one, self._spec), self._spec.color) for one in tensors]
            appearance = np.array(measured, dtype=np.float32)
        return self._insight.remark(extras, appearance, self._ranks(probabilities)[:, 0])

    def _ranks(self, probabilities: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the outputs (n, classes) by descending probability, with the one for everything else last."""
        ranked = -probabilities
        if self._other is not None:
            ranked[:, self._other] = 1.0
        # A stable sort of the negated values: ties keep the order of the labels, on every machine.
        return np.argsort(ranked, axis=1, kind="stable")

    def _describe(self, probabilities: NDArray[np.float64], remarks: Sequence[Remark]) -> tuple[Classification, ...]:
        order = self._ranks(probabilities)[:, : min(TOP_K, len(self.manifest.conditions))]
        is_other = [best == self._other for best in probabilities.argmax(axis=1).tolist()]
        entropies = entropy(probabilities)
        labels, names = self.manifest.labels, self._names
        threshold = self.manifest.decision.min_confidence
        described = []
        rows = zip(probabilities, order.tolist(), entropies.tolist(), is_other, remarks, strict=True)
        for row, best, spread, other, remark in rows:
            top = tuple(LabelScore(labels[i], names[i], float(row[i])) for i in best)
            is_familiar = remark.is_familiar and not other
            is_sure = is_familiar and top[0].confidence >= threshold
            described.append(Classification(top, spread, is_sure, is_familiar, remark.heat, remark.measures))
        return tuple(described)
