"""Recorded outcomes become items, each for its reasons; the draw is what it says; images go when their time is over."""

from __future__ import annotations

import asyncio
import math
import os
import random
from pathlib import Path
from typing import Any

import pytest

from splitleaf.core.errors import Conflict
from splitleaf.core.ids import shadow_prediction_id
from splitleaf.experiments.allocation import is_sampled
from splitleaf.experiments.bucketing import slot_of
from splitleaf.flows.curate_reviews import Retention, ReviewCurator, is_audited, random_place
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.reviews import ReviewItem, ReviewReason
from splitleaf.statistics.mcnemar import log_evidence
from tests.outcomes.facts import failed_outcome, outcome
from tests.support.clocks import HandClock
from tests.support.stores import EmptyStore

AUDIT, DISAGREEMENT, UNSURE = ReviewReason.AUDIT, ReviewReason.DISAGREEMENT, ReviewReason.UNSURE
CLOCK = HandClock()


def shadow_of(primary: Outcome, label: str | None, version: str = "v2") -> Outcome:
    changes: dict[str, Any] = {
        "prediction_id": shadow_prediction_id(primary.prediction_id, version),
        "primary_id": primary.prediction_id,
        "role": "shadow",
        "assigned_version": version,
        "experiment": primary.experiment,
    }
    return failed_outcome(**changes) if label is None else outcome(label=label, **changes)


def enrolled(*outcomes: Outcome, share: float = 0.0) -> list[ReviewItem]:
    store = EmptyStore()
    store.record_outcomes(outcomes)
    ReviewCurator(store, CLOCK, share).enrol_once()
    return [item for one in outcomes for item in store.review_items(one.prediction_id)]


def ids(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz234567", k=26)) for _ in range(count)]


def test_images_on_which_versions_said_different_labels_are_enrolled_whoever_came_first() -> None:
    differ, agree, failed, three = (outcome(label="rust") for _ in range(4))
    outcomes = [
        shadow_of(differ, "scab"),
        differ,
        agree,
        shadow_of(agree, "rust"),
        failed,
        shadow_of(failed, None),
        three,
        shadow_of(three, "rust", "v2"),
        shadow_of(three, "scab", "v3"),
    ]
    assert {(item.prediction_id, item.reason) for item in enrolled(*outcomes)} == {
        (differ.prediction_id, DISAGREEMENT),
        (three.prediction_id, DISAGREEMENT),
    }


def test_a_pair_of_which_one_half_comes_in_a_later_batch_is_found() -> None:
    store, primary = EmptyStore(), outcome(label="rust")
    curator = ReviewCurator(store, CLOCK, 0.0)
    store.record_outcomes([primary])
    assert (curator.enrol_once(), store.review_items(primary.prediction_id)) == (1, [])
    store.record_outcomes([shadow_of(primary, "scab")])
    assert curator.enrol_once() == 1
    assert [item.reason for item in store.review_items(primary.prediction_id)] == [DISAGREEMENT]
    assert curator.enrol_once() == 0


def test_unsure_ones_are_enrolled_the_least_confident_in_front() -> None:
    unsure = [outcome(is_sure=False, confidence=confidence) for confidence in (0.4, 0.2, 0.3)]
    items = enrolled(*unsure, outcome(is_sure=True, confidence=0.1))
    assert {item.reason for item in items} == {UNSURE}
    in_order = [item.prediction_id for item in sorted(items, key=lambda item: item.place)]
    assert in_order == [unsure[place].prediction_id for place in (1, 2, 0)]
    assert {item.sampling_probability for item in items} == {None}


def test_what_failed_or_was_forced_is_not_enrolled() -> None:
    forced = outcome(override=True, is_sure=False)
    assert enrolled(failed_outcome(), forced, shadow_of(forced, "scab"), share=1.0) == []


def test_two_curators_enrol_each_image_once_and_the_slower_one_is_told() -> None:
    store = EmptyStore()
    store.record_outcomes([outcome() for _ in range(3)])

    class Late(EmptyStore):
        """Somebody else moves on between the look and the writing."""

        def review_progress(self) -> int:
            place = store.review_progress()
            ReviewCurator(store, CLOCK, 1.0).enrol_once()
            return place

        outcomes_after = store.outcomes_after
        enrol = store.enrol

    with pytest.raises(Conflict):
        ReviewCurator(Late(), CLOCK, 1.0).enrol_once()
    assert [one.items for one in store.count_reviews("leaf size")] == [3]


def test_the_draw_takes_the_share_that_it_says_and_the_item_says_the_same() -> None:
    drawn = [one for one in ids(100_000, 1) if is_audited("", one, 200)]
    # Binomial(100,000, .02): 4 standard deviations are 177.
    assert abs(len(drawn) - 2_000) < 177
    items = enrolled(*(outcome(prediction_id=one, experiment="") for one in [*drawn[:20], *ids(20, 2)]), share=0.02)
    assert {item.sampling_probability for item in items} == {0.02}
    assert {item.prediction_id for item in items} >= set(drawn[:20])


def test_the_draw_knows_nothing_of_the_shadows_the_slots_or_the_order() -> None:
    several = ids(40_000, 3)
    drawn = [is_audited("5a17", one, 2_500) for one in several]
    others = {
        "shadows": [is_sampled("5a17", one, 2_500) for one in several],
        "slots": [slot_of("5a17", one) < 2_500 for one in several],
        "order": [random_place("5a17", one) < 2**29 for one in several],
    }
    for name, other in others.items():
        both = sum(one and two for one, two in zip(drawn, other, strict=True))
        # Independent: 1/16 of 40,000, standard deviation 48.
        assert abs(both - 2_500) < 200, name


def test_a_part_of_the_disagreements_is_a_fair_sample_of_them_all() -> None:
    """The order is random: a paired test of the first half errs as seldom as one of all would."""
    rng = random.Random(11)
    rejected = 0
    for run in range(200):
        # Versions of equal accuracy; but v2 is right on confident images, v1 on the others.
        images = [(one, rng.random()) for one in ids(200, 1_000 + run)]
        first = sorted(images, key=lambda pair: random_place("5a17", pair[0]))[:100]
        wins = sum(confidence > 0.5 for _, confidence in first)
        rejected += float(log_evidence(wins, 100 - wins)) >= math.log(20)
    assert rejected <= 10  # 5 % of 200; by confidence it would be all of them
    in_order = sorted(images, key=lambda pair: pair[1])[:100]
    wins = sum(confidence > 0.5 for _, confidence in in_order)
    assert float(log_evidence(wins, 100 - wins)) > math.log(20)


def test_images_go_when_their_time_is_over(tmp_path: Path) -> None:
    archive, clock = DirectoryImageArchive(tmp_path), HandClock()
    one = ids(1, 5)[0]
    archive.keep(one, b"x")
    terms = Retention(keep_ms=60_000, max_bytes=100)
    curator = ReviewCurator(EmptyStore(), clock, 0.0, images=archive, retention=terms)
    path = tmp_path / one[:2] / f"{one}.jpg"
    os.utime(path, (clock.now_ms() / 1000, clock.now_ms() / 1000))
    curator.sweep_once()
    assert archive.holds(one)
    clock.move(61)
    swept = curator.sweep_once()
    assert swept
    assert (swept.discarded, archive.holds(one)) == (1, False)
    assert ReviewCurator(EmptyStore(), clock, 0.0).sweep_once() is None


async def test_it_goes_on_after_a_fault_and_ends_when_told() -> None:
    stop = asyncio.Event()
    looks = 0

    class Failing(EmptyStore):
        def review_progress(self) -> int:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise RuntimeError("a fault")
            stop.set()
            return 0

    curator = ReviewCurator(Failing(), CLOCK, 0.0, period_s=0.0)
    await asyncio.wait_for(curator.run(stop), 30)
    assert looks == 2
