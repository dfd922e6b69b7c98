"""Rows of outcomes -> totals by revision and arm. Sorted once; then each measure is a few sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splitleaf.statistics.records import ArmTotals, Floats, cap_units, divide
from splitleaf.statistics.sequences import stratum_weights

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Both arms' totals by revision, in ascending order of the revisions' numbers, shapes (strata,)."""

    control: ArmTotals
    candidate: ArmTotals
    overlap: float
    """What units that were seen in several revisions add to the variance of the score.

    A person who returns is as right or wrong as before: without this term a ramp would count the same luck again in
    every stage.
    """
    overlaps: tuple[float, float] = (0.0, 0.0)
    """In the same way for the score of each arm on its own."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which images one unit has in one revision and arm: all that is the same for every measure."""

    strata: int
    group: Ints
    """The group of each image, (images,). A group is what one unit did in one cell."""
    cell: Ints
    """The cell of each group, 2 * stratum + arm, (groups,)."""
    person: Ints
    """The unit of each group, (groups,)."""

    @classmethod
    def of(cls, revision: ArrayLike, is_candidate: ArrayLike, unit: ArrayLike) -> Grouping:
        """Group images by arguments of the shape (images,); `unit` is any integer."""
        revisions, stratum = _distinct(np.asarray(revision, dtype=np.int64))
        _, person = _distinct(np.asarray(unit, dtype=np.int64))
        strata = len(revisions)
        cell = 2 * stratum + np.asarray(is_candidate, dtype=np.int64)
        groups, group = _distinct(person * (2 * strata) + cell)
        owner, cell_of = np.divmod(groups, max(1, 2 * strata))
        return cls(strata, group, cell_of, owner)

    def total(self, outcome: ArrayLike, weight: ArrayLike | None = None) -> Sample:
        """Return the totals of outcomes in [0, 1], (images,).

        `weight` is how many images each one stands for; those of weight 0 are as if they had not been. A unit counts as
        at most `MOST_IMAGES` images.
        """
        value = np.asarray(outcome, dtype=np.float64)
        if weight is None:
            images, sums = cap_units(self._by_group(None), self._by_group(value))
        else:
            each = np.asarray(weight, dtype=np.float64)
            images, sums = self._by_group(each), self._by_group(np.where(each > 0, value, 0.0) * each)
            # However much an image stands for, it is the number of a unit's images that is capped.
            count = self._by_group((each > 0).astype(np.float64))
            factor = divide(cap_units(count, count)[0], count)
            images, sums = images * factor, sums * factor
        fields = [
            self._by_cell(one.astype(np.float64))
            for one in (images > 0, images, sums, images**2, images * sums, sums**2, sums > 0, sums < images)
        ]
        control, candidate = (ArmTotals(*(each[:, arm] for each in fields)) for arm in (0, 1))
        weights = stratum_weights(control, candidate)
        contribution = self._contributions(control, candidate, weights, images, sums)
        overlaps = [self._overlap(np.where(self.cell % 2 == arm, contribution, 0.0)) for arm in (0, 1)]
        return Sample(control, candidate, self._overlap(contribution), (overlaps[0], overlaps[1]))

    def _by_group(self, values: Floats | None) -> Floats:
        return np.bincount(self.group, values, len(self.cell)).astype(np.float64)

    def _by_cell(self, values: Floats) -> Floats:
        return np.bincount(self.cell, values, 2 * self.strata).astype(np.float64).reshape(self.strata, 2)

    def _contributions(
        self, control: ArmTotals, candidate: ArmTotals, weight: Floats, images: Floats, sums: Floats
    ) -> Floats:
        """Return what each group adds to the score: its deviation from the mean of its cell."""
        means = np.stack([control.mean, candidate.mean], axis=-1).ravel()
        sizes = np.stack([control.images, candidate.images], axis=-1).ravel()
        signed = np.stack([-weight, weight], axis=-1).ravel() / np.where(sizes > 0, sizes, 1)
        contribution: Floats = signed[self.cell] * (sums - means[self.cell] * images)
        return contribution

    def _overlap(self, contribution: Floats) -> float:
        """Return the sum, over persons, of (sum of contributions)^2 less the sum of their squares."""
        if self.strata < 2:
            return 0.0
        together = np.bincount(self.person, contribution)
        return float((together**2).sum() - (contribution**2).sum())


def count_units(unit: Ints) -> int:
    """Return how many different units there are; their numbers are small."""
    return int(np.count_nonzero(np.bincount(unit))) if unit.size else 0


def _distinct(values: Ints) -> tuple[Ints, Ints]:
    """Return the different values in ascending order, and the place of each value among them."""
    if values.size and values.min() >= 0 and values.max() < 4 * values.size + 64:
        # Small numbers are counted rather than sorted, which for a million of them takes a tenth of the time.
        is_there = np.bincount(values) > 0
        return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[values]
    distinct, place = np.unique(values, return_inverse=True)
    return distinct, place


def total(revision: ArrayLike, is_candidate: ArrayLike, unit: ArrayLike, outcome: ArrayLike) -> Sample:
    """Return the totals of images, all arguments of the shape (images,): `unit` any integer, `outcome` in [0, 1]."""
    return Grouping.of(revision, is_candidate, unit).total(outcome)
