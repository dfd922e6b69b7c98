"""The Lua scripts, each loaded once and called by its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

_USES = re.compile(r"^-- uses: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the SHA-1 by which the broker knows it."""

    source: str
    digest: str


@cache
def script(name: str) -> Script:
    """Read `scripts/NAME.lua`, with the shared parts that it uses, and that these use, in front."""
    shebang, body = _read(name).split("\n", 1)
    parts = dict.fromkeys(part for used in _used(body) for part in _with_used(used))
    source = "\n".join((shebang, *(_read(part) for part in parts), body))
    # The broker's name for a script, not a safeguard.
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _with_used(part: str) -> Iterator[str]:
    for used in _used(_read(part)):
        yield from _with_used(used)
    yield part


def _used(text: str) -> list[str]:
    found = _USES.search(text)
    return found[1].split(", ") if found else []


def _read(name: str) -> str:
    return (resources.files("splitleaf.jobs") / "scripts" / f"{name}.lua").read_text(encoding="utf-8")
