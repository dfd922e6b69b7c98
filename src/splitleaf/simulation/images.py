"""Where visitors' images come from: drawn, or a folder of class folders."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from splitleaf.core.errors import Unprocessable
from splitleaf.importing.images import read_labelled_folder
from splitleaf.importing.labels import canonical
from splitleaf.simulation.leaves import draw_leaf


class ImageSource(Protocol):
    """Images by number, from 0, and what each shows."""

    @property
    def count(self) -> int: ...

    def bring(self, number: int) -> tuple[bytes, str]: ...


@dataclass(frozen=True, slots=True)
class DrawnLeaves:
    """Leaves that are drawn when they are asked for, in less and less light."""

    count: int
    seed: int
    darkness: float = 0.0
    """Of the last one; see `draw_leaf`."""

    def bring(self, number: int) -> tuple[bytes, str]:
        leaf = draw_leaf(self.seed, number, self.darkness * number / self.count)
        return leaf.jpeg, leaf.truth


class LabelledPhotos:
    """Each photo of a folder of class folders once, in an order by chance."""

    def __init__(self, folder: Path, labels: Sequence[str], seed: int, most: int | None) -> None:
        """`labels` are those that the versions know. Raises `ImportRefused`, `Unprocessable` (`unknown_label`)."""
        found = read_labelled_folder(folder)
        names = [canonical(name, labels) for name in found.folders]
        if unknown := sorted(set(names) - set(labels)):
            raise Unprocessable(f"no version knows {', '.join(unknown)}", code="unknown_label")
        self._photos = [(path, names[index]) for path, index in zip(found.paths, found.truth.tolist(), strict=True)]
        random.Random(seed).shuffle(self._photos)  # noqa: S311 - an order, not a secret
        self.count = min(len(self._photos), most or len(self._photos))

    def bring(self, number: int) -> tuple[bytes, str]:
        path, truth = self._photos[number]
        return path.read_bytes(), truth
