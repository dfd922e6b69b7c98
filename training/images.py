"""Photos -> arrays of pixels and leaf masks, decoded once and kept on disk for the next start."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from training.photos import Photo
from training.segmentation import leaf_mask

REDUCED_SIDE, REDUCED_QUALITY = 144, 80
"""How further photos were reduced before they came here."""


@dataclass(frozen=True)
class Images:
    """`pixels` (n, side, side, 4) uint8: red, green, blue, leaf mask (all 255 where unknown); `labels` (n,) int64."""

    pixels: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    """(n,) float32: how much of a photo each row stands for; a photo in two forms has two rows of a half."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def photos(self) -> int:
        return round(float(self.shares.sum()))


def read_images(photos: Sequence[Photo], side: int, cache: Path, *, both_forms: bool = False) -> Images:
    """Decode the photos as serving does: RGB, stretched to side x side by Pillow's bilinear filter.

    With `both_forms`, each full photo also comes once reduced as the further ones were. Otherwise sharpness
    would tell the classes that have further photos from those that have none.
    """
    rows = [(photo.path, False) for photo in photos]
    shares = np.ones(len(rows), np.float32)
    labels = [photo.label for photo in photos]
    if both_forms:
        full = [index for index, photo in enumerate(photos) if photo.full]
        rows += [(photos[index].path, True) for index in full]
        labels += [photos[index].label for index in full]
        shares[full] = 0.5
        shares = np.append(shares, np.full(len(full), 0.5, np.float32))
    return Images(_cached(rows, side, cache), np.array(labels, np.int64), shares)


def decode(path: Path, side: int, *, reduced: bool = False) -> np.ndarray:
    """Return (side, side, 4) uint8: the stretched photo and its leaf mask."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if reduced:
        small, file = image.resize((REDUCED_SIDE, REDUCED_SIDE), Image.Resampling.LANCZOS), io.BytesIO()
        small.save(file, "JPEG", quality=REDUCED_QUALITY)
        image = Image.open(file)
    pixels = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    mask = leaf_mask(pixels)
    alpha = np.full((side, side), 255, np.uint8) if mask is None else mask.astype(np.uint8) * 255
    return np.dstack([pixels, alpha])


def _cached(rows: Sequence[tuple[Path, bool]], side: int, cache: Path) -> np.ndarray:
    digest = hashlib.sha256(repr((side, [(str(path), reduced) for path, reduced in rows])).encode()).hexdigest()
    file = cache / f"pixels-{digest[:16]}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pixels = np.empty((len(rows), side, side, 4), np.uint8)
        with ProcessPoolExecutor() as pool:
            decoded = pool.map(_decode_row, rows, [side] * len(rows), chunksize=64)
            for index, row in enumerate(tqdm(decoded, "decoding", len(rows), unit="photo")):
                pixels[index] = row
        part = file.with_suffix(f".{os.getpid()}.npy")
        np.save(part, pixels)
        part.rename(file)
    return np.load(file, mmap_mode="r")


def _decode_row(row: tuple[Path, bool], side: int) -> np.ndarray:
    return decode(row[0], side, reduced=row[1])
