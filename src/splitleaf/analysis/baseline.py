"""What is usual: how everything that is measured of an image is spread over the reference images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS: Final = 10
"""As many as make a shift of half a standard deviation visible in 500 images."""
PREFIX: Final = "baseline_"
"""Of the arrays in an artifact's file."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """One measure over the reference images."""

    edges: NDArray[np.float64]
    """(bins - 1,), ascending: the deciles, each once. Values below the first are in bin 0."""
    counts: NDArray[np.int64]
    """(bins,)"""

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """Return the spread of the values, (n,)."""
        known = np.asarray(values, dtype=np.float64)
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        return cls(edges, np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1))

    def count(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return how many of these values are in each bin."""
        places = np.searchsorted(self.edges, np.asarray(values, dtype=np.float64), side="right")
        return np.bincount(places, minlength=len(self.counts))


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """All measures, and the labels that the version gave the reference images."""

    spreads: Mapping[str, Spread]
    labels: Mapping[str, int]
    """Label -> number of reference images that were answered with it."""

    def as_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what `read_baseline` reads again; bins that a measure does not have are padded."""
        edges = [np.pad(one.edges, (0, BINS - 1 - len(one.edges)), constant_values=np.inf) for one in self._each()]
        counts = [np.pad(one.counts, (0, BINS - len(one.counts))) for one in self._each()]
        return {
            f"{PREFIX}measures": np.array(list(self.spreads)),
            f"{PREFIX}edges": np.array(edges),
            f"{PREFIX}counts": np.array(counts),
            f"{PREFIX}labels": np.array(list(self.labels)),
            f"{PREFIX}label_counts": np.array(list(self.labels.values())),
        }

    def _each(self) -> Sequence[Spread]:
        return list(self.spreads.values())


def read_baseline(arrays: Mapping[str, NDArray[np.generic]]) -> Baseline | None:
    """Return the baseline in an artifact's arrays; None where there is none. Raises `KeyError` where half of it is."""
    if f"{PREFIX}measures" not in arrays:
        return None
    spreads = {}
    for name, edges, counts in zip(
        arrays[f"{PREFIX}measures"].tolist(), arrays[f"{PREFIX}edges"], arrays[f"{PREFIX}counts"], strict=True
    ):
        known = edges[np.isfinite(edges)]
        spreads[name] = Spread(known, counts[: len(known) + 1])
    labels = zip(arrays[f"{PREFIX}labels"].tolist(), arrays[f"{PREFIX}label_counts"].tolist(), strict=True)
    return Baseline(spreads, dict(labels))
