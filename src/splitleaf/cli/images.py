"""Which images a command means, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splitleaf.core.errors import NotFound
from splitleaf.images.files import SUFFIXES, find_image_files


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one file: a label, or an error."""

    path: Path
    label: str | None = None
    display_name: str | None = None
    confidence: float | None = None
    """Percent."""
    is_sure: bool | None = None
    error_code: str | None = None
    error_detail: str | None = None
    prediction_id: str | None = None
    """Of a server's answer."""

    @property
    def failed(self) -> bool:
        return self.error_code is not None

    @property
    def truth(self) -> str:
        """The name of the folder that holds the image, for folders of labelled images."""
        return self.path.absolute().parent.name


def collect_images(paths: Sequence[Path]) -> list[Path]:
    """Return the files named and, for folders, all images below them, sorted; each once.

    Raises `NotFound` for a path that does not exist or when there is no image at all.
    """
    images: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            images.update(dict.fromkeys(find_image_files(path)))
        elif path.is_file():
            images[path] = None
        else:
            raise NotFound(f"{path} does not exist", code="path_not_found")
    if not images:
        places = ", ".join(str(path) for path in paths)
        raise NotFound(f"there is no image in {places} ({' '.join(sorted(SUFFIXES))})", code="path_not_found")
    return list(images)
