"""Fits the out-of-distribution detector, and the baseline of all measures, on reference images.

Reference images are training images. The limit comes from cross-validated distances: the folds are contiguous in each
class, because neighbouring shots often show one object. But the network was trained on all of them and places them
closer to each other than images it was not trained on. Held-out images, if given, therefore widen the limit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.core.measures import SKETCH
from splitleaf.engine.appearance import measure_appearance
from splitleaf.engine.normalization import normalize
from splitleaf.engine.out_of_distribution import OutOfDistributionDetector, as_vectors
from splitleaf.engine.runtime import Runtime
from splitleaf.importing.augmentation import augment
from splitleaf.importing.head import Head
from splitleaf.importing.images import LabelledImages, read_tensors
from splitleaf.importing.statistics import tolerance_limit
from splitleaf.registry.manifest import Preprocessing

SHARE_REFUSED = 0.02
"""Share of the reference images and their augmentations that the limit refuses.

The held-out images widen the limit to a tolerance limit: with 95 % confidence, at most this share of further images
lies beyond it, if all images are independent. They are not (several show one leaf), so this is a margin, not a
guarantee.
"""
MIN_IMAGES = 100
MAX_IMAGES = 3000
FOLDS = 5
DIRECTIONS = 48
"""Principal directions in which features are compared. In further ones, training images vary so little that unseen
images of the same kind seem as far away as images of other kinds. Values from 32 to 64 perform equally well."""
_RIDGE = 0.01
"""Added to the diagonal of the covariance, which is about 1, so that it is invertible with few images, too."""
_SEED = 20_261_125

Floats = NDArray[np.float32]
Tick = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What a version computes for images: first for the originals, then (of reference images) for augmentations."""

    images: LabelledImages
    scores: Floats
    """(2n, classes), raw."""
    features: Floats | None
    """(2n, features)"""
    appearance: Floats
    """(2n, 7)"""

    @property
    def truth(self) -> NDArray[np.int64]:
        """Index of the folder of each row."""
        return np.tile(self.images.truth, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The fitted detector, and what it was fitted on."""

    detector: OutOfDistributionDetector
    novelty: Floats
    """Cross-validated scores of the reference images, (n,); 1 is the limit."""
    sketch: Floats
    """(n, 3) or (n, 0)"""
    observations: Observations
    held_out: int = 0
    """Number of held-out images; 0 if they were too few to widen the limit."""


def fit_reference(  # noqa: PLR0917 - the network, its input, the images
    runtime: Runtime,
    head: Head | None,
    preprocessing: Preprocessing,
    images: LabelledImages,
    held_out: LabelledImages | None,
    tick: Tick,
) -> Reference:
    """Run the network on the reference images and any held-out images, and fit the detector on both.

    Raises `ImportRefused` for too few reference images.
    """
    if held_out is None:
        return fit_detector(observe(runtime, head, preprocessing, images, tick))
    reference = observe(runtime, head, preprocessing, without_held_out(images, held_out), tick)
    return fit_detector(reference, observe(runtime, head, preprocessing, held_out, tick, least=1, is_augmented=False))


def without_held_out(images: LabelledImages, held_out: LabelledImages) -> LabelledImages:
    """Return the images that are not held out: the detector must not be fitted on images that count as unseen."""
    known = {path.resolve() for path in held_out.paths}
    return images.only([place for place, path in enumerate(images.paths) if path.resolve() not in known])


def observe(
    runtime: Runtime,
    head: Head | None,
    preprocessing: Preprocessing,
    images: LabelledImages,
    tick: Tick,
    *,
    least: int = MIN_IMAGES,
    is_augmented: bool = True,
) -> Observations:
    """Run the network on the images and, if `is_augmented`, on one augmentation of each.

    Raises `ImportRefused` for too few images.
    """
    images = images.sample(max(1, MAX_IMAGES // len(images.folders)))
    names = [head.features_output] if head else []

    def observe_one(place: int) -> list[tuple[Floats, ...]] | None:
        tensors = read_tensors(images.paths[place], [preprocessing.input_spec])
        if tensors is None:
            return None
        pixels = [tensors[0]]
        if is_augmented:
            pixels.append(augment(tensors[0], np.random.default_rng([_SEED, place])))
        return [_observe(runtime, names, preprocessing, one) for one in pixels]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        seen = []
        for done, views in enumerate(pool.map(observe_one, range(len(images))), start=1):
            seen.append(views)
            tick(done, len(images))
    read = [place for place, views in enumerate(seen) if views is not None]
    if len(read) < least:
        raise ImportRefused(
            f"{len(read)} images of {images.name} could be read; at least {least} are needed",
            code="reference_too_small",
        )
    rows = [views[view] for view in range(1 + is_augmented) for views in seen if views is not None]
    appearance, scores, *features = (np.stack(column) for column in zip(*rows, strict=True))
    return Observations(images.only(read), scores, features[0] if features else None, appearance)


def fit_detector(observations: Observations, held_out: Observations | None = None) -> Reference:
    """Fit the detector and its limit; `held_out` are images that the network was not trained on."""
    count, truth = len(observations.images), observations.truth
    vectors = as_vectors(observations.features, observations.appearance)
    features = 0 if observations.features is None else observations.features.shape[1]
    folds = np.tile(_folds(observations.images.truth), 2)
    distances = np.empty(2 * count, dtype=np.float32)
    for fold in range(FOLDS):
        inside = folds == fold
        distances[inside] = _fit(vectors[~inside], truth[~inside], features).score(vectors[inside])[0]
    limit = float(np.quantile(distances, 1 - SHARE_REFUSED))
    final = _fit(vectors, truth, features)
    widened = None
    if held_out is not None:
        unseen = as_vectors(held_out.features, held_out.appearance)[: len(held_out.images)]
        widened = tolerance_limit(final.score(unseen)[0], SHARE_REFUSED)
        limit = max(limit, widened or 0.0)
    final = replace(final, limit=limit)
    _, sketch = final.score(vectors[:count])
    count_held = len(held_out.images) if held_out is not None and widened is not None else 0
    return Reference(final, distances[:count] / np.float32(limit), sketch, observations, count_held)


def _observe(
    runtime: Runtime, names: list[str], preprocessing: Preprocessing, pixels: NDArray[np.generic]
) -> tuple[Floats, ...]:
    batch = normalize(pixels[None].astype(np.float32), preprocessing.normalization)
    outputs = [one[0] for one in runtime.run_with(batch, names)]
    return (np.array(measure_appearance(pixels, preprocessing.color), dtype=np.float32), *outputs)


def _fit(vectors: Floats, truth: NDArray[np.int64], features: int) -> OutOfDistributionDetector:
    """Return the detector with the limit 1. `vectors` come from `as_vectors` and begin with that many features."""
    inputs = vectors[:, :-1].astype(np.float64)
    centre = inputs.mean(axis=0)
    directions = _main_directions(inputs[:, :features] - centre[:features])
    kept = directions.shape[1]
    # Inputs -> main directions of the features, and the appearance as it is.
    turn = np.zeros((inputs.shape[1], kept + inputs.shape[1] - features))
    turn[:features, :kept], turn[features:, kept:] = directions, np.eye(inputs.shape[1] - features)
    scale = 1 / np.maximum(((inputs - centre) @ turn).std(axis=0), 1e-6)
    scaled, classes = (inputs - centre) @ turn * scale, np.unique(truth)
    means = np.stack([scaled[truth == one].mean(axis=0) for one in classes])
    spread = scaled - means[np.searchsorted(classes, truth)]
    root = np.linalg.cholesky(np.linalg.inv(spread.T @ spread / len(spread) + _RIDGE * np.eye(len(scale))))
    means = means @ root
    sketched = min(len(SKETCH), kept)
    whiten = turn * scale @ root
    weights = np.hstack([whiten, whiten @ means.T, turn[:, :sketched]])
    weights = np.vstack([weights, -centre @ weights])
    return OutOfDistributionDetector(
        weights.astype(np.float32), (means**2).sum(axis=1).astype(np.float32), sketched, 1.0
    )


def _main_directions(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (features, directions), orthonormal, in descending order of variance."""
    # `eigh` answers in ascending order.
    _, directions = np.linalg.eigh(centred.T @ centred)
    kept: NDArray[np.float64] = directions[:, ::-1][:, :DIRECTIONS]
    return kept


def _folds(truth: NDArray[np.int64]) -> NDArray[np.int64]:
    folds = np.zeros(len(truth), dtype=np.int64)
    for one in np.unique(truth):
        (places,) = np.nonzero(truth == one)
        folds[places] = np.arange(len(places)) * FOLDS // len(places)
    return folds
