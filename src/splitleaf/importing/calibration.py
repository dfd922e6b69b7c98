"""Fitting the temperature: Guo et al. 2017 (arXiv 1706.04599), one parameter by maximum likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splitleaf.engine.calibration import calibrate

_LOWEST, _HIGHEST = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2
_BINS = 15


@dataclass(frozen=True, slots=True)
class CalibrationFit:
    """A fitted temperature, and what it changes on the images it was fitted on."""

    temperature: float
    images: int
    log_loss_before: float
    log_loss_after: float
    calibration_error_before: float
    """Expected calibration error, 15 bins of equal width."""
    calibration_error_after: float


def fit_temperature(
    outputs: NDArray[np.float32], truth: NDArray[np.int64], output: Literal["probabilities", "logits"]
) -> CalibrationFit:
    """Return the temperature with the smallest log loss. `outputs` is (n, classes), `truth` the right column."""
    low, high = math.log(_LOWEST), math.log(_HIGHEST)

    def loss(log_temperature: float) -> float:
        return _log_loss(calibrate(outputs, output, math.exp(log_temperature)), truth)

    # The loss is convex in 1/T, hence has one valley in log T: golden-section search finds it.
    while high - low > 1e-4:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    temperature = round(math.exp((low + high) / 2), 4)
    before, after = calibrate(outputs, output, 1.0), calibrate(outputs, output, temperature)
    return CalibrationFit(
        temperature,
        len(truth),
        _log_loss(before, truth),
        _log_loss(after, truth),
        calibration_error(before, truth),
        calibration_error(after, truth),
    )


def calibration_error(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Return the expected calibration error: mean |accuracy - confidence| over bins of confidence."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(right[bins == b].mean()) - float(confidence[bins == b].mean())) * (bins == b).sum() for b in set(bins)
    ]
    return float(sum(gaps) / len(truth))


def _log_loss(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())
