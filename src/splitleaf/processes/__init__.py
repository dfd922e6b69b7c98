"""Composition roots: build objects from Settings, nothing else."""

import sys
from typing import Any, cast


def _import_structlog_alone() -> None:
    """Import structlog without rich, which it can do without, and which takes a tenth of a second in each process.

    Here, because each role comes by here before it imports anything that logs.
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
