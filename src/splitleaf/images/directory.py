"""Kept images in a folder: one file each, named by the prediction's id and by nothing that a client sent."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from splitleaf.core.errors import DependencyDown
from splitleaf.core.ids import is_prediction_id
from splitleaf.images.archive import Swept

_SUFFIX: Final = ".jpg"
_UNFINISHED: Final = ".part"


class DirectoryImageArchive:
    """Keeps the promises of `ImageArchive` on a file system that all who use it share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, prediction_id: str, jpeg: bytes) -> None:
        path = self._path(prediction_id)
        with _our_errors():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, unfinished = tempfile.mkstemp(suffix=_UNFINISHED, dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(jpeg)
                Path(unfinished).replace(path)
            except BaseException:
                Path(unfinished).unlink(missing_ok=True)
                raise

    def holds(self, prediction_id: str) -> bool:
        with _our_errors():
            return self._path(prediction_id).is_file()

    def load(self, prediction_id: str) -> bytes | None:
        with _our_errors():
            try:
                return self._path(prediction_id).read_bytes()
            except FileNotFoundError:
                return None

    def discard(self, prediction_id: str) -> bool:
        with _our_errors():
            try:
                self._path(prediction_id).unlink()
            except FileNotFoundError:
                return False
            return True

    def sweep(self, before_ms: int, max_bytes: int) -> Swept:
        with _our_errors():
            files = sorted(self._files())
        total, discarded = sum(size for _, size, _ in files), 0
        for modified_ms, size, path in files:
            if modified_ms >= before_ms and total <= max_bytes:
                break
            with _our_errors():
                path.unlink(missing_ok=True)
            total, discarded = total - size, discarded + 1
        return Swept(discarded, len(files) - discarded, total)

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Yield (time in ms, bytes, path) of all files, those that a process which died left unfinished too."""
        if not self._folder.is_dir():
            return
        for shard in self._folder.iterdir():
            if not shard.is_dir():
                continue
            with os.scandir(shard) as entries:
                for entry in entries:
                    # One that someone else deleted meanwhile is none.
                    with contextlib.suppress(FileNotFoundError):
                        if entry.name.endswith((_SUFFIX, _UNFINISHED)):
                            facts = entry.stat()
                            yield facts.st_mtime_ns // 1_000_000, facts.st_size, Path(entry.path)

    def _path(self, prediction_id: str) -> Path:
        if not is_prediction_id(prediction_id):
            raise ValueError("not a prediction's id")  # a path may be made of nothing else
        return self._folder / prediction_id[:2] / f"{prediction_id}{_SUFFIX}"


@contextlib.contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DependencyDown(f"the kept images cannot be reached: {error.strerror or error}") from error
