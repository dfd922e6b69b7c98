"""Files with the output of the frozen blocks for drawn images: computed once, trained on several times."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image

from training.backbone import SIDE
from training.mixture import Kind, Mixture

DEPTH = 11
"""Frozen blocks, of sixteen."""
KEPT = 24
"""Chunks in the buffer that training draws from."""
AHEAD = 6
"""Chunks drawn in advance."""
HELD_PLAIN, HELD_COMPOSED = 200, 100
AT_ONCE = 8
SEED = 7


def draw_chunks(folder: Path, count: int, mixture: Mixture, lower: InferenceSession, teacher: Teacher | None) -> None:
    """Write one chunk after the other, at most `AHEAD` more than training has used."""
    for number in range(count):
        file = chunk_file(folder, number)
        while number >= count_trained(folder) + AHEAD:
            time.sleep(2)
        if file.exists() or number <= count_trained(folder) - KEPT:
            continue
        pixels, labels, kinds = mixture.draw(number)
        taught = teacher.ask(pixels, kinds) if teacher else np.zeros((len(kinds), 0), np.float32)
        store(file, pixels, labels, kinds, taught, lower)


def draw_held(folder: Path, held: Mixture, lower: InferenceSession) -> None:
    """Write the held-back photos unchanged, and some of their leaves on other backgrounds."""
    file = held_file(folder)
    if file.exists():
        return
    rows = list(_held(held))
    pixels = np.stack([np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for image, _, _ in rows])
    labels = np.array([held.outputs.index(label) for _, label, _ in rows])
    store(file, pixels, labels, np.array([kind for *_, kind in rows]), np.zeros((len(rows), 0), np.float32), lower)


def _held(held: Mixture) -> Iterator[tuple[Image.Image, str, Kind]]:
    rng = np.random.default_rng(SEED)
    for photo in held.field:
        image = Image.open(photo.path).convert("RGB")
        yield image, photo.label, Kind.FIELD if photo.kind == "field" else Kind.OTHER
    for at in rng.permutation(len(held.plain))[:HELD_PLAIN]:
        plain = held.plain[int(at)]
        yield Image.open(plain.path).convert("RGB"), held.outputs[plain.label], Kind.PLAIN
    for _ in range(HELD_COMPOSED):
        yield *held.draw_one(Kind.COMPOSED, rng), Kind.COMPOSED


def store(
    file: Path,
    pixels: np.ndarray,
    labels: np.ndarray,
    kinds: np.ndarray,
    taught: np.ndarray,
    lower: InferenceSession,
) -> None:
    """Write the output of the frozen blocks for the images, in half precision."""
    parts = [
        pixels[at : at + AT_ONCE].transpose(0, 3, 1, 2).astype(np.float32) for at in range(0, len(pixels), AT_ONCE)
    ]
    features = np.concatenate([lower.run(None, {"pixels": part})[0] for part in parts]).astype(np.float16)
    part = file.with_suffix(".part.npz")
    np.savez(part, features=features, labels=labels, kinds=kinds, taught=taught)
    part.rename(file)


class Teacher:
    """The artifact of a version trained on plain photos."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._side: int = session.get_inputs()[0].shape[1]

    def ask(self, pixels: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """Return its probabilities (n, classes) for plain photos, and zeros for others."""
        plain = np.flatnonzero(kinds == Kind.PLAIN)
        answers = [self._ask_one(image) for image in pixels[plain]]
        taught = np.zeros((len(kinds), len(answers[0]) if answers else 0), np.float32)
        if answers:
            taught[plain] = answers
        return taught

    def _ask_one(self, image: np.ndarray) -> np.ndarray:
        small = Image.fromarray(image).resize((self._side, self._side), Image.Resampling.BILINEAR)
        probabilities: np.ndarray = self._session.run(None, {self._input: np.asarray(small, np.float32)[None]})[0][0]
        return probabilities


def count_trained(folder: Path) -> int:
    """Return how many chunks training has used."""
    file = folder / "progress.json"
    return int(json.loads(file.read_text(encoding="utf-8"))["chunks"]) if file.exists() else 0


def wait_for(file: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a chunk when its file exists."""
    while not file.exists():
        time.sleep(1)
    with np.load(file) as arrays:
        return dict(arrays)


def chunk_file(folder: Path, number: int) -> Path:
    return folder / "chunks" / f"{number:04}.npz"


def held_file(folder: Path) -> Path:
    return folder / "held.npz"
