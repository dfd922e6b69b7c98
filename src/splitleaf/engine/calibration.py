"""Network outputs -> calibrated probabilities.

Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv 1706.04599):
the logits are divided by one positive number before the softmax, which never changes their order.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splitleaf.engine.runtime import FloatBatch

# Below this a float32 softmax has no information left; it also keeps log() finite.
_SMALLEST = 1e-12


def calibrate(
    outputs: FloatBatch, output: Literal["probabilities", "logits"], temperature: float
) -> NDArray[np.float64]:
    """Return probabilities (n, classes), each row summing to 1, from outputs of the same shape.

    The logarithm turns probabilities back into logits, up to a constant per row that the softmax removes.
    """
    values = outputs.astype(np.float64)
    if output == "probabilities":
        if temperature == 1.0:
            shares: NDArray[np.float64] = values / values.sum(axis=1, keepdims=True)
            return shares
        values = np.log(np.maximum(values, _SMALLEST))
    return softmax(values / temperature)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(x) / sum(exp(x)) of each row, without overflow."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Shannon entropy of each row in nats."""
    result: NDArray[np.float64] = -(probabilities * np.log(np.maximum(probabilities, _SMALLEST))).sum(axis=1)
    return result
