"""Labels from and to CSV. An import is whole or does not happen; what is wrong is said line by line."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from splitleaf.core.clock import Clock, as_rfc3339
from splitleaf.core.errors import Unprocessable
from splitleaf.core.ids import is_prediction_id
from splitleaf.flows.settle_labels import decide, first_of
from splitleaf.outcomes.events import Feedback, FeedbackKind, FeedbackSource
from splitleaf.outcomes.labels import ASKED
from splitleaf.outcomes.store import OutcomeStore

COLUMNS: Final = ("prediction_id", "label", "author")
EXPORTED: Final = ("prediction_id", "label", "author", "source", "verdict", "sampling_probability", "created_at")
MOST_LINES: Final = 200_000
MOST_TOLD: Final = 20
"""Faults that an error's own text names."""
_AT_ONCE: Final = 500
Prefer = Literal["import", "expert", "none"]
_AUTHOR: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}")


@dataclass(frozen=True, slots=True)
class LabelLine:
    """One line of the file."""

    line: int
    """In the file, from 1; the header is line 1."""
    prediction_id: str
    label: str
    author: str


@dataclass(frozen=True, slots=True)
class LineFault:
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class LabelConflict:
    """A line that contradicts what someone else said of the image, on which no one has decided."""

    line: int
    prediction_id: str
    label: str
    current: str
    """The label that counts without the file."""
    author: str
    """Whose that is."""


@dataclass(frozen=True, slots=True)
class LabelImport:
    """What an import did, or would do."""

    lines: int
    """Lines with a label."""
    imported: int
    """Labels that are new."""
    unchanged: int
    """Lines that say what their author said already."""
    faults: tuple[LineFault, ...]
    is_dry_run: bool
    conflicts: tuple[LabelConflict, ...] = ()
    """Decided as preferred; with no preference they wait for someone to decide."""


def import_labels(
    store: OutcomeStore,
    text: str,
    *,
    author: str,
    known_labels: Collection[str],
    clock: Clock,
    dry_run: bool = False,
    prefer: Prefer = "none",
) -> LabelImport:
    """Keep the labels of a file with the columns `prediction_id,label` and, if wanted, `author`, in any order.

    `author` stands for lines without one. Of an image that was drawn for the audit, the draw's probability is kept
    with the label. Where a line contradicts what someone else said, `prefer` decides for the file or for what stood;
    with "none" what stood continues counting, and the image is in dispute. Raises `Unprocessable` (`invalid_labels`)
    naming the lines when there is a fault, but in a dry run.
    """
    lines, faults = read_lines(text, author)
    answers = _answers(store, [one.prediction_id for one in lines])
    faults += _check(lines, answers, known_labels)
    if faults:
        faults.sort(key=lambda fault: fault.line)
        if not dry_run:
            raise Unprocessable(_told(faults), code="invalid_labels")
        return LabelImport(len(lines), 0, 0, tuple(faults), dry_run)
    now_ms = clock.now_ms()
    labels = _changes(store, lines, answers, now_ms)
    conflicts = _conflicts(store, lines)
    if not dry_run:
        decided = {one.prediction_id: one.label if prefer == "import" else one.current for one in conflicts}
        wins = decided if prefer != "none" else {}
        store.record_labels([*labels, *_decisions(store, wins, answers, author, now_ms)])
    return LabelImport(len(lines), len(labels), len(lines) - len(labels), (), dry_run, tuple(conflicts))


def read_lines(text: str, author: str) -> tuple[list[LabelLine], list[LineFault]]:
    """Read a file's lines; what cannot be read is a fault. Those of an export that have no label are passed over."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    lines: list[LabelLine] = []
    faults: list[LineFault] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if fault := _fault_of_header(header):
            return [], [LineFault(1, fault)]
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                faults.append(LineFault(reader.line_num, f"has {len(row)} cells, the header has {len(header)}"))
                continue
            cells = dict(zip(header, map(str.strip, row), strict=True))
            if cells.get("verdict") == FeedbackKind.CANNOT_TELL:
                continue
            lines.append(
                LabelLine(reader.line_num, cells["prediction_id"], cells["label"], cells.get("author") or author)
            )
            if len(lines) > MOST_LINES:
                return [], [LineFault(reader.line_num, f"a file may have {MOST_LINES} labels; divide it")]
    except csv.Error as error:
        faults.append(LineFault(reader.line_num, f"is not CSV: {error}"))
    return lines, faults


def export_labels(store: OutcomeStore, experiment: str | None = None) -> Iterator[str]:
    """Yield the lines of a CSV file of all labels that count: of experts, audits and imports, not of users."""
    yield ",".join(EXPORTED) + "\r\n"
    number = 0
    while page := store.labels_after(number, _AT_ONCE, experiment):
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(_exported(one) for _, one in page)
        yield buffer.getvalue()
        number = page[-1][0]


def _exported(one: Feedback) -> list[str]:
    chance = "" if one.sampling_probability is None else f"{one.sampling_probability:g}"
    at = as_rfc3339(one.created_ms)
    return [one.prediction_id, one.label or "", one.author, one.source.value, one.verdict.value, chance, at]


def _fault_of_header(header: list[str]) -> str:
    missing = [name for name in ("prediction_id", "label") if name not in header]
    if missing:
        return f"has no column {' and no column '.join(missing)}; the first line names them: prediction_id,label"
    if len(set(header)) < len(header):
        return "names a column twice"
    return ""


def _answers(store: OutcomeStore, ids: Collection[str]) -> dict[str, str | None]:
    """Return what was answered to those of the predictions that are recorded."""
    wanted = [one for one in dict.fromkeys(ids) if is_prediction_id(one)]
    found: dict[str, str | None] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        for one in store.outcomes_of_images(wanted[start : start + _AT_ONCE]):
            if one.role == "primary":
                found[one.prediction_id] = one.label
    return found


def _check(lines: list[LabelLine], answers: dict[str, str | None], known_labels: Collection[str]) -> list[LineFault]:
    faults: list[LineFault] = []
    seen: dict[tuple[str, str], int] = {}
    for one in lines:
        if fault := _fault(one, answers, known_labels):
            faults.append(LineFault(one.line, fault))
        first = seen.setdefault((one.prediction_id, one.author), one.line)
        if first != one.line:
            faults.append(LineFault(one.line, f"labels the prediction of line {first} once more"))
    return faults


def _fault(one: LabelLine, answers: dict[str, str | None], known_labels: Collection[str]) -> str:
    if not is_prediction_id(one.prediction_id):
        return f"{one.prediction_id[:40]!r} is not a prediction's id"
    if one.prediction_id not in answers:
        return f"no outcome of the prediction {one.prediction_id} is recorded"
    if one.label not in known_labels:
        return f"no version knows a class {one.label[:80]!r}"
    if not _AUTHOR.fullmatch(one.author):
        return f"{one.author[:80]!r} is no author: letters, digits and . _ : @ -, at most 64"
    return ""


def _changes(
    store: OutcomeStore, lines: list[LabelLine], answers: dict[str, str | None], now_ms: int
) -> list[Feedback]:
    """Return what is to be kept: lines that say what their author said already are left out."""
    labels: list[Feedback] = []
    for start in range(0, len(lines), _AT_ONCE):
        part = lines[start : start + _AT_ONCE]
        ids = [one.prediction_id for one in part]
        present = {
            (one.prediction_id, one.author): one
            for one in store.current_feedback(ids)
            if one.source is FeedbackSource.IMPORT
        }
        chances = store.sampling_probabilities(ids)
        for one in part:
            before = present.get((one.prediction_id, one.author))
            if before is None or before.label != one.label:
                chance, said = chances.get(one.prediction_id), answers[one.prediction_id]
                labels.append(_feedback(one, said, chance, before, now_ms))
    return labels


def _conflicts(store: OutcomeStore, lines: list[LabelLine]) -> list[LabelConflict]:
    found: list[LabelConflict] = []
    for start in range(0, len(lines), _AT_ONCE):
        part = lines[start : start + _AT_ONCE]
        annotations: defaultdict[str, list[Feedback]] = defaultdict(list)
        for annotation in store.current_feedback([one.prediction_id for one in part]):
            if annotation.source in ASKED and annotation.label is not None:
                annotations[annotation.prediction_id].append(annotation)
        found += [conflict for one in part if (conflict := _conflict(one, annotations[one.prediction_id]))]
    return found


def _conflict(line: LabelLine, annotations: list[Feedback]) -> LabelConflict | None:
    own = (FeedbackSource.IMPORT, line.author)
    others = [one for one in annotations if (one.source, one.author) != own]
    if not others:
        return None
    first = first_of(others)
    if first.source is FeedbackSource.ADJUDICATION or first.label == line.label:
        return None
    return LabelConflict(line.line, line.prediction_id, line.label, first.label or "", first.author)


def _decisions(
    store: OutcomeStore, wins: dict[str, str], answers: dict[str, str | None], author: str, now_ms: int
) -> list[Feedback]:
    made: list[Feedback] = []
    ids = list(wins)
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        chances = store.sampling_probabilities(part)
        made += [decide(one, wins[one], answers[one], chances.get(one), author, now_ms) for one in part]
    return made


def _feedback(one: LabelLine, said: str | None, chance: float | None, before: Feedback | None, now_ms: int) -> Feedback:
    return Feedback(
        feedback_id=uuid.uuid4().hex,
        prediction_id=one.prediction_id,
        source=FeedbackSource.IMPORT,
        author=one.author,
        correct=one.label == said,
        label=one.label,
        sampling_probability=chance,
        created_ms=now_ms,
        verdict=FeedbackKind.ANSWER,
        supersedes=before.feedback_id if before else "",
    )


def _told(faults: list[LineFault]) -> str:
    told = "; ".join(f"line {one.line}: {one.message}" for one in faults[:MOST_TOLD])
    return f"{told}; and {len(faults) - MOST_TOLD} more" if len(faults) > MOST_TOLD else told


__all__ = ["COLUMNS", "LabelConflict", "LabelImport", "LineFault", "Prefer", "export_labels", "import_labels"]
