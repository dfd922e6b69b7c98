"""Checks of what can reach this installation: proxies, client limits, secrets, the port."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from splitleaf.doctor.findings import Finding
from splitleaf.installation.secrets import ADMIN_KEY_NAME, SECRET_NAME, read_secret
from splitleaf.settings import Settings

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
ANYONE: Final = ("*", "0.0.0.0/0", "::/0")


def check_ingress(settings: Settings) -> Iterator[Finding]:
    """Check which proxies are trusted for client addresses, and whether clients have a limit."""
    edge, limits = settings.api, settings.limits
    trusted = [one.strip() for one in edge.forwarded_allow_ips.split(",")]
    is_public = edge.host not in LOOPBACK
    trusts_anyone = any(one in ANYONE for one in trusted)
    if trusts_anyone:
        # With an embedded broker, everything runs on this machine, and only a loopback address can be a proxy.
        yield Finding(
            "forwarded addresses",
            "note" if settings.redis_url else "warning",
            "forwarded client addresses are trusted from anyone who can reach the port",
            "use this only if only the proxy can reach the port; otherwise set SPLITLEAF_API__FORWARDED_ALLOW_IPS",
        )
    if is_public and not limits.per_address:
        has_proxy = trusts_anyone or any(one not in LOOPBACK for one in trusted)
        detail = "only the proxy limits a single client" if has_proxy else "nothing limits a single client"
        yield Finding(
            "limits",
            "note" if has_proxy else "warning",
            detail,
            "set SPLITLEAF_LIMITS__PER_ADDRESS, for example to 120",
        )


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Check that other users of this machine cannot read the secrets or the database."""
    if settings.secret_file is not None or settings.secret.get_secret_value():
        read_secret(settings)  # raises for one that is too short or cannot be read
    names = (SECRET_NAME, ADMIN_KEY_NAME, "outcomes.sqlite3")
    open_to_others = [path for name in names if _is_open(path := settings.data_dir / name, settings.data_dir)]
    if settings.secret_file is not None and _is_open(settings.secret_file, settings.secret_file.parent):
        open_to_others.append(settings.secret_file)
    for path in open_to_others:
        yield Finding("secrets", "warning", f"{path} can be read by other users", f"chmod 600 {path}")
    if not open_to_others:
        yield Finding("secrets", "ok", "other users cannot read them")


def check_port(settings: Settings) -> Iterator[Finding]:
    """Check whether the service is running."""
    from splitleaf.supervision.ports import is_free
    from splitleaf.supervision.readiness import ask_ready

    edge = settings.api
    place = f"{edge.host}:{edge.port}"
    if is_free(edge.host, edge.port):
        yield Finding("port", "ok", f"{place} is free; the service is not running")
        return
    problems = asyncio.run(ask_ready(edge.host, edge.port))
    if problems is None:
        yield Finding("port", "note", f"another program uses {place}; `splitleaf up` uses the next free port")
    elif problems:
        yield Finding("running system", "problem", f"{place} is not ready: {', '.join(problems)}")
    else:
        yield Finding("running system", "ok", f"{place} is ready")


def _is_open(path: Path, folder: Path) -> bool:
    """Return whether other users can read a file: its own permissions and those of its folder allow it."""
    others = stat.S_IRWXG | stat.S_IRWXO
    return path.exists() and bool(path.stat().st_mode & others) and bool(folder.stat().st_mode & others)
