"""The Lua scripts, each loaded once and called by its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_SHARED = ("finalize", "admission")


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the SHA-1 by which the broker knows it."""

    source: str
    digest: str


@cache
def script(name: str) -> Script:
    """Read `scripts/NAME.lua`, with the shared parts in front that it asks for."""
    source = _read(name)
    for shared in _SHARED:
        if f"-- uses: {shared}" in source:
            shebang, body = source.split("\n", 1)
            source = f"{shebang}\n{_read(shared)}\n{body}"
    # The broker's name for a script, not a safeguard.
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (resources.files("splitleaf.jobs") / "scripts" / f"{name}.lua").read_text(encoding="utf-8")
