"""Labels joined to what the versions said, on SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select, union_all

from splitleaf.outcomes.events import Feedback, FeedbackKind, FeedbackSource
from splitleaf.outcomes.labels import ASKED, PRECEDENCE, LabelledOutcome, ResponseCount, is_right
from splitleaf.outcomes.sql import rows, tables
from splitleaf.outcomes.sql.database import SqlDatabase
from splitleaf.outcomes.sql.engine import our_errors
from splitleaf.outcomes.sql.experiments import of_experiment

_AT_ONCE: Final = 5_000
"""Rows that are fetched together."""
_SAID: Final = (
    "role",
    "revision",
    "variant",
    "assigned_version",
    "unit_hash",
    "status",
    "label",
    "confidence",
    "created_ms",
)
_KNOWN: Final = (
    "image_id",
    "primary_label",
    "truth",
    "correct",
    "source",
    "sampling_probability",
    "is_contested",
)
_RANKS: Final = {source.value: rank for rank, source in enumerate(PRECEDENCE)}


class SqlLabels(SqlDatabase):
    """Keeps the promises of `LabelStore`."""

    def labelled_outcomes(
        self, experiment: str, sources: Collection[FeedbackSource] = ASKED
    ) -> Iterator[LabelledOutcome]:
        query = _labelled(experiment, sources)
        with our_errors(), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=_AT_ONCE).execute(query):
                yield _read(row)

    def count_responses(self, experiment: str) -> Sequence[ResponseCount]:
        table = tables.outcomes.c
        arms = (table.revision, table.variant)
        shown = (*_of_images(experiment), table.role == "primary", table.override.is_(False))
        answered = select(*arms, func.count()).where(*shown, table.status == "succeeded").group_by(*arms)
        said = _newest([FeedbackSource.USER]).subquery()
        first = func.row_number().over(partition_by=said.c.prediction_id, order_by=said.c.number.desc())
        annotations = select(said.c.prediction_id, said.c.correct, first.label("place")).subquery()
        responses = (
            select(*arms, func.count(), func.sum(case((annotations.c.correct.is_(True), 1), else_=0)))
            .join_from(annotations, tables.outcomes, annotations.c.prediction_id == table.prediction_id)
            .where(annotations.c.place == 1, *shown, table.status == "succeeded")
            .group_by(*arms)
        )
        said_of = {(row[0], row[1]): (row[2], row[3]) for row in self._all(responses)}
        return [
            ResponseCount(revision, variant, count, *said_of.get((revision, variant), (0, 0)))
            for revision, variant, count in self._all(answered.order_by(*arms))
        ]

    def record_labels(self, labels: Sequence[Feedback]) -> None:
        if labels:
            with self._writing() as connection:
                connection.execute(tables.feedback.insert(), [rows.feedback_row(one) for one in labels])

    def newest_feedback(self) -> int:
        return int(self._all(select(func.max(tables.feedback.c.number)))[0][0] or 0)

    def current_feedback(self, prediction_ids: Collection[str]) -> Sequence[Feedback]:
        table = tables.feedback.c
        query = select(tables.feedback).where(table.prediction_id.in_(prediction_ids), is_current(tables.feedback))
        return [rows.read_feedback(row) for row in self._all(query.order_by(table.number))]

    def shared_labels(self, experiment: str) -> Sequence[Feedback]:
        annotation, primary = _newest(ASKED).subquery("annotation"), tables.outcomes
        annotations = func.count().over(partition_by=annotation.c.prediction_id).label("annotations")
        shared = (
            select(annotation, annotations)
            .join_from(annotation, primary, annotation.c.prediction_id == primary.c.prediction_id)
            .where(primary.c.experiment + "" == experiment, primary.c.role == "primary", primary.c.override.is_(False))
            .subquery("shared")
        )
        columns = [shared.c[column.name] for column in tables.feedback.c]
        query = select(*columns).where(shared.c.annotations > 1).order_by(shared.c.prediction_id, shared.c.number)
        return [rows.read_feedback(row) for row in self._all(query)]

    def labels_after(self, number: int, limit: int, experiment: str | None = None) -> Sequence[tuple[int, Feedback]]:
        table = tables.feedback.c
        asked = table.source.in_([source.value for source in ASKED])
        query = select(tables.feedback).where(table.number > number, asked, is_current(tables.feedback))
        if experiment is not None:
            of = tables.outcomes.c
            query = query.where(exists().where(of.prediction_id == table.prediction_id, of.experiment == experiment))
        found = self._all(query.order_by(table.number).limit(limit))
        return [(row.number, rows.read_feedback(row)) for row in found]


def _of_images(experiment: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for an experiment's outcomes; an empty key: those that no experiment has."""
    return of_experiment(experiment) if experiment else (tables.outcomes.c.experiment == "",)


def is_current(said: Any) -> ColumnElement[bool]:
    """Return the condition that a row of feedback is its author's newest annotation, and not withdrawn."""
    newer = tables.feedback.alias()
    follows = and_(
        newer.c.prediction_id == said.c.prediction_id,
        newer.c.source == said.c.source,
        newer.c.author == said.c.author,
        newer.c.number > said.c.number,
    )
    return and_(said.c.verdict != FeedbackKind.WITHDRAWN.value, ~exists().where(follows))


def _newest(sources: Collection[FeedbackSource]) -> Select[Any]:
    """Select the current answers of these sources."""
    table = tables.feedback
    names = [source.value for source in sources]
    return select(table).where(
        table.c.source.in_(names), table.c.verdict == FeedbackKind.ANSWER.value, is_current(table)
    )


def _labelled(experiment: str, sources: Collection[FeedbackSource]) -> Select[Any]:
    # Computed once, for both joins.
    truth = _truth(experiment, sources).cte("truth").prefix_with("MATERIALIZED")
    said = tables.outcomes.alias("said")
    # Two joins rather than one with OR, which no index would serve.
    images = [
        select(*(said.c[name] for name in _SAID), *(truth.c[name] for name in _KNOWN)).join_from(truth, said, condition)
        for condition in (
            said.c.prediction_id == truth.c.image_id,
            and_(said.c.primary_id == truth.c.image_id, said.c.primary_id != ""),
        )
    ]
    both = union_all(*images).subquery()
    is_shadow = case((both.c.role == "primary", 0), else_=1)
    return select(both).order_by(both.c.image_id, is_shadow, both.c.assigned_version)


def _truth(experiment: str, sources: Collection[FeedbackSource]) -> Select[Any]:
    """Select one row an image of the experiment: whose word counts."""
    primary, annotation = tables.outcomes, _newest(sources).subquery("annotation")
    rank = case(_RANKS, value=annotation.c.source)
    by_image = [annotation.c.prediction_id]
    spoken = (
        select(
            annotation.c.prediction_id.label("image_id"),
            primary.c.label.label("primary_label"),
            annotation.c.label.label("truth"),
            annotation.c.correct,
            annotation.c.source,
            annotation.c.sampling_probability,
            func.row_number().over(partition_by=by_image, order_by=[rank, annotation.c.number.desc()]).label("turn"),
            func.min(annotation.c.label).over(partition_by=by_image).label("least"),
            func.max(annotation.c.label).over(partition_by=by_image).label("most"),
        )
        .join_from(annotation, primary, annotation.c.prediction_id == primary.c.prediction_id)
        # As an expression, which no index serves: SQLite would read all outcomes of the experiment for a few rows.
        .where(primary.c.experiment + "" == experiment, primary.c.role == "primary", primary.c.override.is_(False))
        .subquery("spoken")
    )
    is_decided = spoken.c.source == FeedbackSource.ADJUDICATION.value
    contested = and_(~is_decided, func.coalesce(spoken.c.least != spoken.c.most, literal(False))).label("is_contested")
    return select(spoken, contested).where(
        spoken.c.turn == 1, or_(spoken.c.truth.is_not(None), spoken.c.correct.is_(False))
    )


def _read(row: Any) -> LabelledOutcome:
    return LabelledOutcome(
        image_id=row.image_id,
        role=row.role,
        revision=row.revision,
        variant=row.variant,
        version=row.assigned_version,
        unit_hash=row.unit_hash,
        status=row.status,
        label=row.label,
        confidence=row.confidence,
        created_ms=row.created_ms,
        truth=row.truth,
        is_right=is_right(row.label, row.primary_label, row.truth),
        source=FeedbackSource(row.source),
        sampling_probability=row.sampling_probability,
        is_contested=bool(row.is_contested),
    )
