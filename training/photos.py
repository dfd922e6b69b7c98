"""Folders of labelled photos -> lists of files, split so that no leaf stands on both sides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BORDER = 10
"""Photos dropped at each border of the split: neighbours in a camera session may show one leaf."""
HELD_SHARE = 0.05
BLOCKS = (0.4, 0.85)
"""Where in a class's sequence of shots the two held-back blocks lie."""
FEW = 400
"""A class with fewer photos gives one block, at its end, where one border is enough."""
DOUBTFUL = (("UF.GRC_YLCV_Lab ", 8421, 8588),)
"""Sessions whose label cannot be right, as (beginning of the name, first shot, last shot).

These leaves are filed under yellow leaf curl virus, but none is curled, and all have the spots and yellow halos of
bacterial spot; a network that was trained without them agrees.
"""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Photo:
    """A file and its class's index. `full` ones come from the folder whose photos look like served ones."""

    path: Path
    label: int
    full: bool


@dataclass(frozen=True)
class Split:
    """Photos to train on, and held-back ones for validation and for fitting the temperature."""

    train: tuple[Photo, ...]
    held: tuple[Photo, ...]


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the sorted names of the class folders: the order of the network's outputs."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))


def list_photos(folder: Path, names: Sequence[str], *, full: bool = True, limit: int | None = None) -> list[Photo]:
    """Return the photos below `folder/<class>` in the order in which they were shot, class by class."""
    photos: list[Photo] = []
    for label, name in enumerate(names):
        files = [p for p in (folder / name).glob("*") if p.suffix.lower() in SUFFIXES]
        photos += [Photo(path, label, full) for path in sorted(files, key=shot)[:limit]]
    return photos


def split_photos(photos: Sequence[Photo], classes: int) -> Split:
    """Hold back contiguous blocks of each class's sequence of shots; drop `BORDER` shots at each side of a block.

    Photos of all folders are put into one sequence first, because shots of one leaf may lie in both. Doubtful ones
    go last, so that they move no block.
    """
    train: list[Photo] = []
    held: list[Photo] = []
    for label in range(classes):
        shots = sorted((photo for photo in photos if photo.label == label), key=lambda photo: shot(photo.path))
        blocks = held_blocks(len(shots))
        held += [photo for at, photo in enumerate(shots) if any(low <= at < high for low, high in blocks)]
        train += [
            photo
            for at, photo in enumerate(shots)
            if not any(low - BORDER <= at < high + BORDER for low, high in blocks)
        ]
    return Split(*(tuple(photo for photo in side if not is_doubtful(photo.path)) for side in (train, held)))


def held_blocks(photos: int) -> list[tuple[int, int]]:
    """Return the half-open ranges of shots that are held back of a class with that many photos."""
    held = round(photos * HELD_SHARE)
    if photos < FEW:
        return [(photos - held, photos)]
    half = held // len(BLOCKS)
    return [(start, start + half) for start in (round(photos * place) for place in BLOCKS)]


def is_doubtful(path: Path) -> bool:
    """Return whether a photo is of a session whose label cannot be right."""
    match shot(path):
        case (str(name), int(number), *_):
            return any(name == session and first <= number <= last for session, first, last in DOUBTFUL)
    return False


def shot(path: Path) -> tuple[str | int, ...]:
    """Return the camera's own name of a photo in the order of shooting: without the data set's random prefix."""
    parts = re.split(r"(\d+)", path.stem.split("___")[-1])
    return tuple(int(part) if part.isdigit() else part for part in parts)


def link_photos(photos: Iterable[tuple[Path, str]], folder: Path) -> None:
    """Make class folders with links to photos, given as pairs of a path and a class name."""
    for path, name in photos:
        link = folder / name / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(path.resolve())
