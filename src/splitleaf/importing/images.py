"""Folders of labelled images, as training lays them out: one folder a class."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused, RejectedInput
from splitleaf.core.files import read_plain
from splitleaf.core.preprocessing import InputSpec
from splitleaf.images.decoded import decode_image
from splitleaf.images.files import find_image_files, is_hidden

MAX_BYTES = 64 << 20
_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "eval"})
"""Names of folders that hold a part of a data set each, not a class."""


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """Images with the index of the folder that each lies in."""

    name: str
    """What the report calls them: the last two parts of the path."""
    folders: tuple[str, ...]
    """Sorted."""
    paths: tuple[Path, ...]
    truth: NDArray[np.int64]
    """Index into `folders` for each path."""

    def __len__(self) -> int:
        return len(self.paths)

    def sample(self, per_folder: int) -> LabelledImages:
        """Return the images without most of each folder's: `per_folder` of them, evenly spread."""
        kept: list[int] = []
        for index in range(len(self.folders)):
            (places,) = np.nonzero(self.truth == index)
            count = min(per_folder, len(places))
            kept.extend(places[np.linspace(0, len(places) - 1, count).astype(int)].tolist())
        return self.only(kept)

    def only(self, places: Sequence[int]) -> LabelledImages:
        """Return the images at these places."""
        return LabelledImages(self.name, self.folders, tuple(self.paths[i] for i in places), self.truth[list(places)])


def read_labelled_folder(folder: Path) -> LabelledImages:
    """List the images in a folder of class folders. Raises `ImportRefused`."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    classes = [path for path in inside if path.is_dir() and not is_hidden(Path(path.name))]
    by_class = {path.name: found for path in classes if (found := find_image_files(path))}
    if by_class and all(name.lower() in _SPLITS for name in by_class):
        raise ImportRefused(
            f"{folder} contains {', '.join(by_class)}, which are parts of a data set and not classes: "
            f"give one of them, for example {folder / next(iter(by_class))}",
            code="no_labelled_images",
        )
    if len(by_class) < 2:
        raise ImportRefused(f"{folder} is not a folder of class folders with images in them", code="no_labelled_images")
    names = tuple(by_class)
    truth = [index for index, name in enumerate(names) for _ in by_class[name]]
    paths = tuple(itertools.chain.from_iterable(by_class.values()))
    return LabelledImages("/".join(folder.resolve().parts[-2:]), names, paths, np.array(truth, dtype=np.int64))


def find_images(folder: Path, limit: int) -> tuple[Path, ...]:
    """Return up to `limit` images below a folder, evenly spread over it. Raises `ImportRefused`."""
    found = find_image_files(folder)
    if not found:
        raise ImportRefused(f"there are no images in {folder}", code="no_images")
    places = np.linspace(0, len(found) - 1, min(limit, len(found))).astype(int)
    return tuple(found[place] for place in places.tolist())


def read_tensors(path: Path, specs: Sequence[InputSpec]) -> list[NDArray[np.generic]] | None:
    """Return one image as the API would hand it over for each spec; None for one that is refused at upload."""
    try:
        decoded = decode_image(read_plain(path, MAX_BYTES), specs)
    except (RejectedInput, OSError):
        return None
    return [
        np.frombuffer(tensor.data, dtype=np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)
        for tensor in decoded.tensors
    ]


def read_all(paths: Sequence[Path], spec: InputSpec) -> list[NDArray[np.generic]]:
    """Return the images as the API would hand them over, without those that are refused at upload."""
    read = (read_tensors(path, [spec]) for path in paths)
    return [tensors[0] for tensors in read if tensors is not None]
