"""What the versions say, class by class: recall, agreement, where they disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splitleaf.statistics.mcnemar import PairedCounts, compare_paired, pairs_design_effect
from splitleaf.statistics.records import Difference

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Classes that two versions give to the same images, and how many images."""

    control_class: int
    candidate_class: int
    images: int


def count_pairs(rows: ArrayLike, columns: ArrayLike, classes: int) -> Counts:
    """Return how many images have class r in `rows` and c in `columns`, (classes, classes).

    With truth in rows and answers in columns this is the confusion matrix; with two versions' answers the
    agreement matrix.
    """
    first, second = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    counts: Counts = np.bincount(first * classes + second, minlength=classes**2).reshape(classes, classes)
    return counts


def compare_recalls(
    truth: ArrayLike,
    control: ArrayLike,
    candidate: ArrayLike,
    classes: int,
    *,
    planned_images: int,
    alpha: float = 0.05,
    unit: ArrayLike | None = None,
) -> list[Difference]:
    """Return each class's difference in recall on images that both answered; arguments (images,).

    The intervals hold for all classes together (Bonferroni). `unit` is any number from 0 up; without it, each image
    is of a unit of its own.
    """
    true, first, second = (np.asarray(one, dtype=np.int64) for one in (truth, control, candidate))
    owner = np.arange(len(true)) if unit is None else np.asarray(unit, dtype=np.int64)
    net = (second == true).astype(np.int64) - (first == true)
    counts = (_count(net[mine], owner[mine]) for mine in (true == one for one in range(classes)))
    return [compare_paired(one, max(1, planned_images // classes), alpha / classes) for one in counts]


def _count(net: Counts, unit: Counts) -> PairedCounts:
    """Count the images of a class; `net` is 1 where the candidate alone is right, -1 where control alone is."""
    by_unit = np.bincount(unit, net), np.bincount(unit, np.abs(net))
    effect = pairs_design_effect(*by_unit)
    return PairedCounts(len(net), int((net < 0).sum()), int((net > 0).sum()), effect)


def agreement(matrix: Counts) -> float:
    """Return the share of images to which both versions give the same class; 1 without images."""
    total = int(matrix.sum())
    return int(np.trace(matrix)) / total if total else 1.0


def list_disagreements(matrix: Counts) -> list[Disagreement]:
    """Return the pairs of different classes that occur, the most frequent first."""
    cells = [(int(matrix[row, column]), int(row), int(column)) for row, column in np.argwhere(matrix > 0)]
    cells.sort(key=lambda cell: (-cell[0], cell[1:]))
    return [Disagreement(row, column, images) for images, row, column in cells if row != column]
