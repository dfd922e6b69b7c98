"""The package's version, from the tags of git; hatchling asks for `version()` when it builds.

At the tag v1.2.3 it is 1.2.3, five commits later 1.2.4.dev5+gabc1234 (PEP 440). `BUILD_VERSION` overrides it, for
builds that have no git, such as those of the images. Without either it is the version of the next release.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

NEXT: Final = "0.1.0"
"""What is released next while there is no tag."""
_DESCRIBED: Final = re.compile(r"v(\d+)\.(\d+)\.(\d+)-(\d+)-(g[0-9a-f]+)")


def version() -> str:
    return os.environ.get("BUILD_VERSION") or from_description(_describe())


def from_description(described: str) -> str:
    """Return the version for what `git describe --tags --long` prints; shape vX.Y.Z-COMMITS-gHASH."""
    found = _DESCRIBED.fullmatch(described.strip())
    if not found:
        return f"{NEXT}.dev0"
    major, minor, patch, commits, commit = found.groups()
    if commits == "0":
        return f"{major}.{minor}.{patch}"
    return f"{major}.{minor}.{int(patch) + 1}.dev{commits}+{commit}"


def _describe() -> str:
    command = ["git", "describe", "--tags", "--long", "--match", "v[0-9]*.[0-9]*.[0-9]*"]
    try:
        return subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except OSError:
        return ""
