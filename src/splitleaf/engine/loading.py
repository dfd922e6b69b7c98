"""Loading a version: verify digests, load, warm up, check golden images. Only a version that passes is served."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from splitleaf.core.arrays import read_arrays
from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.preprocessing import InputSpec
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.auxiliary_outputs import read_auxiliary_outputs
from splitleaf.engine.classifier import Classifier
from splitleaf.engine.normalization import normalize
from splitleaf.engine.runtimes import RUNTIMES, RuntimeFactory, load_network
from splitleaf.registry.digests import verify_version
from splitleaf.registry.manifest import Manifest

_TIMINGS = 2


def load_classifier(folder: Path, runtimes: Mapping[str, RuntimeFactory] = RUNTIMES) -> Classifier:
    """Load the version in `folder`, ready to answer at full speed.

    Raises `InvalidArtifact` naming the reason when a digest differs from the manifest (checked before
    anything is parsed), the runtime is unknown, the network does not load, or a golden image gets a
    different answer than at import.
    """
    manifest = verify_version(folder)
    runtime = load_network(folder / manifest.artifact.file, manifest.artifact.runtime, runtimes)
    classifier = Classifier(manifest, runtime, read_auxiliary_outputs(manifest, folder))
    _warm_up(classifier)
    _choose_batch_size(classifier)
    _check_golden(classifier, folder)
    return classifier


def _warm_up(classifier: Classifier) -> None:
    """Run the batch sizes that will be served, so that the first request does not pay for memory allocation."""
    manifest, spec = classifier.manifest, classifier.manifest.preprocessing.input_spec
    for size in sorted({1, min(2, manifest.batching.cap), manifest.batching.cap}):
        classifier.classify([_black(spec)] * size)


def _choose_batch_size(classifier: Classifier) -> None:
    """Run images one by one if this machine runs a batch no faster.

    The activations of a large network fit into the processor's cache for one image, but not for a batch
    (MobileNetV2-224: 7 % slower in fours, 19 % in eights). For a small network, the overhead of each run dominates.
    """
    cap = classifier.batch_size
    batch = np.zeros((cap, *classifier.manifest.preprocessing.input_spec.shape), dtype=np.float32)
    costs = {}
    for batch_size in (cap, 1):
        classifier.batch_size = batch_size
        costs[batch_size] = min(_cost_s(classifier, batch) for _ in range(_TIMINGS))
    classifier.batch_size = min(costs, key=costs.__getitem__)


def _cost_s(classifier: Classifier, batch: np.ndarray) -> float:
    """Return the processor time of a batch. Runtimes compute on the calling thread."""
    started = time.thread_time()
    classifier.run(batch)
    return time.thread_time() - started


def _black(spec: InputSpec) -> ImageTensor:
    return ImageTensor(spec.shape, spec.dtype, np.zeros(spec.shape, dtype=spec.dtype).tobytes())


def _check_golden(classifier: Classifier, folder: Path) -> None:
    manifest = classifier.manifest
    inputs, expected = _read_golden(manifest, folder / manifest.artifact.golden)
    # Probabilities are at most 1; logits may be larger, and their differences grow in proportion.
    tolerance = manifest.artifact.golden_tolerance * max(1.0, float(np.abs(expected).max()))
    for start in range(0, len(inputs), manifest.batching.cap):
        part = slice(start, start + manifest.batching.cap)
        batch = normalize(inputs[part].astype(np.float32), manifest.preprocessing.normalization)
        answers = classifier.run(batch)
        if np.abs(answers - expected[part]).max() > tolerance:
            raise InvalidArtifact(f"{manifest.version} does not reproduce the answers to its golden images")


def _read_golden(manifest: Manifest, path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        golden = read_arrays(path)
        inputs, expected = golden["inputs"], golden["probabilities"]
    except (OSError, ValueError, KeyError) as error:
        raise InvalidArtifact(f"{manifest.version}: the golden images cannot be read") from error
    shape = (len(inputs), len(manifest.labels))
    if inputs.shape[1:] != manifest.preprocessing.input_spec.shape or expected.shape != shape or not len(inputs):
        raise InvalidArtifact(f"{manifest.version}: the golden images do not match the manifest")
    return inputs, expected
