"""Which files in a folder are images, by their names. What they really are is found out when they are decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".heic", ".heif", ".avif"})
_ARCHIVE_REMAINS: Final = "__MACOSX"
"""Folder that macOS adds to archives: it repeats the names of the files, but not their contents."""


def find_image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder in the order of their names, without hidden ones and hidden folders."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not is_hidden(path.relative_to(folder)) and path.is_file()
    ]


def is_hidden(path: Path) -> bool:
    """Tell whether a relative path leads through something hidden."""
    return any(part.startswith(".") or part == _ARCHIVE_REMAINS for part in path.parts)
