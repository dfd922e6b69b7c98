"""What the reference images teach: when an image is unfamiliar, and what is usual of all that is measured.

Everything here rests on images of training alone. The limit is set on distances that were measured without the
image itself and its neighbours: the folds are contiguous in each class, because neighbouring shots often show one
object. The network itself has learnt from all of them, though, and sees them nearer to each other than what it has not
learnt from. So where training held images back, these widen the limit.
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
from splitleaf.engine.familiarity import Familiarity, as_vectors
from splitleaf.engine.normalization import normalize
from splitleaf.engine.runtime import Runtime
from splitleaf.importing.head import Head
from splitleaf.importing.images import LabelledImages, read_tensors
from splitleaf.importing.statistics import tolerance_limit
from splitleaf.importing.views import change_harmlessly
from splitleaf.registry.manifest import Preprocessing

SHARE_REFUSED = 0.02
"""Of the reference images and their harmless changes, the share that the limit refuses.

Of what training held back so few may lie beyond it that more than this share of others were a surprise (at 5 %) if all
were of leaves of their own. They are not, so the limit is wider than their 2 %, but no proof of it.
"""
LEAST_IMAGES = 100
MOST_IMAGES = 3000
FOLDS = 5
DIRECTIONS = 48
"""In which features are compared. In those beyond, the images that a network has learnt from differ so little that
what it has not learnt from seems as far away as what it has never met; 32 to 64 serve equally well."""
_RIDGE = 0.01
"""Added to a covariance whose diagonal is about 1, so that few images do not make it singular."""
_SEED = 20_261_125

Floats = NDArray[np.float32]
Tick = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Images as a version sees them: as they are, and behind them, of reference images, changed harmlessly."""

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
    """What was learnt."""

    familiarity: Familiarity
    novelty: Floats
    """Of the reference images as they are, (n,), each judged without its own fold; 1 is the limit."""
    sketch: Floats
    """(n, 3) or (n, 0)"""
    sightings: Sightings
    held: int = 0
    """Images that training held back, as far as they were enough to widen the limit."""


def look_and_learn(  # noqa: PLR0917 - what looks, at what
    runtime: Runtime,
    head: Head | None,
    preprocessing: Preprocessing,
    images: LabelledImages,
    held: LabelledImages | None,
    tick: Tick,
) -> Reference:
    """Let the network see reference images and, where there are any, those that training held back; learn of both.

    Raises `ImportRefused` for too few reference images.
    """
    if held is None:
        return learn(look(runtime, head, preprocessing, images, tick))
    reference = look(runtime, head, preprocessing, apart(images, held), tick)
    return learn(reference, look(runtime, head, preprocessing, held, tick, least=1, is_changed=False))


def apart(images: LabelledImages, held: LabelledImages) -> LabelledImages:
    """Return the images without those that were held back: what made the rule cannot be judged by it as unseen."""
    known = {path.resolve() for path in held.paths}
    return images.only([place for place, path in enumerate(images.paths) if path.resolve() not in known])


def look(
    runtime: Runtime,
    head: Head | None,
    preprocessing: Preprocessing,
    images: LabelledImages,
    tick: Tick,
    *,
    least: int = LEAST_IMAGES,
    is_changed: bool = True,
) -> Sightings:
    """Let the network see the images and, if wanted, one harmless change of each.

    Raises `ImportRefused` for too few.
    """
    images = images.sample(max(1, MOST_IMAGES // len(images.folders)))
    names = [head.features_output] if head else []

    def see(place: int) -> list[tuple[Floats, ...]] | None:
        tensors = read_tensors(images.paths[place], [preprocessing.input_spec])
        if tensors is None:
            return None
        pixels = [tensors[0]]
        if is_changed:
            pixels.append(change_harmlessly(tensors[0], np.random.default_rng([_SEED, place])))
        return [_see(runtime, names, preprocessing, one) for one in pixels]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        seen = []
        for done, views in enumerate(pool.map(see, range(len(images))), start=1):
            seen.append(views)
            tick(done, len(images))
    read = [place for place, views in enumerate(seen) if views is not None]
    if len(read) < least:
        raise ImportRefused(
            f"{len(read)} images of {images.name} could be read; at least {least} are needed",
            code="reference_too_small",
        )
    rows = [views[view] for view in range(1 + is_changed) for views in seen if views is not None]
    appearance, scores, *features = (np.stack(column) for column in zip(*rows, strict=True))
    return Sightings(images.only(read), scores, features[0] if features else None, appearance)


def learn(sightings: Sightings, held: Sightings | None = None) -> Reference:
    """Fit the rule and its limit; `held` are images that training held back."""
    count, truth = len(sightings.images), sightings.truth
    vectors = as_vectors(sightings.features, sightings.appearance)
    features = 0 if sightings.features is None else sightings.features.shape[1]
    folds = np.tile(_folds(sightings.images.truth), 2)
    distances = np.empty(2 * count, dtype=np.float32)
    for fold in range(FOLDS):
        inside = folds == fold
        distances[inside] = _fit(vectors[~inside], truth[~inside], features).judge(vectors[inside])[0]
    limit = float(np.quantile(distances, 1 - SHARE_REFUSED))
    final = _fit(vectors, truth, features)
    widened = None
    if held is not None:
        unlearnt = as_vectors(held.features, held.appearance)[: len(held.images)]
        widened = tolerance_limit(final.judge(unlearnt)[0], SHARE_REFUSED)
        limit = max(limit, widened or 0.0)
    final = replace(final, limit=limit)
    _, sketch = final.judge(vectors[:count])
    count_held = len(held.images) if held is not None and widened is not None else 0
    return Reference(final, distances[:count] / np.float32(limit), sketch, sightings, count_held)


def _see(
    runtime: Runtime, names: list[str], preprocessing: Preprocessing, pixels: NDArray[np.generic]
) -> tuple[Floats, ...]:
    batch = normalize(pixels[None].astype(np.float32), preprocessing.normalization)
    outputs = [one[0] for one in runtime.run_with(batch, names)]
    return (np.array(measure_appearance(pixels, preprocessing.color), dtype=np.float32), *outputs)


def _fit(vectors: Floats, truth: NDArray[np.int64], features: int) -> Familiarity:
    """Return the rule with the limit 1. `vectors` are those of `as_vectors`, with so many features in front."""
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
    return Familiarity(weights.astype(np.float32), (means**2).sum(axis=1).astype(np.float32), sketched, 1.0)


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
