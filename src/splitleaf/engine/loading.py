"""Bringing a version up: verify -> load -> warm -> golden check. Only what passes all of it serves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from splitleaf.core.arrays import read_arrays
from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.preprocessing import InputSpec
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.classifier import Classifier
from splitleaf.engine.insight import read_insight
from splitleaf.engine.normalization import normalize
from splitleaf.engine.runtime import Runtime
from splitleaf.registry.digests import verify_version
from splitleaf.registry.manifest import Manifest

_LOOKS_AT_PACE = 2

RuntimeFactory = Callable[[Path], Runtime]


def load_classifier(folder: Path, new_runtime: RuntimeFactory) -> Classifier:
    """Load the version in `folder`, ready to answer at full speed.

    Raises `InvalidArtifact` naming the reason when a digest differs from the manifest (checked before
    anything is parsed), the network does not load, or a golden image is answered otherwise.
    """
    manifest = verify_version(folder)
    classifier = Classifier(manifest, new_runtime(folder / manifest.artifact.file), read_insight(manifest, folder))
    _warm_up(classifier)
    _choose_pace(classifier)
    _check_golden(classifier, folder)
    return classifier


def _warm_up(classifier: Classifier) -> None:
    """Run the batch sizes that will be served, so that the first visitor does not pay for allocation."""
    manifest, spec = classifier.manifest, classifier.manifest.preprocessing.input_spec
    for size in sorted({1, min(2, manifest.batching.cap), manifest.batching.cap}):
        classifier.classify([_black(spec)] * size)


def _choose_pace(classifier: Classifier) -> None:
    """Run the network on one image after the other where a batch at once is not quicker, by this machine's word.

    What the layers of a larger network pass on for one image stays in the processor's cache, for a batch it does not
    (MobileNetV2-224: 7 % slower by fours, 19 % by eights); a small network pays more for each run than for an image.
    """
    cap = classifier.at_once
    batch = np.zeros((cap, *classifier.manifest.preprocessing.input_spec.shape), dtype=np.float32)
    costs = {}
    for at_once in (cap, 1):
        classifier.at_once = at_once
        costs[at_once] = min(_cost_s(classifier, batch) for _ in range(_LOOKS_AT_PACE))
    classifier.at_once = min(costs, key=costs.__getitem__)


def _cost_s(classifier: Classifier, batch: np.ndarray) -> float:
    """Return the processor time of a batch; a runtime computes on the thread that calls it."""
    started = time.thread_time()
    classifier.run(batch)
    return time.thread_time() - started


def _black(spec: InputSpec) -> ImageTensor:
    return ImageTensor(spec.shape, spec.dtype, np.zeros(spec.shape, dtype=spec.dtype).tobytes())


def _check_golden(classifier: Classifier, folder: Path) -> None:
    manifest = classifier.manifest
    inputs, expected = _read_golden(manifest, folder / manifest.artifact.golden)
    # Probabilities are at most 1; logits may be larger and differ in proportion.
    tolerance = manifest.artifact.golden_tolerance * max(1.0, float(np.abs(expected).max()))
    for start in range(0, len(inputs), manifest.batching.cap):
        part = slice(start, start + manifest.batching.cap)
        batch = normalize(inputs[part].astype(np.float32), manifest.preprocessing.normalization)
        answers = classifier.run(batch)
        if np.abs(answers - expected[part]).max() > tolerance:
            raise InvalidArtifact(f"{manifest.version} answers its golden images otherwise than at import")


def _read_golden(manifest: Manifest, path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        golden = read_arrays(path)
        inputs, expected = golden["inputs"], golden["probabilities"]
    except (OSError, ValueError, KeyError) as error:
        raise InvalidArtifact(f"{manifest.version}: the golden images cannot be read") from error
    shape = (len(inputs), len(manifest.labels))
    if inputs.shape[1:] != manifest.preprocessing.input_spec.shape or expected.shape != shape or not len(inputs):
        raise InvalidArtifact(f"{manifest.version}: the golden images do not fit the manifest")
    return inputs, expected
