"""What the store promises of the review queue, held against memory, SQLite and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from splitleaf.core.errors import Conflict
from splitleaf.core.ids import new_prediction_id, shadow_prediction_id
from splitleaf.outcomes.events import Feedback, FeedbackKind, FeedbackSource
from splitleaf.outcomes.reviews import Claim, ReviewCount, ReviewItem, ReviewReason, ReviewTurn, TurnKind
from splitleaf.outcomes.store import OutcomeStore
from tests.outcomes.facts import NOW_MS, feedback, outcome, review_item
from tests.outcomes.test_contract import at_once

AUDIT, DISAGREEMENT, UNSURE = ReviewReason.AUDIT, ReviewReason.DISAGREEMENT, ReviewReason.UNSURE
LEASE_MS = 1_000


def enrol(store: OutcomeStore, *items: ReviewItem) -> None:
    place = store.review_progress()
    store.enrol(items, expected=place, reached=place + 1, now_ms=NOW_MS)


def items(count: int, reason: ReviewReason = DISAGREEMENT, **changes: Any) -> list[ReviewItem]:
    return [review_item(new_prediction_id(), reason, place=place, **changes) for place in range(count)]


def claim(expert: str = "ann", *reasons: ReviewReason, at_ms: int = NOW_MS, **changes: Any) -> Claim:
    facts = {"opinions": 1, "now_ms": at_ms, "until_ms": at_ms + LEASE_MS, "since_ms": 0, **changes}
    return Claim("leaf size", expert, reasons or (DISAGREEMENT, UNSURE, AUDIT), **facts)


def word(prediction_id: str, label: str | None = "a", author: str = "ann", **changes: Any) -> Feedback:
    facts = {"source": FeedbackSource.EXPERT, "author": author, "label": label, "correct": None, **changes}
    return feedback(prediction_id, **facts)


def all_for(store: OutcomeStore, wanted: Claim) -> list[str]:
    """Lease everything that there is for one expert."""
    found: list[str] = []
    while one := store.lease_item(
        claim(wanted.expert, *wanted.reasons, besides=tuple(found), opinions=wanted.opinions)
    ):
        found.append(one)
    return found


def ids(found: Sequence[ReviewItem]) -> list[str]:
    return [one.prediction_id for one in found]


def test_items_are_enrolled_once_and_the_progress_moves_with_them(store: OutcomeStore) -> None:
    assert store.review_progress() == 0
    first = review_item(new_prediction_id())
    again = review_item(first.prediction_id, DISAGREEMENT)
    assert store.enrol([first, first], expected=0, reached=7, now_ms=NOW_MS) == 1
    assert store.enrol([first, again], expected=7, reached=9, now_ms=NOW_MS) == 1
    assert store.review_progress() == 9
    assert store.review_items(first.prediction_id) == [first, again]
    assert store.sampling_probabilities([first.prediction_id, new_prediction_id()]) == {first.prediction_id: 0.02}


def test_of_two_who_look_at_the_same_outcomes_one_enrols(store: OutcomeStore) -> None:
    one, other = items(2)
    results = at_once(
        *(lambda item=item: store.enrol([item], expected=0, reached=5, now_ms=NOW_MS) for item in (one, other))
    )
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert len(store.review_items(one.prediction_id)) + len(store.review_items(other.prediction_id)) == 1


def test_reasons_come_in_the_order_asked_for_and_items_in_their_places(store: OutcomeStore) -> None:
    disagreed, unsure, audited = items(3), items(2, UNSURE), items(2, AUDIT)
    enrol(store, *reversed([*disagreed, *unsure, *audited]))
    enrol(store, review_item(new_prediction_id(), experiment="another", place=0))
    assert all_for(store, claim("ann", DISAGREEMENT, UNSURE, AUDIT)) == ids([*disagreed, *unsure, *audited])
    assert all_for(store, claim("ben", AUDIT)) == []
    assert store.lease_item(claim("ben", AUDIT, at_ms=NOW_MS + LEASE_MS)) == audited[0].prediction_id


def test_an_item_of_two_reasons_is_given_out_once(store: OutcomeStore) -> None:
    one = new_prediction_id()
    enrol(store, review_item(one, AUDIT), review_item(one, DISAGREEMENT))
    assert all_for(store, claim()) == [one]
    store.record_labels([word(one)])
    assert store.lease_item(claim()) is None


def test_an_unsure_one_on_which_versions_disagree_keeps_the_random_order_of_disagreements(store: OutcomeStore) -> None:
    both, unsure = new_prediction_id(), new_prediction_id()
    enrol(
        store, review_item(both, UNSURE, place=0), review_item(unsure, UNSURE, place=5), review_item(both, DISAGREEMENT)
    )
    assert store.lease_item(claim("ann", UNSURE)) == unsure
    assert store.lease_item(claim("ben", DISAGREEMENT)) == both


def test_two_experts_do_not_get_the_same_item_until_a_lease_is_over(store: OutcomeStore) -> None:
    (one,) = items(1)
    enrol(store, one)
    assert store.lease_item(claim("ann")) == one.prediction_id
    assert store.lease_item(claim("ann")) == one.prediction_id
    assert store.lease_item(claim("ben")) is None
    assert store.lease_item(claim("ben", at_ms=NOW_MS + LEASE_MS)) == one.prediction_id


def test_a_lease_taken_before_the_clock_went_back_an_hour_holds_nobody_up(store: OutcomeStore) -> None:
    (one,) = items(1)
    enrol(store, one)
    assert store.lease_item(claim("ann", at_ms=NOW_MS + 3_600_000)) == one.prediction_id
    assert store.lease_item(claim("ben")) == one.prediction_id
    assert store.lease_item(claim("ann")) is None


def test_who_asks_again_gets_what_they_hold_whatever_came_meanwhile(store: OutcomeStore) -> None:
    held, ahead = items(2, AUDIT)
    enrol(store, held, ahead)
    assert store.lease_item(claim("ann", AUDIT)) == held.prediction_id
    enrol(store, *items(1))
    enrol(store, review_item(held.prediction_id, UNSURE))
    assert store.lease_item(claim("ann", DISAGREEMENT)) == held.prediction_id
    assert store.lease_item(claim("ann", AUDIT, besides=(held.prediction_id,))) == ahead.prediction_id
    store.record_labels([word(held.prediction_id)])
    assert store.lease_item(claim("ann", DISAGREEMENT)) == ahead.prediction_id


def test_of_many_who_ask_at_once_each_gets_an_item_of_their_own(store: OutcomeStore) -> None:
    enrolled = items(6)
    enrol(store, *enrolled)
    got = at_once(*(lambda number=number: store.lease_item(claim(f"expert-{number}")) for number in range(6)))
    assert sorted(map(str, got)) == sorted(ids(enrolled))


def test_two_opinions_are_asked_of_two_experts_and_no_third(store: OutcomeStore) -> None:
    (one,) = items(1)
    enrol(store, one)
    store.record_labels([word(one.prediction_id)])
    assert store.lease_item(claim("ben")) is None
    assert store.lease_item(claim("ann", opinions=2)) is None
    assert store.lease_item(claim("ben", opinions=2)) == one.prediction_id
    assert store.lease_item(claim("eve", opinions=2)) is None
    # Her lease is over with her word, not beside it.
    store.record_labels([word(one.prediction_id, author="ben", verdict=FeedbackKind.CANNOT_TELL, label=None)])
    assert store.lease_item(claim("eve", opinions=2)) is None
    assert store.lease_item(claim("eve", opinions=3)) == one.prediction_id


def test_what_an_expert_takes_back_is_open_again(store: OutcomeStore) -> None:
    (one,) = items(1)
    enrol(store, one)
    store.record_labels([word(one.prediction_id)])
    assert store.lease_item(claim("ben")) is None
    store.record_labels([word(one.prediction_id, None, verdict=FeedbackKind.WITHDRAWN)])
    assert store.lease_item(claim("ben")) == one.prediction_id


def test_what_users_and_files_say_does_not_spare_the_expert(store: OutcomeStore) -> None:
    (one,) = items(1)
    enrol(store, one)
    store.record_labels(
        [word(one.prediction_id, source=FeedbackSource.USER), word(one.prediction_id, source=FeedbackSource.IMPORT)]
    )
    assert store.lease_item(claim()) == one.prediction_id


def test_a_skipped_item_is_for_others_until_its_expert_holds_it_again(store: OutcomeStore) -> None:
    (one,) = items(1)
    enrol(store, one)
    store.lease_item(claim("ann"))
    skipped = ReviewTurn(one.prediction_id, "ann", TurnKind.SKIPPED, NOW_MS, NOW_MS)
    store.record_turn(skipped)
    assert store.last_turn(one.prediction_id, "ann") == skipped
    assert store.last_turn(one.prediction_id, "ben") is None
    assert store.lease_item(claim("ann")) is None
    store.record_turn(ReviewTurn(one.prediction_id, "ann", TurnKind.LEASED, NOW_MS + LEASE_MS, NOW_MS))
    assert store.lease_item(claim("ben")) is None
    store.record_turn(skipped)
    assert store.lease_item(claim("ben")) == one.prediction_id


def test_an_item_whose_image_is_gone_or_too_old_is_for_nobody(store: OutcomeStore) -> None:
    gone, old, there = items(3)
    enrol(store, gone, review_item(old.prediction_id, DISAGREEMENT, created_ms=NOW_MS - 1), there)
    store.record_turn(ReviewTurn(gone.prediction_id, "", TurnKind.GONE, 0, NOW_MS))
    assert store.lease_item(claim(since_ms=NOW_MS)) == there.prediction_id


def test_it_is_counted_how_far_each_reasons_items_are_labelled(store: OutcomeStore) -> None:
    assert store.count_reviews("leaf size") == []
    disagreed, audited = items(5), items(2, AUDIT)
    both = review_item(disagreed[0].prediction_id, AUDIT)
    enrol(store, *disagreed, *audited, both, review_item(new_prediction_id(), experiment="another"))
    labelled, unclear, gone, taken_back, _ = ids(disagreed)
    store.record_labels(
        [
            word(labelled),
            word(labelled, "b", author="ben"),
            word(unclear, None, verdict=FeedbackKind.CANNOT_TELL),
            word(taken_back),
            word(taken_back, None, verdict=FeedbackKind.WITHDRAWN),
            word(audited[0].prediction_id, source=FeedbackSource.USER),
        ]
    )
    for one in (labelled, gone):
        store.record_turn(ReviewTurn(one, "", TurnKind.GONE, 0, NOW_MS))
    assert store.count_reviews("leaf size") == [
        ReviewCount(AUDIT, items=3, labelled=1, cannot_tell=0, gone=0),
        ReviewCount(DISAGREEMENT, items=5, labelled=1, cannot_tell=1, gone=1),
    ]


def test_the_words_of_experts_on_an_experiments_items_are_found(store: OutcomeStore) -> None:
    mine, other = items(1)[0], review_item(new_prediction_id(), experiment="another")
    enrol(store, mine, other)
    said = [word(mine.prediction_id), word(mine.prediction_id, author="ben", source=FeedbackSource.AUDIT)]
    beside = [word(mine.prediction_id, source=FeedbackSource.IMPORT), word(other.prediction_id)]
    store.record_labels([*said, *beside, word(new_prediction_id())])
    assert store.expert_labels("leaf size") == said


def test_the_outcomes_of_an_image_are_its_predictions_and_its_shadows(store: OutcomeStore) -> None:
    primary = outcome()
    shadow = outcome(
        prediction_id=shadow_prediction_id(primary.prediction_id, "v2"), primary_id=primary.prediction_id, role="shadow"
    )
    store.record_outcomes([shadow, outcome(), primary])
    assert store.outcomes_of_images([primary.prediction_id]) == [primary, shadow]
    assert store.outcomes_of_images([]) == []


@pytest.mark.parametrize("expected", [1, 99])
def test_a_progress_that_is_not_the_present_one_is_refused_whole(store: OutcomeStore, expected: int) -> None:
    item = review_item(new_prediction_id())
    with pytest.raises(Conflict):
        store.enrol([item], expected=expected, reached=100, now_ms=NOW_MS)
    assert (store.review_progress(), store.review_items(item.prediction_id)) == (0, [])


def test_the_draws_of_the_audit_are_told_in_the_order_of_arrival_and_which_of_them_nobody_will_label(
    store: OutcomeStore,
) -> None:
    drawn = [
        review_item(new_prediction_id(), AUDIT, place=9 - number, sampling_probability=0.02, created_ms=NOW_MS + number)
        for number in range(7)
    ]
    enrol(store, *reversed(drawn), review_item(drawn[0].prediction_id, DISAGREEMENT), review_item(new_prediction_id()))
    store.record_outcomes([outcome(prediction_id=one.prediction_id) for one in drawn])
    _, gone, skipped, taken_back, could_not, unlike, open_ = ids(drawn)
    store.record_turn(ReviewTurn(gone, "", TurnKind.GONE, 0, NOW_MS))
    for one in (skipped, taken_back):
        store.record_turn(ReviewTurn(one, "ann", TurnKind.SKIPPED, NOW_MS, NOW_MS))
    store.record_turn(ReviewTurn(taken_back, "ann", TurnKind.LEASED, NOW_MS + LEASE_MS, NOW_MS))
    store.record_labels([word(could_not, None, verdict=FeedbackKind.CANNOT_TELL), word(unlike, "a")])
    found = store.audit_draws("leaf size")
    assert [one.prediction_id for one in found] == ids(drawn)
    assert [one.place for one in found] == [9 - number for number in range(7)]
    assert {(one.variant, one.sampling_probability) for one in found} == {("B", 0.02)}
    assert [one.prediction_id for one in found if one.is_given_up] == [gone, skipped, could_not]
    assert open_ in ids(drawn)
    assert store.audit_draws("another") == []
