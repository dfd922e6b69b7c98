"""What an import found out about a version, kept next to its artifact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from splitleaf.core.files import read_plain_text
from splitleaf.registry.catalogue import VersionFolder

REPORT_NAME: Final = "import-report.json"
_MAX_BYTES: Final = 5_000_000


def read_report(folder: VersionFolder) -> dict[str, Any] | None:
    """Return the report of the import; None where there is none, or none that can be read."""
    if folder.manifest is None:
        return None
    path = folder.folder / Path(folder.manifest.artifact.file).parent / REPORT_NAME
    try:
        report = json.loads(read_plain_text(path, _MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None
