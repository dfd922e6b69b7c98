"""What a network gets right, with intervals."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np

from pictures import Pictures

BINS = 15


def evaluate(network: keras.Model, pictures: Pictures) -> dict[str, Any]:
    """Return accuracy with its 95 % Wilson interval, recall by class, confusion matrix, ECE, and latency."""
    probabilities = network.predict(pictures.pixels.astype(np.float32), batch_size=64, verbose=0)
    answers = probabilities.argmax(axis=1)
    right = int((answers == pictures.labels).sum())
    low, high = wilson(right, len(pictures))
    classes = len(pictures.names)
    confusion = np.zeros((classes, classes), dtype=int)
    np.add.at(confusion, (pictures.labels, answers), 1)
    return {
        "photos": len(pictures),
        "accuracy": round(right / len(pictures), 4),
        "accuracy_interval": [round(low, 4), round(high, 4)],
        "recall": {
            name: round(float(confusion[i, i] / max(1, confusion[i].sum())), 4) for i, name in enumerate(pictures.names)
        },
        "confusion": confusion.tolist(),
        "ece": round(expected_calibration_error(probabilities, pictures.labels), 4),
        "keras_ms_per_photo": round(_milliseconds(network, pictures), 3),
    }


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval (Wilson 1927) of a share."""
    share, square = right / total, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * np.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return float(centre - half), float(centre + half)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean distance of confidence from accuracy over 15 bins of equal width (Guo et al. 2017)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def _milliseconds(network: keras.Model, pictures: Pictures) -> float:
    batch = pictures.pixels[:64].astype(np.float32)
    network.predict_on_batch(batch)
    started = time.perf_counter()
    network.predict_on_batch(batch)
    return (time.perf_counter() - started) * 1000 / len(batch)
