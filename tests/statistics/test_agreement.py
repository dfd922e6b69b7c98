from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from splitleaf.statistics.agreement import measure_agreement

LABELS = ("blight", "mould", "healthy", "mite")


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_statsmodels(seed: int) -> None:
    rng = random.Random(seed)
    firsts = [rng.choice(LABELS) for _ in range(150)]
    pairs = [(first, first if rng.random() < 0.8 else rng.choice(LABELS)) for first in firsts]
    counts = Counter(pairs)
    table = np.array([[counts[one, other] for other in LABELS] for one in LABELS])
    found = measure_agreement(pairs)
    assert found.kappa == pytest.approx(cohens_kappa(table).kappa, abs=1e-12)
    assert found.raw == pytest.approx(np.trace(table) / 150)


def test_the_ends_are_what_they_should_be() -> None:
    assert measure_agreement([("a", "a"), ("b", "b")]).kappa == 1
    assert measure_agreement([("a", "b"), ("b", "a")]).kappa == -1
    chance = [(first, second) for first in "ab" for second in "ab"]
    assert measure_agreement(chance).kappa == 0


def test_where_chance_agrees_fully_or_nothing_is_there_kappa_is_not_defined() -> None:
    same = measure_agreement([("a", "a")] * 3)
    assert (same.items, same.agreed, same.raw, same.kappa) == (3, 3, 1.0, None)
    nothing = measure_agreement([])
    assert (nothing.items, nothing.raw, nothing.kappa) == (0, None, None)
