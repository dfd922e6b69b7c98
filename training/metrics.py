"""What a network gets right, with intervals, and whether its confidence can be believed. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]
Labels = NDArray[np.int64]

BINS = 15
ANSWERED_FROM, POINTS = 0.5, 51
"""Of the abstention curve."""
TEMPERATURES = np.exp(np.linspace(np.log(0.2), np.log(5.0), 641))


def evaluate(logits: Floats, labels: Labels, names: Sequence[str], temperature: float) -> dict[str, Any]:
    """Return accuracy and recall by class with 95 % Wilson intervals, the confusion matrix, and calibration.

    `logits` (n, classes) and `labels` (n,). Calibration errors are given at temperature 1 and at `temperature`.
    """
    plain, calibrated = softmax(logits), softmax(logits / temperature)
    confusion = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
    right, photos = int(confusion.trace()), len(labels)
    return {
        "photos": photos,
        "right": right,
        "accuracy": round(right / photos, 4),
        "accuracy_interval": _rounded(wilson(right, photos)),
        "recall": {
            name: {
                "photos": int(row.sum()),
                "recall": round(float(row[index] / max(1, row.sum())), 4),
                "interval": _rounded(wilson(int(row[index]), int(row.sum()))),
            }
            for index, (name, row) in enumerate(zip(names, confusion, strict=True))
        },
        "confusion": confusion.tolist(),
        "ece_uncalibrated": round(calibration_error(plain, labels), 4),
        "ece": round(calibration_error(calibrated, labels), 4),
        "reliability": reliability(calibrated, labels),
        "abstention": abstention(calibrated, labels),
    }


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Return probabilities (n, classes)."""
    powers: NDArray[np.float64] = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval (Wilson 1927) of a share; (0, 1) where nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    share, square = right / total, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * float(np.sqrt(share * (1 - share) / total + square / (4 * total * total)))
    return max(0.0, centre - half), min(1.0, centre + half)


def reliability(probabilities: Floats, labels: Labels) -> list[dict[str, float]]:
    """Return a row for each bin of confidence (15 of equal width) that holds a photo."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "photos": int((bins == index).sum()),
            "confidence": round(float(confidence[bins == index].mean()), 4),
            "accuracy": round(float(right[bins == index].mean()), 4),
        }
        for index in np.unique(bins)
    ]


def calibration_error(probabilities: Floats, labels: Labels) -> float:
    """Return the expected calibration error: the mean distance of confidence from accuracy (Guo et al. 2017)."""
    rows = reliability(probabilities, labels)
    return sum(row["photos"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(labels)


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Return the temperature with the smallest log loss, to about 0.5 %."""
    rows = np.arange(len(labels))
    losses = [-np.log(np.maximum(softmax(logits / t)[rows, labels], 1e-12)).mean() for t in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 4)


def abstention(probabilities: Floats, labels: Labels) -> list[dict[str, float]]:
    """Return how right the answers are at each share of the photos that get one, the most confident first."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    answered = np.arange(1, len(labels) + 1)
    shown = np.unique(np.rint(np.linspace(ANSWERED_FROM, 1.0, POINTS) * len(labels)).astype(int))
    accuracy = np.cumsum(right) / answered
    confidence = probabilities.max(axis=1)[order]
    return [
        {
            "answered": round(count / len(labels), 4),
            "accuracy": round(float(accuracy[count - 1]), 4),
            "confidence": round(float(confidence[count - 1]), 4),
        }
        for count in map(int, shown)
    ]


def _rounded(interval: tuple[float, float]) -> list[float]:
    return [round(end, 4) for end in interval]
