"""Reads untrusted files: only regular ones, and only up to a limit."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_plain(path: Path) -> BufferedReader:
    """Open a regular file. Raises `OSError` for any other: a FIFO would block, and a device never ends."""
    # Checked before it is opened, because opening has side effects on some devices.
    _require_plain(path.stat(), path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_plain(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Return the bytes of a file. Raises `OSError` if it is not a regular file, or is longer."""
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
