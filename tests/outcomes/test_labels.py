"""What the store promises of labels joined to predictions, held against memory, SQLite and a real PostgreSQL."""

from __future__ import annotations

import random
from typing import Any

import pytest

from splitleaf.core.errors import Conflict
from splitleaf.core.ids import new_prediction_id, shadow_prediction_id
from splitleaf.outcomes.events import Feedback, FeedbackKind, FeedbackSource, Outcome
from splitleaf.outcomes.labels import ASKED, ResponseCount
from splitleaf.outcomes.store import OutcomeStore
from tests.outcomes.facts import NOW_MS, failed_outcome, feedback, outcome

USER, EXPERT, AUDIT, IMPORT = (
    FeedbackSource.USER,
    FeedbackSource.EXPERT,
    FeedbackSource.AUDIT,
    FeedbackSource.IMPORT,
)


def image(*labels: str, **changes: Any) -> list[Outcome]:
    """A primary's outcome and those of its shadows v2, v3 ..., which said these labels."""
    primary = outcome(label=labels[0], **changes)
    shadows = [
        outcome(
            **{
                "prediction_id": shadow_prediction_id(primary.prediction_id, f"v{number}"),
                "primary_id": primary.prediction_id,
                "role": "shadow",
                "assigned_version": f"v{number}",
                "label": label,
                **changes,
            }
        )
        for number, label in enumerate(labels[1:], 2)
    ]
    return [primary, *shadows]


def label(
    of: Outcome, said: str | None, source: FeedbackSource = EXPERT, author: str = "ann", **changes: Any
) -> Feedback:
    return feedback(of.prediction_id, source=source, author=author, label=said, correct=None, **changes)


def test_a_label_is_joined_to_what_every_version_said_of_the_image(store: OutcomeStore) -> None:
    first, second = image("rust", "scab", variant="control"), image("scab", "scab")
    store.record_outcomes([*reversed(first), *second, *image("rust", "rust")])
    store.record_labels([label(first[0], "scab"), label(second[0], "rust", AUDIT, sampling_probability=0.02)])
    found = list(store.labelled_outcomes("leaf size"))
    assert {one.image_id for one in found} == {first[0].prediction_id, second[0].prediction_id}
    assert [one for one in found if one.image_id == found[0].image_id] == found[:2]
    mine = [one for one in found if one.image_id == first[0].prediction_id]
    assert [(one.role, one.version, one.label, one.truth, one.is_right) for one in mine] == [
        ("primary", "v1", "rust", "scab", False),
        ("shadow", "v2", "scab", "scab", True),
    ]
    assert {(one.variant, one.source, one.sampling_probability) for one in mine} == {("control", EXPERT, None)}
    assert {one.sampling_probability for one in found if one.image_id == second[0].prediction_id} == {0.02}
    assert (mine[0].unit_hash, mine[0].revision, mine[0].created_ms, mine[0].confidence) == (
        "u" * 32,
        3,
        NOW_MS,
        0.9731,
    )


def test_an_expert_comes_before_the_audit_before_a_file_before_users(store: OutcomeStore) -> None:
    (one,) = image("rust")
    store.record_outcomes([one])
    said = [
        label(one, "a", EXPERT),
        label(one, "b", AUDIT, sampling_probability=0.5),
        label(one, "c", IMPORT),
        label(one, "d", USER),
    ]
    random.Random(1).shuffle(said)
    store.record_labels(said)

    def truth(*sources: FeedbackSource) -> str | None:
        (found,) = store.labelled_outcomes("leaf size", sources)
        return found.truth

    assert [truth(USER, IMPORT, AUDIT, EXPERT), truth(USER, IMPORT, AUDIT), truth(USER, IMPORT), truth(USER)] == list(
        "abcd"
    )
    assert [found.truth for found in store.labelled_outcomes("leaf size")] == ["a"]
    assert USER not in ASKED


def test_of_an_author_and_of_a_source_the_newest_word_counts(store: OutcomeStore) -> None:
    (one,) = image("rust")
    store.record_outcomes([one])
    store.record_labels([label(one, "a", created_ms=NOW_MS + 9), label(one, "b"), label(one, "c", author="bob")])
    (found,) = store.labelled_outcomes("leaf size")
    assert (found.truth, found.is_contested) == ("c", True)
    store.record_labels([label(one, "c")])
    (found,) = store.labelled_outcomes("leaf size")
    assert (found.truth, found.is_contested) == ("c", False)


def test_what_is_withdrawn_or_could_not_be_told_is_no_truth(store: OutcomeStore) -> None:
    (first,), (second,) = image("rust"), image("rust")
    store.record_outcomes([first, second])
    store.record_labels([label(first, "a"), label(second, "a", author="bob"), label(second, "b", IMPORT)])
    store.record_labels(
        [
            label(first, None, verdict=FeedbackKind.WITHDRAWN),
            label(second, None, author="bob", verdict=FeedbackKind.CANNOT_TELL),
        ]
    )
    (found,) = store.labelled_outcomes("leaf size")
    assert (found.image_id, found.truth, found.source) == (second.prediction_id, "b", IMPORT)
    assert [one.verdict for one in store.current_feedback([first.prediction_id, second.prediction_id])] == [
        FeedbackKind.ANSWER,
        FeedbackKind.CANNOT_TELL,
    ]


def test_a_user_who_only_says_wrong_says_so_of_the_versions_that_said_the_same(store: OutcomeStore) -> None:
    same, other, failed = image("rust", "rust", "scab"), image("rust"), image("rust", "scab")
    store.record_outcomes(
        [
            *same,
            *other,
            failed[0],
            failed_outcome(prediction_id=failed[1].prediction_id, primary_id=failed[0].prediction_id, role="shadow"),
        ]
    )
    for one in (same[0], failed[0]):
        store.record_feedback(feedback(one.prediction_id, correct=False, label=None))
    store.record_feedback(feedback(other[0].prediction_id, correct=True, label="rust"))
    found: dict[str, list[bool | None]] = {}
    for truth in store.labelled_outcomes("leaf size", [USER]):
        found.setdefault(truth.image_id, []).append(truth.is_right)
    assert found == {
        same[0].prediction_id: [False, False, None],
        failed[0].prediction_id: [False, False],
        other[0].prediction_id: [True],
    }


def test_overrides_and_other_experiments_are_left_out(store: OutcomeStore) -> None:
    (mine,), (tester,), (nobodys,) = image("a"), image("a", override=True), image("a", experiment="")
    store.record_outcomes([mine, tester, nobodys])
    store.record_labels(
        [label(one, "a") for one in (mine, tester, nobodys)] + [feedback(new_prediction_id(), source=EXPERT)]
    )
    assert [one.image_id for one in store.labelled_outcomes("leaf size")] == [mine.prediction_id]
    assert [one.image_id for one in store.labelled_outcomes("")] == [nobodys.prediction_id]
    assert list(store.labelled_outcomes("another")) == []


def test_the_responses_of_users_are_counted_by_assigned_variant(store: OutcomeStore) -> None:
    control = [outcome(variant="control") for _ in range(4)]
    candidate = [outcome(variant="candidate", revision=4) for _ in range(3)]
    unseen = [outcome(variant="control", role="shadow"), outcome(override=True), failed_outcome(variant="control")]
    store.record_outcomes([*control, *candidate, *unseen])
    for author in ("x", "y"):
        store.record_feedback(feedback(control[0].prediction_id, author=author, correct=author == "x"))
    store.record_feedback(feedback(control[1].prediction_id, correct=False, label=None))
    store.record_feedback(feedback(control[1].prediction_id, correct=True))
    store.record_feedback(feedback(unseen[0].prediction_id))
    store.record_labels([label(candidate[0], "a")])
    assert store.count_responses("leaf size") == [
        ResponseCount(3, "control", 4, 2, 1),
        ResponseCount(4, "candidate", 3, 0, 0),
    ]
    assert store.count_responses("another") == []


def test_labels_are_exported_page_by_page_without_what_users_said(store: OutcomeStore) -> None:
    images = [image("a", experiment=key)[0] for key in ("leaf size", "", "leaf size")]
    store.record_outcomes(images)
    labels = [label(one, "a") for one in images]
    store.record_labels([labels[0], feedback(images[0].prediction_id), *labels[1:], label(images[1], "b")])
    seen: list[Feedback] = []
    number = 0
    while page := store.labels_after(number, 2):
        seen += [one for _, one in page]
        number = page[-1][0]
    assert [(one.prediction_id, one.label) for one in seen] == [
        (images[0].prediction_id, "a"),
        (images[2].prediction_id, "a"),
        (images[1].prediction_id, "b"),
    ]
    assert [one.prediction_id for _, one in store.labels_after(0, 9, "")] == [images[1].prediction_id]


def test_labels_are_recorded_all_or_none(store: OutcomeStore) -> None:
    (one,) = image("a")
    store.record_outcomes([one])
    store.record_labels([])
    first = label(one, "a")
    store.record_labels([first])
    with pytest.raises(Conflict):
        store.record_labels([label(one, "b", author="bob"), first])
    assert store.feedback(one.prediction_id) == [first]


def test_the_newest_word_is_known_by_its_number(store: OutcomeStore) -> None:
    assert store.newest_feedback() == 0
    (primary,) = image("rust")
    store.record_outcomes([primary])
    store.record_feedback(feedback(primary.prediction_id))
    first = store.newest_feedback()
    store.record_labels([label(primary, "rust")])
    assert store.newest_feedback() > first > 0
