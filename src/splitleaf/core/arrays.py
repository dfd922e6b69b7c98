"""Archives of arrays (`.npz`) of untrusted clients, read into no more memory than was allowed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.files import open_plain

MOST_BYTES: Final = 1 << 29
"""Sixteen images of 1,500 pixels a side in float32 are less."""


def read_arrays(path: Path, most_bytes: int = MOST_BYTES) -> Mapping[str, NDArray[Any]]:
    """Return the arrays by name. Raises `ValueError` or `OSError` for what is no such archive, or larger."""
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if sum(one.file_size for one in entries) > most_bytes:
                raise ValueError(f"its arrays are larger than {most_bytes:,} bytes")
            return {one.filename.removesuffix(".npy"): _read(archive, one) for one in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, MemoryError) as error:
        raise ValueError(f"it is no archive of arrays: {error}") from error


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, kind = read_header(file)
        # The head says what is allocated, so it may not say more than there is.
        size = kind.itemsize * int(np.prod([int(side) for side in shape], dtype=object))
        if kind.hasobject or not 0 <= size <= entry.file_size:
            raise ValueError(f"{entry.filename} is not the array that its head describes")
        return np.ndarray(shape, kind, file.read(size), order="F" if is_fortran else "C")


__all__ = ["MOST_BYTES", "read_arrays"]
