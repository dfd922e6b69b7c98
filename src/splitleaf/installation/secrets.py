"""Secrets of an installation: given by the operator, or made once and kept in the data folder."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from splitleaf.core.access import key_digest, new_key
from splitleaf.core.errors import ConfigurationError
from splitleaf.installation.data_folder import make_data_dir
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


def keep_secret(settings: Settings, secret: str) -> bool:
    """Make this the installation's secret, where it is kept in the data folder; tell whether it is the secret now."""
    if settings.secret_file is not None or settings.secret.get_secret_value():
        return read_secret(settings).decode() == secret
    path = settings.data_dir / SECRET_NAME
    make_data_dir(path.parent)
    path.unlink(missing_ok=True)
    _make(path, secret)
    return True


def kept_admin_key(settings: Settings) -> tuple[Path, str]:
    """Return the file of the embedded installation's admin key and the key's SHA-256 (hex)."""
    path = settings.data_dir / ADMIN_KEY_NAME
    return path, key_digest(_kept(path, new_key))


def _fresh() -> str:
    return secrets.token_urlsafe(32)


def _kept(path: Path, fresh: Callable[[], str] = _fresh) -> str:
    """Return what the file holds, making it first if there is none; safe when several processes do so."""
    make_data_dir(path.parent)
    if not path.exists():
        _make(path, fresh())
    kept = _read(path)
    if len(kept) < _SHORTEST:
        raise ConfigurationError(f"{path} holds no secret; remove it, and a new one is made")
    return kept


def _make(path: Path, secret: str) -> None:
    """The file appears whole or not at all: nobody may read the empty beginning of a secret."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret)
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
