"""Secrets of an installation: set by the operator, or created once in the data folder."""

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

    Raises `ConfigurationError` for one that is too short.
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
    """Make this the installation's secret if it is stored in the data folder; return whether it is the secret now."""
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
    """Return the content of the file, which is created if it is missing. Several processes may do so at once."""
    make_data_dir(path.parent)
    if not path.exists():
        _make(path, fresh())
    kept = _read(path)
    if len(kept) < _SHORTEST:
        raise ConfigurationError(f"{path} does not contain a secret; remove it to have a new one created")
    return kept


def _make(path: Path, secret: str) -> None:
    """Create the file in one step: no process may read a part of a secret."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        raise ConfigurationError(f"the secret cannot be stored in {path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the secret cannot be read from {path}") from error
