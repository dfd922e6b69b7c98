"""Files of strangers: only plain ones are opened, and no more is read of them than was asked for."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_plain(path: Path) -> BufferedReader:
    """Open a file for reading. Raises `OSError` for what is none: a FIFO would wait for ever, a device never end."""
    # Looked at before it is opened, for opening alone does something to some devices.
    _require_plain(path.stat(), path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_plain(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Return a file's bytes. Raises `OSError` for what is no plain file, or is longer."""
    with open_plain(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it is longer than {most_bytes:,} bytes", str(path))
    return data


def read_plain_text(path: Path, most_bytes: int) -> str:
    """Return a file's text. Raises as `read_plain` does, and `UnicodeDecodeError`."""
    return read_plain(path, most_bytes).decode("utf-8").replace("\r\n", "\n")


def _require_plain(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))


__all__ = ["open_plain", "read_plain", "read_plain_text"]
