"""Proof that the artifact answers as the original does, on identical input tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.engine.calibration import calibrate

TOLERANCE = 1e-4
ROUNDINGS = 8
"""Where the original itself moves by more than an eighth of the tolerance when its images move by one rounding of
float32, no conversion can be nearer to it than that. Measured: two runtimes differ by one to five such moves."""
LOOSEST = 1e-3
"""Whatever the original does: as near as an answer must be to its golden one when the version is loaded."""
_TIE = 1e-6
"""Two classes closer than this are one answer: float32 cannot tell them apart."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the artifact is from the original."""

    random_pictures: int
    real_pictures: int
    same_top_1: int
    largest_difference: float
    """Of any probability."""
    reference: str
    """What answered as the original."""

    @property
    def images(self) -> int:
        return self.random_pictures + self.real_pictures


def compare(
    original: NDArray[np.float32],
    artifact: NDArray[np.float32],
    *,
    output: Literal["probabilities", "logits"],
    random_pictures: int,
    reference: str,
    nudged: Callable[[], NDArray[np.float32]] | None = None,
) -> Parity:
    """Compare raw outputs (n, classes). Raises `ImportRefused` (`parity_failed`) unless they agree.

    `nudged` gives the original's outputs for the same images, moved by one rounding. It is asked only where the
    probabilities are further apart than `TOLERANCE`.
    """
    if original.shape != artifact.shape:
        raise ImportRefused(
            f"the original answers {original.shape}, the artifact {artifact.shape}", code="parity_failed"
        )
    expected, found = calibrate(original, output, 1.0), calibrate(artifact, output, 1.0)
    largest = float(np.abs(expected - found).max())
    rows = np.arange(len(found))
    # The artifact's choice must be as probable in the original as the original's own.
    same = expected[rows, found.argmax(axis=1)] >= expected.max(axis=1) - _TIE
    parity = Parity(random_pictures, len(found) - random_pictures, int(same.sum()), largest, reference)
    allowed = TOLERANCE
    if nudged and same.all() and TOLERANCE < largest <= LOOSEST:
        own = float(np.abs(expected - calibrate(nudged(), output, 1.0)).max())
        allowed = min(max(TOLERANCE, ROUNDINGS * own), LOOSEST)
    # Written so that a difference that is not a number fails, too.
    if not (same.all() and largest <= allowed):
        raise ImportRefused(
            f"the converted network answers otherwise than the original: same top-1 on {parity.same_top_1} of "
            f"{parity.images} images, largest difference of a probability {largest:.2g} (allowed {allowed:.2g})",
            code="parity_failed",
        )
    return parity


def nudge(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the images with every value moved to its next neighbour in float32, up or down by chance."""
    up = np.random.default_rng(0).random(batch.shape) < 0.5
    return np.nextafter(batch, np.where(up, np.inf, -np.inf).astype(np.float32))
