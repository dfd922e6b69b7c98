"""Lists of photos of plants and of other things; a hash of the name decides which ones are held back."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.photos import SUFFIXES

OTHER = "other"
"""The label for everything except leaves of the crop."""
HELD_ONE_IN = 6
SEED = "field-2026"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of the image."""


@dataclass(frozen=True)
class FieldPhoto:
    """A photo of a plant or of something else."""

    path: Path
    kind: str
    """`field`, or the folder's name for other things."""
    label: str
    boxes: tuple[Box, ...] = ()


def list_field(root: Path, split: str) -> list[FieldPhoto]:
    """Return the photos of `root/field/SPLIT/<class>` and `root/others/SPLIT/<kind>`, `split` being train or test."""
    boxes = read_boxes(root / "boxes.csv")
    photos = []
    for part in ("field", "others"):
        folder = root / part / split
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
            name = path.parent.name
            kind, label = ("field", name) if part == "field" else (name, OTHER)
            photos.append(FieldPhoto(path, kind, label, boxes.get(path.relative_to(root).as_posix(), ())))
    return photos


def read_boxes(file: Path) -> dict[str, tuple[Box, ...]]:
    """Return the boxes of the leaves by the photo's path."""
    boxes: dict[str, list[Box]] = defaultdict(list)
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            x, y, wide, high = (float(row[key]) for key in ("x_centre", "y_centre", "width", "height"))
            boxes[row["file"]].append((x - wide / 2, y - high / 2, x + wide / 2, y + high / 2))
    return {file: tuple(values) for file, values in boxes.items()}


def is_held(path: Path) -> bool:
    """Return whether a photo is held back from training. The answer is the same on every machine."""
    digest = hashlib.sha256(f"{SEED}/{path.parent.name}/{path.name}".encode()).digest()
    return digest[0] % HELD_ONE_IN == 0


def split_field(photos: Sequence[FieldPhoto]) -> tuple[list[FieldPhoto], list[FieldPhoto]]:
    """Return the photos to train on, and those held back."""
    return [p for p in photos if not is_held(p.path)], [p for p in photos if is_held(p.path)]
