"""The runtimes that a manifest can name. This is the only place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from splitleaf.core.errors import InvalidArtifact
from splitleaf.engine.runtime import Runtime
from splitleaf.registry.manifest import DEFAULT_RUNTIME

RuntimeFactory = Callable[[Path], Runtime]
"""Loads the artifact in a file. Raises `InvalidArtifact` if the file is not a network that the runtime can run."""


def _load_onnx(path: Path) -> Runtime:
    # Imported here, so that a process loads only the libraries of the runtimes that its versions name.
    from splitleaf.engine.onnx import OnnxRuntime

    return OnnxRuntime(path)


RUNTIMES: Final[Mapping[str, RuntimeFactory]] = {DEFAULT_RUNTIME: _load_onnx}
"""By the name in `[artifact] runtime`."""


def load_network(path: Path, name: str = DEFAULT_RUNTIME, runtimes: Mapping[str, RuntimeFactory] = RUNTIMES) -> Runtime:
    """Load the artifact `path` in the runtime `name`. Raises `InvalidArtifact`, also for an unknown name."""
    if name not in runtimes:
        known = ", ".join(sorted(runtimes))
        raise InvalidArtifact(f"the manifest names the runtime {name!r}; known are: {known}", code="unknown_runtime")
    return runtimes[name](path)
