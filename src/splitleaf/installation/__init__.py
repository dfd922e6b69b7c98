"""The parts of an installation, built from `Settings`: broker, database, kept images, models, data folder, secrets."""

import sys
from typing import Any, cast


def _import_structlog_alone() -> None:
    """Import structlog without rich, which it can do without, and which takes a tenth of a second in each process.

    It runs here because every process imports this package before anything that logs.
    """
    if "rich" in sys.modules:
        return
    modules = cast("dict[str, Any]", sys.modules)
    modules["rich"] = None
    try:
        import structlog  # noqa: F401 - for what it finds missing now
    finally:
        del modules["rich"]


_import_structlog_alone()
