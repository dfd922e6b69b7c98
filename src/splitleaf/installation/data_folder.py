"""The data folder: only its owner can read it, and one running system uses it at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from splitleaf.core.errors import ConfigurationError

LOCK_NAME = "up.lock"


def make_data_dir(data_dir: Path) -> None:
    """Create the folder if it does not exist. Raises `ConfigurationError` when that fails."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {data_dir.absolute()} cannot be created: {error.strerror}", code="data_unusable"
        ) from error


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Lock the folder for this process. The lock ends with the process, even if the process is killed.

    Raises `ConfigurationError` when another process holds it, or when it cannot be written to.
    """
    make_data_dir(data_dir)
    try:
        descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {data_dir.absolute()} cannot be written to: {error.strerror}", code="data_unusable"
        ) from error
    try:
        _lock(descriptor, data_dir)
        yield
    finally:
        os.close(descriptor)


def is_in_use(data_dir: Path) -> bool:
    """Return whether a running `splitleaf up` holds the folder."""
    try:
        descriptor = os.open(data_dir / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        raise ConfigurationError(
            f"{data_dir.absolute()} is in use by another `splitleaf up` (process {owner}); "
            "stop it, or name another folder with --data",
            code="data_in_use",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
