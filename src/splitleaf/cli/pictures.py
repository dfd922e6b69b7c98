"""Which pictures a command means, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splitleaf.core.errors import NotFound

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".heic", ".heif", ".avif", ".mpo"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one file."""

    path: Path
    label: str = ""
    display_name: str = ""
    confidence: float = 0.0
    """Percent."""
    is_sure: bool = True
    error_code: str = ""
    error_detail: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.error_code)

    @property
    def truth(self) -> str:
        """The name of the folder that holds the picture, for folders of labelled pictures."""
        return self.path.parent.name


def collect_pictures(paths: Sequence[Path]) -> list[Path]:
    """Return the files named and, for folders, all pictures below them, sorted.

    Raises `NotFound` for a path that does not exist or when there is no picture at all.
    """
    pictures: list[Path] = []
    for path in paths:
        if path.is_dir():
            pictures += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        elif path.is_file():
            pictures.append(path)
        else:
            raise NotFound(f"{path} does not exist", code="path_not_found")
    if not pictures:
        raise NotFound("no picture found there", code="path_not_found")
    return pictures
