"""What the reference pictures teach: when a picture is unfamiliar, and what is usual of all that is measured.

Everything here rests on the pictures of `--reference` alone, which are training's. The limit is set on distances that
were measured without the picture itself and its neighbours: the folds are contiguous in each class, because
neighbouring shots often show one object.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.engine.appearance import measure_appearance
from splitleaf.engine.familiarity import Familiarity, Projection
from splitleaf.engine.normalization import normalize
from splitleaf.engine.runtime import Runtime
from splitleaf.importing.head import Head
from splitleaf.importing.pictures import LabelledPictures, read_tensors
from splitleaf.importing.views import change_harmlessly
from splitleaf.registry.manifest import Preprocessing

SHARE_REFUSED = 0.02
"""Of the reference pictures and their harmless changes, the share that the limit refuses."""
LEAST_PICTURES = 100
MOST_PICTURES = 3000
FOLDS = 5
DIRECTIONS = 128
_RIDGE = 0.01
"""Added to a covariance whose diagonal is about 1, so that few pictures do not make it singular."""
_SEED = 20_261_125

Floats = NDArray[np.float32]
Tick = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """The reference pictures as a version sees them; the first half as they are, the second changed harmlessly."""

    pictures: LabelledPictures
    scores: Floats
    """(2n, classes), raw."""
    features: Floats | None
    """(2n, features)"""
    appearance: Floats
    """(2n, 7)"""

    @property
    def truth(self) -> NDArray[np.int64]:
        """Index of the folder of each row."""
        return np.tile(self.pictures.truth, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What was learnt."""

    familiarity: Familiarity
    novelty: Floats
    """Of the reference pictures as they are, (n,), each judged without its own fold; 1 is the limit."""
    sketch: Floats
    """(n, 3) or (n, 0)"""
    sightings: Sightings


def look(
    runtime: Runtime, head: Head | None, preprocessing: Preprocessing, pictures: LabelledPictures, tick: Tick
) -> Sightings:
    """Let the network see the pictures and one harmless change of each. Raises `ImportRefused` for too few."""
    pictures = pictures.sample(max(1, MOST_PICTURES // len(pictures.folders)))
    names = [head.features_output] if head else []

    def see(place: int) -> list[tuple[Floats, ...]] | None:
        tensors = read_tensors(pictures.paths[place], [preprocessing.input_spec])
        if tensors is None:
            return None
        changed = change_harmlessly(tensors[0], np.random.default_rng([_SEED, place]))
        return [_see(runtime, names, preprocessing, pixels) for pixels in (tensors[0], changed)]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        seen = []
        for done, views in enumerate(pool.map(see, range(len(pictures))), start=1):
            seen.append(views)
            tick(done, len(pictures))
    read = [place for place, views in enumerate(seen) if views is not None]
    if len(read) < LEAST_PICTURES:
        raise ImportRefused(
            f"{len(read)} reference pictures could be read; at least {LEAST_PICTURES} are needed",
            code="reference_too_small",
        )
    rows = [views[view] for view in (0, 1) for views in seen if views is not None]
    appearance, scores, *features = (np.stack(column) for column in zip(*rows, strict=True))
    return Sightings(pictures.only(read), scores, features[0] if features else None, appearance)


def learn(sightings: Sightings) -> Reference:
    """Fit the rule and its limit."""
    count, truth = len(sightings.pictures), sightings.truth
    folds = np.tile(_folds(sightings.pictures.truth), 2)
    distances = np.empty(2 * count, dtype=np.float32)
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        rule = _fit(_only(sightings.features, outside), sightings.appearance[outside], truth[outside])
        vectors = rule.vectors(_only(sightings.features, inside), sightings.appearance[inside])
        distances[inside] = rule.novelty(vectors)
    limit = float(np.quantile(distances, 1 - SHARE_REFUSED))
    final = _fit(sightings.features, sightings.appearance, truth, limit=limit)
    vectors = final.vectors(_only(sightings.features, slice(count)), sightings.appearance[:count])
    return Reference(final, distances[:count] / np.float32(limit), final.sketch(vectors), sightings)


def _see(
    runtime: Runtime, names: list[str], preprocessing: Preprocessing, pixels: NDArray[np.generic]
) -> tuple[Floats, ...]:
    batch = normalize(pixels[None].astype(np.float32), preprocessing.normalization)
    outputs = [one[0] for one in runtime.run_with(batch, names)]
    return (measure_appearance(pixels, preprocessing.color), *outputs)


def _fit(features: Floats | None, appearance: Floats, truth: NDArray[np.int64], limit: float = 1.0) -> Familiarity:
    projection = None if features is None else _main_directions(features)
    unscaled = Familiarity(projection, np.eye(1, dtype=np.float32), np.zeros((1, 1), np.float32), limit)
    vectors = unscaled.vectors(features, appearance).astype(np.float64)
    scale = 1 / np.maximum(vectors.std(axis=0), 1e-6)
    scaled, classes = vectors * scale, np.unique(truth)
    means = np.stack([scaled[truth == one].mean(axis=0) for one in classes])
    spread = scaled - means[np.searchsorted(classes, truth)]
    covariance = spread.T @ spread / len(spread) + _RIDGE * np.eye(len(scale))
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    whitening = (scale[:, None] * root).astype(np.float32)
    return Familiarity(projection, whitening, (means @ root).astype(np.float32), limit)


def _main_directions(features: Floats) -> Projection:
    rooted = (np.sign(features) * np.sqrt(np.abs(features))).astype(np.float64)
    centre = rooted.mean(axis=0)
    # In ascending order of variance.
    _, directions = np.linalg.eigh((rooted - centre).T @ (rooted - centre))
    return Projection(centre.astype(np.float32), np.ascontiguousarray(directions[:, ::-1][:, :DIRECTIONS], np.float32))


def _folds(truth: NDArray[np.int64]) -> NDArray[np.int64]:
    folds = np.zeros(len(truth), dtype=np.int64)
    for one in np.unique(truth):
        (places,) = np.nonzero(truth == one)
        folds[places] = np.arange(len(places)) * FOLDS // len(places)
    return folds


def _only(features: Floats | None, places: NDArray[np.bool_] | slice) -> Floats | None:
    return None if features is None else features[places]
