"""The totals as they stood at many moments, in one pass: for the plot of a difference over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.grouping import Grouping, Ints
from splitleaf.statistics.records import ArmTotals, Floats, cap_units
from splitleaf.statistics.sequences import stratum_weights


@dataclass(frozen=True, slots=True)
class Looks:
    """As `grouping.Sample`, at every look: totals (looks, strata), overlap (looks,)."""

    control: ArmTotals
    candidate: ArmTotals
    overlap: Floats


def total_looks(grouping: Grouping, outcome: ArrayLike, look: Ints, looks: int) -> Looks:
    """Return the totals of the images up to each look.

    `outcome` and `look` have the shape (images,) of the grouping, in the order in which the images came; an image is
    first seen by the look with its number, and by no look where that is negative.
    """
    seen = look >= 0
    group, value, at = grouping.group[seen], np.asarray(outcome, dtype=np.float64)[seen], look[seen]
    growth = _Growth.of(group, value)
    arms = _arms(grouping, group, growth, at, looks)
    return Looks(*arms, _overlaps(grouping, group, growth, at, arms))


@dataclass(frozen=True, slots=True)
class _Growth:
    """A unit's sums before and after each image, capped as in `Grouping.total`, each (images,)."""

    images: tuple[Floats, Floats]
    sums: tuple[Floats, Floats]
    succeeds: Floats
    """1 for the first success of a unit."""
    fails: Floats

    @classmethod
    def of(cls, group: Ints, value: Floats) -> _Growth:
        order = np.argsort(group, kind="stable")
        y, start = value[order], _starts(group[order])
        count = (np.arange(len(order)) - start).astype(np.float64)
        total = _since(start, np.cumsum(y) - y)
        (before, sum_before), (after, sum_after) = cap_units(count, total), cap_units(count + 1, total + y)
        succeeds, fails = (total == 0) & (y > 0), (count - total == 0) & (y < 1)
        back = np.argsort(order)
        found = (before, after, sum_before, sum_after, succeeds.astype(np.float64), fails.astype(np.float64))
        images_0, images_1, sums_0, sums_1, first_right, first_wrong = (one[back] for one in found)
        return cls((images_0, images_1), (sums_0, sums_1), first_right, first_wrong)

    @property
    def steps(self) -> tuple[Floats, Floats]:
        """By how much an image makes its unit's images and outcomes grow."""
        return self.images[1] - self.images[0], self.sums[1] - self.sums[0]


def _arms(grouping: Grouping, group: Ints, growth: _Growth, at: Ints, looks: int) -> tuple[ArmTotals, ArmTotals]:
    images, sums = growth.images, growth.sums
    # How much each image adds to its unit's sums, whose squares and products are what the totals sum.
    added = (
        (images[0] == 0).astype(np.float64),
        *growth.steps,
        images[1] ** 2 - images[0] ** 2,
        images[1] * sums[1] - images[0] * sums[0],
        sums[1] ** 2 - sums[0] ** 2,
        growth.succeeds,
        growth.fails,
    )
    cells = 2 * grouping.strata
    place = at * cells + grouping.cell[group]
    fields = [np.bincount(place, one, looks * cells).reshape(looks, grouping.strata, 2).cumsum(axis=0) for one in added]
    return ArmTotals(*(one[..., 0] for one in fields)), ArmTotals(*(one[..., 1] for one in fields))


def _overlaps(grouping: Grouping, group: Ints, growth: _Growth, at: Ints, arms: tuple[ArmTotals, ArmTotals]) -> Floats:
    """Return what returning units add to the variance of the score, (looks,).

    It is a sum over pairs of cells of products of a unit's sums in both; those products grow image by image.
    """
    cells = 2 * grouping.strata
    looks = arms[0].units.shape[0]
    strata_of = np.bincount(grouping.person) if grouping.strata > 1 else np.zeros(1, np.int64)
    returns = strata_of[grouping.person[group]] > 1 if grouping.strata > 1 else np.zeros(len(group), bool)
    if not returns.any():
        return np.zeros(looks)
    person, cell, at = grouping.person[group][returns], grouping.cell[group][returns], at[returns]
    order = np.argsort(person, kind="stable")
    place = at[order] * cells + cell[order]
    images, sums = (one[returns][order] for one in growth.steps)
    products = _products(_starts(person[order]), (images, sums), place, (looks, cells))
    return _signed_sum(products, arms)


def _products(
    start: Ints, steps: tuple[Floats, Floats], place: Ints, size: tuple[int, int]
) -> tuple[Floats, Floats, Floats]:
    """Return sums over persons of (images x images, right x images, right x right), each (looks, cells, cells).

    `place` is look * cells + cell of each image; images are in the order of persons, and of a person as they came;
    `steps` are what each adds to its unit's images and outcomes in its cell.
    """
    one_more, y = steps
    looks, cells = size
    cell = place % cells
    shape = (3, looks, cells, cells)
    both, mixed, right = np.zeros(shape[1:]), np.zeros(shape[1:]), np.zeros(shape[1:])
    for other in range(cells):
        there = (cell == other).astype(np.float64)
        images, sums = (_since(start, np.cumsum(one) - one) for one in (there * one_more, there * y))
        elsewhere = 1.0 - there

        def by_cell(values: Floats, elsewhere: Floats = elsewhere) -> Floats:
            return np.bincount(place, values * elsewhere, looks * cells).astype(np.float64).reshape(looks, cells)

        grown = by_cell(one_more * images), by_cell(y * sums), by_cell(y * images), by_cell(one_more * sums)
        both[:, :, other] += grown[0]
        both[:, other, :] += grown[0]
        right[:, :, other] += grown[1]
        right[:, other, :] += grown[1]
        # Right here and images there; an image here meets what was right there before.
        mixed[:, :, other] += grown[2]
        mixed[:, other, :] += grown[3]
    return both.cumsum(axis=0), mixed.cumsum(axis=0), right.cumsum(axis=0)


def _signed_sum(products: tuple[Floats, Floats, Floats], arms: tuple[ArmTotals, ArmTotals]) -> Floats:
    both, mixed, right = products
    weight = stratum_weights(*arms)
    sizes = np.stack([one.images for one in arms], axis=-1)
    signs = np.stack([-weight, weight], axis=-1) / np.where(sizes > 0, sizes, 1)
    means = np.stack([one.mean for one in arms], axis=-1)
    s, m = (one.reshape(len(one), -1) for one in (signs, means))
    of_row, of_column = m[:, :, None], m[:, None, :]
    covered = right - of_column * mixed - of_row * mixed.swapaxes(1, 2) + of_row * of_column * both
    overlap: Floats = np.einsum("li,lij,lj->l", s, covered, s)
    return overlap


def _starts(ascending: Ints) -> Ints:
    """Return, for each element, where the run of its equals begins."""
    is_new = np.ones(len(ascending), bool)
    is_new[1:] = ascending[1:] != ascending[:-1]
    begins: Ints = np.flatnonzero(is_new)[np.cumsum(is_new) - 1]
    return begins


def _since(start: Ints, running: Floats) -> Floats:
    """Return how much a running sum has grown since the start of each element's run."""
    grown: Floats = running - running[start]
    return grown
