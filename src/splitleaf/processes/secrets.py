"""Secrets of an installation: given by the operator, or made once and kept in the data folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from splitleaf.core.errors import ConfigurationError
from splitleaf.processes.data import make_data_dir
from splitleaf.settings import Settings

SECRET_NAME = "secret.key"  # noqa: S105 - a file's name
ADMIN_KEY_NAME = "admin.key"
_SHORTEST = 16


def read_secret(settings: Settings) -> bytes:
    """Return the installation's secret; all API replicas must share it.

    Raises `ConfigurationError` when one is given but too short to be a secret.
    """
    given = settings.secret.get_secret_value()
    if settings.secret_file is not None:
        given = _read(settings.secret_file)
    if not given:
        return _kept(settings.data_dir / SECRET_NAME).encode()
    if len(given) < _SHORTEST:
        raise ConfigurationError(f"the secret must have at least {_SHORTEST} characters")
    return given.encode()


def kept_admin_key(settings: Settings) -> tuple[Path, str]:
    """Return the file of the embedded installation's admin key and the key's SHA-256 (hex)."""
    path = settings.data_dir / ADMIN_KEY_NAME
    return path, hashlib.sha256(_kept(path).encode()).hexdigest()


def _kept(path: Path) -> str:
    """Return what the file holds, making it first if there is none; safe when several processes do so."""
    make_data_dir(path.parent)
    if not path.exists():
        _make(path)
    kept = _read(path)
    if len(kept) < _SHORTEST:
        raise ConfigurationError(f"{path} holds no secret; remove it, and a new one is made")
    return kept


def _make(path: Path) -> None:
    """The file appears whole or not at all: nobody may read the empty beginning of a secret."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise ConfigurationError(f"no secret can be kept in {path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the secret cannot be read from {path}") from error
