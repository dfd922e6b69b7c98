"""The training data of the backbone: chunks of drawn images with labels, each determined by its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from PIL import Image

from training.field import OTHER, FieldPhoto
from training.photos import Photo
from training.scenes import (
    compose,
    crop_field,
    cut_out,
    draw_background,
    draw_thing,
    move_plain,
    open_photo,
    pick_background,
    relight,
    turn,
)

CHUNK = 512
SEED = 20_261_130
LEAVES = ([1, 2, 3, 5, 7], [0.5, 0.1, 0.1, 0.2, 0.1])
"""Numbers of leaves in a composed image, and their probabilities."""
OTHER_PHOTOS = ("leaf_field", "leaf_field", "leaf_field", "leaf_lab", "fruit", "tomato_fruit")

T = TypeVar("T")
Drawn = tuple[Image.Image, str]


class Kind(IntEnum):
    """The origin of an image."""

    FIELD = 0
    PLAIN = 1
    """A photo of one leaf on a plain background."""
    COMPOSED = 2
    """Such leaves, cut out and placed on another background."""
    OTHER = 3


SHARES = {Kind.FIELD: 0.35, Kind.PLAIN: 0.35, Kind.COMPOSED: 0.15, Kind.OTHER: 0.15}


class Mixture:
    """The photos of all kinds, as a source of drawn images."""

    def __init__(
        self,
        names: Sequence[str],
        plain: Sequence[Photo],
        field: Sequence[FieldPhoto],
        things: Sequence[Path],
        side: int,
    ) -> None:
        self.outputs = (*names, OTHER)
        self.plain, self.field = plain, field
        self._side, self._things = side, things
        self._by_class = {name: [p for p in plain if p.label == i] for i, name in enumerate(names)}
        self._in_field = _grouped([p for p in field if p.kind == "field"], lambda p: p.label)
        self._others = _grouped([p for p in field if p.kind != "field"], lambda p: p.kind)

    def draw(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a chunk: pixels (n, side, side, 3) uint8, labels (n,) as indices of `outputs`, kinds (n,)."""
        rng = np.random.default_rng([SEED, number])
        kinds = rng.choice(list(SHARES), CHUNK, p=list(SHARES.values()))
        drawn = [self.draw_one(Kind(kind), rng) for kind in kinds]
        labels = np.array([self.outputs.index(label) for _, label in drawn], np.int64)
        return np.stack([np.asarray(image) for image, _ in drawn]), labels, kinds

    def draw_one(self, kind: Kind, rng: Generator) -> Drawn:
        """Return an image of a kind and its label."""
        draw = {Kind.FIELD: self._draw_field, Kind.PLAIN: self._draw_plain, Kind.COMPOSED: self._draw_composed}
        return draw.get(kind, self._draw_other)(rng)

    def _draw_field(self, rng: Generator) -> Drawn:
        return self._part_of(_pick(self._in_field[_pick_key(self._in_field, rng)], rng), rng)

    def _draw_plain(self, rng: Generator) -> Drawn:
        name = _pick_key(self._by_class, rng, power=0.3)
        image = move_plain(open_photo(_pick(self._by_class[name], rng).path), rng, self._side)
        return relight(image, rng, 0.5) if rng.random() < 0.7 else image, name

    def _draw_composed(self, rng: Generator) -> Drawn:
        name = _pick_key(self._by_class, rng, power=0.0)
        return self._compose([photo.path for photo in self._by_class[name] if photo.full], rng), name

    def _draw_other(self, rng: Generator) -> Drawn:
        choice = rng.random()
        if choice < 0.3:
            things = [_opened(path) for path in self._things]
            return relight(draw_thing(rng, self._side, things), rng, 0.7), OTHER
        if choice < 0.45:
            return self._compose([photo.path for photo in self._others["leaf_lab"]], rng), OTHER
        return self._part_of(_pick(self._others[_pick(OTHER_PHOTOS, rng)], rng), rng)

    def _part_of(self, photo: FieldPhoto, rng: Generator) -> Drawn:
        image = turn(crop_field(_opened(photo.path), photo.boxes, rng, self._side), rng, 25)
        return relight(image, rng, 0.8), photo.label

    def _compose(self, paths: Sequence[Path], rng: Generator) -> Image.Image:
        """Place one leaf or several of a kind on a background."""
        chosen = [_pick(paths, rng) for _ in range(int(rng.choice(LEAVES[0], p=LEAVES[1])))]
        leaves = [leaf for path in chosen if (leaf := cut_out(path)) is not None]
        if not leaves:
            return relight(move_plain(open_photo(chosen[0]), rng, self._side), rng, 0.8)
        foliage = _opened(_pick(self._others["leaf_field"], rng).path)
        return relight(compose(leaves, draw_background(rng, self._side, pick_background(rng), foliage), rng), rng, 1.0)


_opened = lru_cache(3000)(open_photo)


def _grouped(photos: Sequence[FieldPhoto], key: Callable[[FieldPhoto], str]) -> dict[str, list[FieldPhoto]]:
    groups: dict[str, list[FieldPhoto]] = {}
    for photo in photos:
        groups.setdefault(key(photo), []).append(photo)
    return groups


def _pick(items: Sequence[T], rng: Generator) -> T:
    return items[int(rng.integers(len(items)))]


def _pick_key(groups: dict[str, list[T]], rng: Generator, power: float = 0.5) -> str:
    """Return a random group; its probability is proportional to this power of its size."""
    weights = np.array([len(items) for items in groups.values()], np.float64) ** power
    return list(groups)[int(rng.choice(len(groups), p=weights / weights.sum()))]
