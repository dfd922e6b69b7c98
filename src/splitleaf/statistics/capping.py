"""A mean of values that nothing bounds, such as times: each value counts for at most a cap.

J. W. Tukey, D. H. McLaughlin, "Less vulnerable confidence and significance procedures for location based on a single
sample: trimming/Winsorization 1", Sankhya A 25 (1963), 331-352. Of heavy tails a plain mean is ruled by its few
largest values, and a small arm that has not met one yet looks better than it is. What is compared is then the mean of
the capped values, and has to be called so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from splitleaf.statistics.records import Floats

UNCAPPED: Final = 0.99


def find_cap(groups: Iterable[Floats], share: float = UNCAPPED) -> float:
    """Return what `share` of the values stay below in every group; 1 without values.

    In every group, not in all together: of a small group that is much larger, all values would lie above.
    """
    caps = [float(np.quantile(values, share)) for values in groups if len(values)]
    return max([*caps, 1e-9]) if caps else 1.0
