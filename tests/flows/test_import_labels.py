"""Labels in files: all or none, every fault with its line, and out again as they came in."""

from __future__ import annotations

import csv
import io

import pytest

from splitleaf.core.errors import Unprocessable
from splitleaf.core.ids import new_prediction_id, shadow_prediction_id
from splitleaf.flows import import_labels as flow
from splitleaf.flows.import_labels import LabelImport, export_labels, import_labels
from splitleaf.outcomes.events import FeedbackKind, FeedbackSource
from tests.outcomes.facts import NOW_MS, feedback, outcome, review_item
from tests.support.clocks import HandClock
from tests.support.stores import EmptyStore

KNOWN = {"rust", "scab", 'Late "blight", ü'}
CLOCK = HandClock()


@pytest.fixture
def store() -> EmptyStore:
    made = EmptyStore()
    made.record_outcomes([outcome(prediction_id=letter * 26, label="rust") for letter in "abc"])
    return made


A, B, C = "a" * 26, "b" * 26, "c" * 26


def take(store: EmptyStore, text: str, *, dry_run: bool = False) -> LabelImport:
    return import_labels(store, text, author="cli:eve", known_labels=KNOWN, clock=CLOCK, dry_run=dry_run)


def faults(store: EmptyStore, text: str) -> list[tuple[int, str]]:
    """Return the faults of a dry run, after an import of the same was refused and left nothing."""
    with pytest.raises(Unprocessable) as refused:
        take(store, text)
    assert refused.value.error_code == "invalid_labels"
    assert [store.feedback(one) for one in (A, B, C)] == [[], [], []]
    return [(fault.line, fault.message) for fault in take(store, text, dry_run=True).faults]


def test_labels_are_kept_with_their_authors_and_what_the_answer_was(store: EmptyStore) -> None:
    store.enrol([review_item(B)], expected=0, reached=1, now_ms=NOW_MS)
    text = f'\ufefflabel , note, prediction_id,author\r\nrust,seen,{A},field-team\r\n\r\n"scab",,{B},\r\n'
    assert take(store, text) == LabelImport(2, 2, 0, (), is_dry_run=False)
    (first,), (second,) = store.current_feedback([A]), store.current_feedback([B])
    assert (first.source, first.author, first.label, first.correct) == (
        FeedbackSource.IMPORT,
        "field-team",
        "rust",
        True,
    )
    assert (second.author, second.label, second.correct) == ("cli:eve", "scab", False)
    assert (first.sampling_probability, second.sampling_probability) == (None, 0.02)


def test_a_file_that_is_sent_again_changes_nothing_and_a_corrected_one_what_it_corrects(
    store: EmptyStore,
) -> None:
    take(store, f"prediction_id,label\n{A},rust\n{B},rust\n")
    again = take(store, f"prediction_id,label\n{A},rust\n{B},scab\n")
    assert (again.imported, again.unchanged) == (1, 1)
    rows = store.feedback(B)
    assert [row.label for row in rows] == ["rust", "scab"]
    assert rows[1].supersedes == rows[0].feedback_id
    assert len(store.feedback(A)) == 1


def test_a_dry_run_counts_and_keeps_nothing(store: EmptyStore) -> None:
    done = take(store, f"prediction_id,label\n{A},rust\n", dry_run=True)
    assert (done.imported, done.is_dry_run, store.feedback(A)) == (1, True, [])


def test_every_fault_is_named_with_its_line_and_one_is_enough_for_none(store: EmptyStore) -> None:
    strange = shadow_prediction_id(A, "v2")
    missing = new_prediction_id()
    lines = [
        "prediction_id,label,author",
        f"{A},rust,ann",
        f"{missing},rust,ann",
        f"{B},leaf curl,ann",
        f"{strange},rust,ann",
        f"{A},scab,ann",
        f"{C},rust,=cmd()",
        f"{C},rust",
    ]
    assert faults(store, "\n".join(lines)) == [
        (3, f"no outcome of the prediction {missing} is recorded"),
        (4, "no version knows a class 'leaf curl'"),
        (5, f"{strange!r} is not a prediction's id"),
        (6, "labels the prediction of line 2 once more"),
        (7, "'=cmd()' is no author: letters, digits and . _ : @ -, at most 64"),
        (8, "has 2 cells, the header has 3"),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "has no column prediction_id and no column label"),
        ("id,label\n", "has no column prediction_id"),
        ("prediction_id,label,label\n", "names a column twice"),
    ],
)
def test_a_header_that_does_not_do_is_told(store: EmptyStore, text: str, fault: str) -> None:
    ((line, message),) = faults(store, text)
    assert (line, message.startswith(fault)) == (1, True)


def test_what_is_not_csv_is_told_with_its_line(store: EmptyStore) -> None:
    ((line, message),) = faults(store, f'prediction_id,label\n{A},"rust\n')
    assert message.startswith("is not CSV")
    assert line >= 2


def test_of_many_faults_the_first_twenty_are_told(store: EmptyStore) -> None:
    with pytest.raises(Unprocessable, match=r"^line 2: .*; line 21: .*; and 5 more$"):
        take(store, "prediction_id,label\n" + "".join(f"{new_prediction_id()},rust\n" for _ in range(25)))


def test_a_file_that_is_too_long_is_refused_before_it_is_looked_up(
    store: EmptyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "MOST_LINES", 2)
    assert faults(store, f"prediction_id,label\n{A},rust\n{B},rust\n{C},rust\n") == [
        (4, "a file may have 2 labels; divide it")
    ]


def test_what_goes_out_comes_in_again(store: EmptyStore) -> None:
    store.record_labels([feedback(A, source=FeedbackSource.EXPERT, author="ann", label='Late "blight", ü')])
    store.record_feedback(feedback(B))
    unclear = FeedbackKind.CANNOT_TELL
    store.record_labels(
        [feedback(C, source=FeedbackSource.EXPERT, author="ann", label=None, correct=None, verdict=unclear)]
    )
    text = "".join(export_labels(store))
    row, without = csv.DictReader(io.StringIO(text, newline=""))
    assert (without["prediction_id"], without["label"], without["verdict"]) == (C, "", "cannot_tell")
    assert (row["prediction_id"], row["label"], row["source"]) == (A, 'Late "blight", ü', "expert")
    other = EmptyStore()
    other.record_outcomes([outcome(prediction_id=A)])
    assert take(other, text).imported == 1
    assert [one.label for one in other.current_feedback([A])] == ['Late "blight", ü']
