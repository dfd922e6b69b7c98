"""What the doctor looks at in the database: can it be reached, is it of this release, is somebody let in."""

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
    """Ask the database, look at what stands in it, and try to write beside it; changes nothing."""
    from splitleaf.outcomes.migrations.run import HEAD
    from splitleaf.outcomes.sql import SqlOutcomeStore
    from splitleaf.outcomes.sql.dump import SqlArchive

    if not settings.database_url and not (settings.data_dir / "outcomes.sqlite3").exists():
        yield Finding("database", "ok", "SQLite; made at the first start")
        return
    if fault := _cannot_write(settings.effective_database_url):
        yield Finding("database disk", "problem", fault, "make room, or mend the folder's rights: nothing is recorded")
    kind = "PostgreSQL" if settings.database_url.startswith("postgres") else "SQLite"
    with contextlib.closing(SqlArchive(settings.effective_database_url)) as archive:
        schema = archive.schema()
    yield Finding("database", "ok", f"{kind} answers")
    if schema == HEAD:
        with contextlib.closing(SqlOutcomeStore(settings.effective_database_url)) as store:
            yield from _of_content(settings, store)
    elif schema is None or schema < HEAD:
        advice = "any service brings it up to date at its start; back up first"
        yield Finding("database schema", "warning", f"{schema or 'none'}, and this release's is {HEAD}", advice)
    else:
        advice = "run the release that made it, or a newer one; or restore the backup from before"
        detail = f"{schema} is of a newer release than this one, which knows up to {HEAD}"
        yield Finding("database schema", "problem", detail, advice)


def _cannot_write(url: str) -> str:
    """Return why a megabyte cannot be written beside the SQLite file; empty where it can, or the file is elsewhere.

    The free space of a disk does not tell: there are quotas, limits, and disks that have turned read-only.
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
        return f"{Path(path).parent} takes no more: {error.strerror}"
    return ""


def check_keys(settings: Settings) -> Iterator[Finding]:
    """A setting that holds a key itself, where its digest belongs, lets nobody in."""
    wrong = [one for one in (*settings.admin_read_keys, *settings.admin_write_keys) if not _DIGEST.fullmatch(one)]
    if wrong:
        yield Finding(
            "keys",
            "problem",
            f"{len(wrong)} of the admin keys in the settings are no SHA-256 (64 hexadecimal digits)",
            "put `printf %s KEY | sha256sum` there, never the key; if it was one, make another",
        )
    elif not (settings.admin_read_keys or settings.admin_write_keys or (settings.data_dir / ADMIN_KEY_NAME).exists()):
        yield Finding("keys", "note", "the settings name none", "`splitleaf keys create` makes one")


def _of_content(settings: Settings, store: OutcomeStore) -> Iterator[Finding]:
    champion = store.aliases().get(CHAMPION)
    with contextlib.suppress(SplitleafError, OSError):
        imported = [one.version for one in Catalogue(settings.models_dir).imported()]
        if champion and champion not in imported:
            advice = "`splitleaf models alias champion VERSION`, or bring the version back"
            yield Finding("champion", "problem", f"the alias names {champion}, which is not imported", advice)
    if aside := store.aside():
        advice = "see the table `set_aside`: these could not be recorded"
        yield Finding("records", "warning", f"{len(aside)} outcomes were set aside", advice)
    now_ms = SystemClock().now_ms()
    for key in store.api_keys():
        if key.is_in_force(now_ms) and key.expires_ms is not None and key.expires_ms - now_ms < SOON_MS:
            detail = f"{key.name} ends on {as_rfc3339(key.expires_ms)}"
            yield Finding(f"key {key.key_id}", "warning", detail, "make the next one: docs/how-to/rotate-keys.md")
