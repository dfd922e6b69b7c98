"""The assignment problem: each row gets a column of its own so that the total is largest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(weights: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the column of each row. `weights` is (rows, columns) with rows <= columns.

    The Hungarian method with potentials and shortest augmenting paths, O(rows^2 columns); see R. Jonker and
    A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems", 1987.
    """
    rows, columns = weights.shape
    if rows > columns:
        raise ValueError("there must be at least as many columns as rows")
    costs = weights.max(initial=0.0) - weights
    # Column 0 is a place that no row ends in; rows are counted from 1, 0 means free.
    row_of = np.zeros(columns + 1, dtype=np.int64)
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    for row in range(1, rows + 1):
        _augment(costs, row, row_of, row_price, column_price)
    result = [0] * rows
    for column in range(1, columns + 1):
        if row_of[column]:
            result[row_of[column] - 1] = column - 1
    return tuple(result)


def _augment(
    costs: NDArray[np.float64],
    row: int,
    row_of: NDArray[np.int64],
    row_price: NDArray[np.float64],
    column_price: NDArray[np.float64],
) -> None:
    """Give `row` a column, moving others along the cheapest path."""
    columns = costs.shape[1]
    row_of[0], current = row, 0
    distance = np.full(columns + 1, np.inf)
    came_from = np.zeros(columns + 1, dtype=np.int64)
    used = np.zeros(columns + 1, dtype=bool)
    while row_of[current]:
        used[current] = True
        here = row_of[current]
        offers = costs[here - 1] - row_price[here] - column_price[1:]
        better = ~used[1:] & (offers < distance[1:])
        distance[1:][better] = offers[better]
        came_from[1:][better] = current
        nearest = int(np.argmin(np.where(used[1:], np.inf, distance[1:]))) + 1
        step = distance[nearest]
        row_price[row_of[used]] += step
        column_price[used] -= step
        distance[~used] -= step
        current = nearest
    while current:
        previous = int(came_from[current])
        row_of[current] = row_of[previous]
        current = previous
