"""The script that the import environment's Python is started with: `bootstrap.py REQUEST.json RESULT.json`.

Limits itself first, then loads this folder as a package of its own name (the interpreter does not have
Splitleaf), does the one task that the request names and writes the result.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import resource
import sys
from pathlib import Path
from typing import Any

PACKAGE = "splitleaf_import_child"


def main(request_file: str, result_file: str) -> None:
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    limit_self(request.get("limits", {}))
    load_package(Path(__file__).parent)
    tasks = importlib.import_module(f"{PACKAGE}.tasks")
    Path(result_file).write_text(json.dumps(tasks.perform(request)), encoding="utf-8")


def limit_self(limits: dict[str, int]) -> None:
    """Lower this process's limits, where the system has them; a limit is never raised."""
    names = {"memory_bytes": "RLIMIT_AS", "cpu_s": "RLIMIT_CPU", "file_bytes": "RLIMIT_FSIZE"}
    wanted: dict[str, int] = {names[key]: value for key, value in limits.items() if key in names}
    for name, value in {**wanted, "RLIMIT_CORE": 0}.items():
        try:
            number: int = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            resource.setrlimit(number, (value, value) if hard == resource.RLIM_INFINITY else (min(value, hard), hard))
        except (AttributeError, ValueError, OSError):
            # macOS has no working address-space limit; the time-out of the parent still holds.
            continue


def load_package(folder: Path) -> Any:
    """Import the package in `folder` under a name of its own, without putting anything on the path."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    return package


if __name__ == "__main__":
    main(*sys.argv[1:])
