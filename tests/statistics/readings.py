"""What a simulation measured, beside what it has to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Reading:
    """One measured figure with its limits; `text` shows it with its unit."""

    figure: str
    what: str
    value: float
    low: float
    high: float
    unit: str

    @property
    def is_met(self) -> bool:
        return self.low <= self.value <= self.high

    @property
    def aim(self) -> str:
        return f"<= {self._show(self.high)}" if self.low == -np.inf else f">= {self._show(self.low)}"

    @property
    def text(self) -> str:
        return self._show(self.value)

    def _show(self, value: float) -> str:
        if self.unit == "%":
            return f"{100 * value:.4g} %"
        if self.unit == "pp":
            return f"{100 * value:.3f} pp"
        return f"{value:,.4g} {self.unit}" if value < 1000 else f"{value:,.0f} {self.unit}"


def at_most(figure: str, what: str, value: float, limit: float, unit: str = "%") -> Reading:
    return Reading(figure, what, float(value), -np.inf, limit, unit)


def at_least(figure: str, what: str, value: float, limit: float, unit: str = "%") -> Reading:
    return Reading(figure, what, float(value), limit, np.inf, unit)


def share_of_runs(hits: Bools) -> float:
    """Return the share of runs, (runs, looks), with a hit at any look."""
    return float(hits.any(axis=1).mean())


def first_look(hits: Bools, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what `sizes`, (looks,) or (runs, looks), was at each run's first hit; infinity without one."""
    reached = np.take_along_axis(np.broadcast_to(sizes, hits.shape), hits.argmax(axis=1)[:, None], axis=1)[:, 0]
    result: NDArray[np.float64] = np.where(hits.any(axis=1), reached, np.inf)
    return result
