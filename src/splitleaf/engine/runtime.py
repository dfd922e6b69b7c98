"""The port of an inference runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatBatch = NDArray[np.float32]


class Runtime(Protocol):
    """A loaded network. `run` may be called from several threads at once."""

    def run(self, batch: FloatBatch) -> FloatBatch:
        """Return the network's scores (n, classes) for a batch (n, height, width, channels).

        Raises `EngineFailed` when the network cannot process the batch.
        """
        ...

    def run_with(self, batch: FloatBatch, outputs: Sequence[str]) -> tuple[FloatBatch, ...]:
        """Return the scores as `run` does, then the named auxiliary outputs of the same run."""
        ...
