"""Checks of the database, its schema and the keys."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from splitleaf.core.clock import SystemClock, as_rfc3339
from splitleaf.core.errors import SplitleafError
from splitleaf.doctor.findings import Finding
from splitleaf.installation.secrets import ADMIN_KEY_NAME
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION
from splitleaf.settings import Settings

_PROBE_BYTES: Final = 1_000_000
SOON_MS: Final = 14 * 86_400_000
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")


def check_database(settings: Settings) -> Iterator[Finding]:
    """Check that the database answers, has this release's schema and can be written to. Changes nothing."""
    from splitleaf.installation.store import new_archive, new_store
    from splitleaf.outcomes.migrations.run import HEAD

    if not settings.database_url and not (settings.data_dir / "outcomes.sqlite3").exists():
        yield Finding("database", "ok", "SQLite; created at the first start")
        return
    if fault := _cannot_write(settings.effective_database_url):
        yield Finding(
            "database disk",
            "problem",
            fault,
            "free disk space, or correct the folder's permissions: outcomes are not recorded",
        )
    kind = "PostgreSQL" if settings.database_url.startswith("postgres") else "SQLite"
    with contextlib.closing(new_archive(settings)) as archive:
        schema = archive.schema()
    yield Finding("database", "ok", f"{kind} answers")
    if schema == HEAD:
        with contextlib.closing(new_store(settings)) as store:
            yield from _of_content(settings, store)
    elif schema is None or schema < HEAD:
        advice = "back up, then start any service: it migrates the database"
        yield Finding(
            "database schema", "warning", f"the schema is {schema or 'missing'}, and this release needs {HEAD}", advice
        )
    else:
        advice = "run the release that created it or a newer one, or restore the backup from before the upgrade"
        detail = f"the schema {schema} belongs to a newer release; this one knows schemas up to {HEAD}"
        yield Finding("database schema", "problem", detail, advice)


def _cannot_write(url: str) -> str:
    """Return why a megabyte cannot be written next to the SQLite file; empty if it can, or without such a file.

    Free disk space alone does not show it: there are quotas, limits and read-only file systems.
    """
    _, separator, path = url.partition("sqlite:///")
    if not separator or not path:
        return ""
    try:
        with tempfile.TemporaryFile(dir=Path(path).parent) as file:
            file.write(os.urandom(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{Path(path).parent} cannot be written to: {error.strerror}"
    return ""


def check_keys(settings: Settings) -> Iterator[Finding]:
    """Check that the settings hold digests of keys, not keys: a key there never matches."""
    wrong = [one for one in (*settings.admin_read_keys, *settings.admin_write_keys) if not _DIGEST.fullmatch(one)]
    if wrong:
        yield Finding(
            "keys",
            "problem",
            f"{len(wrong)} of the admin keys in the settings are not SHA-256 digests (64 hexadecimal digits)",
            "set the output of `printf %s KEY | sha256sum`, never the key; if a key was set, replace that key",
        )
    elif not (settings.admin_read_keys or settings.admin_write_keys or (settings.data_dir / ADMIN_KEY_NAME).exists()):
        yield Finding("keys", "note", "the settings contain none", "create one with `splitleaf keys create`")


def _of_content(settings: Settings, store: OutcomeStore) -> Iterator[Finding]:
    champion = store.aliases().get(CHAMPION)
    with contextlib.suppress(SplitleafError, OSError):
        imported = [one.version for one in Catalogue(settings.models_dir).imported()]
        if champion and champion not in imported:
            advice = "run `splitleaf models alias champion VERSION`, or restore the version"
            yield Finding("champion", "problem", f"the alias names {champion}, which is not imported", advice)
    if aside := store.aside():
        advice = "see the table `set_aside`"
        yield Finding("records", "warning", f"{len(aside)} outcomes could not be recorded and were set aside", advice)
    now_ms = SystemClock().now_ms()
    for key in store.api_keys():
        if key.is_in_force(now_ms) and key.expires_ms is not None and key.expires_ms - now_ms < SOON_MS:
            detail = f"{key.name} expires on {as_rfc3339(key.expires_ms)}"
            yield Finding(f"key {key.key_id}", "warning", detail, "create the next one: docs/how-to/rotate-keys.md")
