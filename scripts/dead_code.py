"""Find code that nothing uses: `python scripts/dead_code.py`. Exit status 1 when it finds any.

Two passes of vulture. The first reads src/ alone, so code that only tests use counts as dead. The second reads
everything and reports the rest: test support, benchmarks and scripts.

Fields of records are left out: they are read by name, from JSON or from a database row. Attributes are left out, too,
because most of them are set for a library. `[tool.dead_code]` in pyproject.toml lists the exceptions.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from vulture.core import Item, Vulture

ROOT: Final = Path(__file__).parent.parent
ELSEWHERE: Final = ("tests", "benchmarks", "scripts", "deploy", "training")


def main() -> int:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dead_code"]
    found = [*_unused(options, "src"), *(one for one in _unused(options, "src", *ELSEWHERE) if not _is_shipped(one))]
    for one in found:
        print(f"{one.filename.relative_to(ROOT)}:{one.first_lineno}: unused {one.typ} {one.name}", file=sys.stderr)
    return bool(found)


def _unused(options: dict[str, Any], *folders: str) -> Iterator[Item]:
    vulture = Vulture(ignore_names=options["ignore_names"], ignore_decorators=options["ignore_decorators"])
    vulture.scavenge([ROOT / folder for folder in folders], exclude=[f"{ROOT}/{path}" for path in options["exclude"]])
    return (one for one in vulture.get_unused_code(min_confidence=60) if not _is_field(one))


def _is_shipped(item: Item) -> bool:
    return item.filename.is_relative_to(ROOT / "src")


def _is_field(item: Item) -> bool:
    if item.typ == "attribute":
        return True
    line = item.filename.read_text(encoding="utf-8").splitlines()[item.first_lineno - 1]
    return item.typ == "variable" and line.startswith(" ")


if __name__ == "__main__":
    sys.exit(main())
