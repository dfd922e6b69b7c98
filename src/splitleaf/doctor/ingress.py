"""What the doctor looks at between this installation and everybody else."""

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
EVERYBODY: Final = ("*", "0.0.0.0/0", "::/0")


def check_door(settings: Settings) -> Iterator[Finding]:
    """Who may say which address a client has, and is anybody bounded?"""
    edge, limits = settings.api, settings.limits
    trusted = [one.strip() for one in edge.forwarded_allow_ips.split(",")]
    is_public = edge.host not in LOOPBACK
    believes_everybody = any(one in EVERYBODY for one in trusted)
    if believes_everybody:
        # With a broker of its own, everything runs on this machine: then nothing but loopback is a proxy.
        yield Finding(
            "forwarded addresses",
            "note" if settings.redis_url else "warning",
            "whoever reaches the port is believed about the client's address",
            "right only where nothing but the proxy reaches it; else name that in SPLITLEAF_API__FORWARDED_ALLOW_IPS",
        )
    if is_public and not limits.per_address:
        has_proxy = believes_everybody or any(one not in LOOPBACK for one in trusted)
        detail = (
            "no limit of one client is set; only the proxy's bound it" if has_proxy else "nothing bounds one client"
        )
        yield Finding(
            "limits",
            "note" if has_proxy else "warning",
            detail,
            "set SPLITLEAF_LIMITS__PER_ADDRESS, for example to 120",
        )


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Can other users of this machine read them, or the database?"""
    if settings.secret_file is not None or settings.secret.get_secret_value():
        read_secret(settings)  # complains about one that is too short or cannot be read
    names = (SECRET_NAME, ADMIN_KEY_NAME, "outcomes.sqlite3")
    open_to_others = [path for name in names if _is_open(path := settings.data_dir / name, settings.data_dir)]
    if settings.secret_file is not None and _is_open(settings.secret_file, settings.secret_file.parent):
        open_to_others.append(settings.secret_file)
    for path in open_to_others:
        yield Finding("secrets", "warning", f"{path} can be read by other users", f"chmod 600 {path}")
    if not open_to_others:
        yield Finding("secrets", "ok", "kept from other users")


def check_port(settings: Settings) -> Iterator[Finding]:
    """Does it run?"""
    from splitleaf.supervision.ports import is_free
    from splitleaf.supervision.readiness import ask_ready

    edge = settings.api
    place = f"{edge.host}:{edge.port}"
    if is_free(edge.host, edge.port):
        yield Finding("port", "ok", f"{place} is free; nothing is running there")
        return
    problems = asyncio.run(ask_ready(edge.host, edge.port))
    if problems is None:
        yield Finding("port", "note", f"{place} is taken by another program; `splitleaf up` takes the next free one")
    elif problems:
        yield Finding("running system", "problem", f"{place} is not ready: {', '.join(problems)}")
    else:
        yield Finding("running system", "ok", f"{place} is ready")


def _is_open(path: Path, folder: Path) -> bool:
    """Tell whether others can read a file: its own rights allow it, and its folder lets them in."""
    others = stat.S_IRWXG | stat.S_IRWXO
    return path.exists() and bool(path.stat().st_mode & others) and bool(folder.stat().st_mode & others)
