"""Several questions at once."""

from __future__ import annotations

import math

import numpy as np

from splitleaf.statistics.mcnemar import log_evidence
from splitleaf.statistics.multiplicity import select_ebh

ALPHA = 0.05
MEASURES = 8


def test_of_many_measures_without_a_difference_one_is_named_in_at_most_alpha_of_the_experiments() -> None:
    wins = np.cumsum(np.random.default_rng(1).random((400, MEASURES, 500)) < 0.5, axis=-1)
    looks = np.arange(49, 500, 50)
    log_e = log_evidence(looks + 1 - wins[..., looks], wins[..., looks])
    assert (log_e >= -math.log(ALPHA)).any(axis=(1, 2)).mean() > 1.5 * ALPHA, "uncorrected, many are named"
    named = [
        any(select_ebh(dict(enumerate(run[:, look])), ALPHA) for look in range(len(looks)))
        for run in log_e
        if (run >= -math.log(ALPHA)).any()
    ]
    assert sum(named) / len(log_e) <= ALPHA


def test_what_is_there_is_still_named_and_several_help_each_other() -> None:
    assert select_ebh({"one": math.log(1e6), "other": 0.0}, ALPHA) == {"one"}
    assert select_ebh({"one": math.log(25), "other": math.log(21)}, ALPHA) == {"one", "other"}
    assert select_ebh({"one": math.log(25), "other": 0.0}, ALPHA) == frozenset()
    assert select_ebh({}, ALPHA) == frozenset()
