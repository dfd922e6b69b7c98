"""The totals as they stood at many moments, in one pass: for the plot of a difference over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from splitleaf.statistics.grouping import Grouping, Ints
from splitleaf.statistics.records import ArmTotals, Floats
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
    arms = _arms(grouping, group, value, at, looks)
    return Looks(*arms, _overlaps(grouping, group, value, at, arms))


def _arms(grouping: Grouping, group: Ints, value: Floats, at: Ints, looks: int) -> tuple[ArmTotals, ArmTotals]:
    order = np.argsort(group, kind="stable")
    y = value[order]
    start = _starts(group[order])
    before = np.arange(len(order)) - start
    so_far = _since(start, np.cumsum(y) - y)
    # How much each image adds to its unit's sums, whose squares and products are what the totals sum.
    added = (
        (before == 0).astype(np.float64),
        np.ones_like(y),
        y,
        2.0 * before + 1,
        so_far + y * (before + 1),
        2 * so_far * y + y**2,
    )
    cells = 2 * grouping.strata
    place = at[order] * cells + grouping.cell[group[order]]
    fields = [np.bincount(place, one, looks * cells).reshape(looks, grouping.strata, 2).cumsum(axis=0) for one in added]
    return ArmTotals(*(one[..., 0] for one in fields)), ArmTotals(*(one[..., 1] for one in fields))


def _overlaps(grouping: Grouping, group: Ints, value: Floats, at: Ints, arms: tuple[ArmTotals, ArmTotals]) -> Floats:
    """Return what returning units add to the variance of the score, (looks,).

    It is a sum over pairs of cells of products of a unit's sums in both; those products grow image by image.
    """
    cells = 2 * grouping.strata
    looks = arms[0].units.shape[0]
    strata_of = np.bincount(grouping.person) if grouping.strata > 1 else np.zeros(1, np.int64)
    returns = strata_of[grouping.person[group]] > 1 if grouping.strata > 1 else np.zeros(len(group), bool)
    if not returns.any():
        return np.zeros(looks)
    person, cell, y, at = grouping.person[group][returns], grouping.cell[group][returns], value[returns], at[returns]
    order = np.argsort(person, kind="stable")
    place = at[order] * cells + cell[order]
    products = _products(_starts(person[order]), y[order], place, (looks, cells))
    return _signed_sum(products, arms)


def _products(start: Ints, y: Floats, place: Ints, size: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
    """Return sums over persons of (images x images, right x images, right x right), each (looks, cells, cells).

    `place` is look * cells + cell of each image; images are in the order of persons, and of a person as they came.
    """
    looks, cells = size
    cell = place % cells
    shape = (3, looks, cells, cells)
    both, mixed, right = np.zeros(shape[1:]), np.zeros(shape[1:]), np.zeros(shape[1:])
    for other in range(cells):
        there = (cell == other).astype(np.float64)
        images, sums = (_since(start, np.cumsum(one) - one) for one in (there, there * y))
        elsewhere = 1.0 - there

        def by_cell(values: Floats, elsewhere: Floats = elsewhere) -> Floats:
            return np.bincount(place, values * elsewhere, looks * cells).astype(np.float64).reshape(looks, cells)

        grown = by_cell(images), by_cell(y * sums), by_cell(y * images), by_cell(sums)
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
