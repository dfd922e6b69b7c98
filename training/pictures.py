"""Folders of labelled photos -> arrays, split so that no leaf stands on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

BORDER = 10
"""Photos dropped at the border of the split: neighbours in a camera session may show one leaf."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Pictures:
    """`pixels` (n, side, side, 3) uint8 and `labels` (n,) int64, indices into `names`."""

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the sorted names of the class folders: the order of the network's outputs."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))


def read_pictures(folder: Path, names: Sequence[str], side: int, limit: int | None = None) -> Pictures:
    """Read the photos below `folder/<class>`, stretched to side x side by Pillow's bilinear filter."""
    return _load(
        [(path, index) for index, name in enumerate(names) for path in _photos(folder / name, limit)], names, side
    )


def read_split(
    folder: Path, extra: Path | None, names: Sequence[str], side: int, *, share: float, limit: int | None = None
) -> tuple[Pictures, Pictures]:
    """Return (training, validation). The last `share` of each class's sorted photos validates.

    Sorted names keep a camera session together, so a contiguous block with a dropped border is leaf-safe.
    Extra photos are of sessions of their own only where their names say so; those whose names fall into the
    validation block are dropped.
    """
    train: list[tuple[Path, int]] = []
    held: list[tuple[Path, int]] = []
    for index, name in enumerate(names):
        photos = _photos(folder / name, limit)
        border = round(len(photos) * (1 - share))
        train += [(path, index) for path in photos[: border - BORDER]]
        held += [(path, index) for path in photos[border:]]
        if extra is not None and photos:
            # By the part of the name that counts the shots; the random prefix says nothing.
            low, high = _shot(photos[border - BORDER]), _shot(photos[-1])
            train += [(p, index) for p in _photos(extra / name, limit) if not low <= _shot(p) <= high]
    return _load(train, names, side), _load(held, names, side)


def _photos(folder: Path, limit: int | None) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES), key=_shot)[:limit]


def _shot(path: Path) -> str:
    """Return the camera's own name of a photo, without the random prefix that the data set put before it."""
    return path.stem.split("___")[-1]


def _load(items: Sequence[tuple[Path, int]], names: Sequence[str], side: int) -> Pictures:
    pixels = np.empty((len(items), side, side, 3), dtype=np.uint8)
    for row, (path, _) in zip(pixels, items, strict=True):
        with Image.open(path) as image:
            row[...] = np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
    return Pictures(pixels, np.array([index for _, index in items], dtype=np.int64), tuple(names))
