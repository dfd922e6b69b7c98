"""Rows of outcomes -> totals by revision and arm, in one pass of sorting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splitleaf.analysis.records import ArmTotals, Floats
from splitleaf.analysis.sequences import stratum_weights

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Both arms' totals by revision, in ascending order of the revisions' numbers, shapes (strata,)."""

    control: ArmTotals
    candidate: ArmTotals
    overlap: float
    """What units that were seen in several revisions add to the variance of the score.

    A person who returns is as right or wrong as before: without this term a ramp would count the same luck anew in
    every stage.
    """


def total(revision: ArrayLike, is_candidate: ArrayLike, unit: ArrayLike, outcome: ArrayLike) -> Sample:
    """Return the totals of images, all arguments of the shape (images,): `unit` any integer, `outcome` in [0, 1]."""
    _, stratum = np.unique(np.asarray(revision), return_inverse=True)
    _, person = np.unique(np.asarray(unit), return_inverse=True)
    strata = int(stratum.max()) + 1 if stratum.size else 0
    # A cell is (stratum, arm); a group is what one person did in one cell.
    cell = 2 * stratum + np.asarray(is_candidate, dtype=np.int64)
    groups, group = np.unique(person * (2 * strata) + cell, return_inverse=True)
    images = np.bincount(group, minlength=groups.size).astype(np.float64)
    right = np.bincount(group, np.asarray(outcome, dtype=np.float64), groups.size).astype(np.float64)
    owner, cell_of = np.divmod(groups, max(1, 2 * strata))

    def sums(values: Floats) -> Floats:
        return np.bincount(cell_of, values, 2 * strata).astype(np.float64).reshape(strata, 2)

    fields = [sums(each) for each in (np.ones_like(images), images, right, images**2, images * right, right**2)]
    control, candidate = (ArmTotals(*(each[:, arm] for each in fields)) for arm in (0, 1))
    return Sample(control, candidate, _overlap(control, candidate, (owner, cell_of), images, right))


def _overlap(
    control: ArmTotals, candidate: ArmTotals, groups: tuple[Ints, Ints], images: Floats, right: Floats
) -> float:
    """Return the sum, over persons, of (sum of contributions)^2 less the sum of their squares.

    `groups` are the person and the cell of each group, `images` and `right` what it did.
    """
    owner, cell = groups
    weight = stratum_weights(control, candidate)
    means = np.stack([control.mean, candidate.mean], axis=-1).ravel()
    sizes = np.stack([control.images, candidate.images], axis=-1).ravel()
    signed = np.stack([-weight, weight], axis=-1).ravel() / np.maximum(sizes, 1)
    contribution = signed[cell] * (right - means[cell] * images)
    together = np.bincount(owner, contribution)
    return float((together**2).sum() - (contribution**2).sum())
