"""The review queue on SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, or_, select

from splitleaf.core.errors import Conflict
from splitleaf.outcomes.events import Feedback, FeedbackKind, FeedbackSource, Outcome
from splitleaf.outcomes.reviews import AuditDraw, Claim, ReviewCount, ReviewItem, ReviewReason, ReviewTurn, TurnKind
from splitleaf.outcomes.sql import rows, tables
from splitleaf.outcomes.sql.database import SqlDatabase
from splitleaf.outcomes.sql.labels import is_current

_REVIEWING: Final = 7_205_759_406
"""Items are leased and enrolled one after the other. Any number will do, as long as nothing else in the database takes
the same lock."""
_PROGRESS: Final = select(func.max(tables.review_progress.c.number))
_OF_EXPERTS: Final = (FeedbackSource.EXPERT.value, FeedbackSource.AUDIT.value)


class SqlReviews(SqlDatabase):
    """Keeps the promises of `ReviewStore`."""

    def review_progress(self) -> int:
        return int(self._all(_PROGRESS)[0][0] or 0)

    def enrol(self, items: Sequence[ReviewItem], *, expected: int, reached: int, now_ms: int) -> int:
        table = tables.review_items
        with self._writing(_REVIEWING) as connection:
            if (connection.scalar(_PROGRESS) or 0) != expected:
                raise Conflict("someone else looked at these outcomes at the same moment")
            connection.execute(tables.review_progress.insert(), {"number": reached, "created_ms": now_ms})
            ids = {item.prediction_id for item in items}
            query = select(table.c.prediction_id, table.c.reason).where(table.c.prediction_id.in_(ids))
            there = {(row[0], row[1]) for row in connection.execute(query)}
            new = {(item.prediction_id, item.reason.value): rows.review_item_row(item) for item in items}
            missing = [row for key, row in new.items() if key not in there]
            if missing:
                connection.execute(table.insert(), missing)
            return len(missing)

    def lease_item(self, claim: Claim) -> str | None:
        with self._writing(_REVIEWING) as connection:
            for query in (_held_item(claim), *(_next_item(claim, reason) for reason in claim.reasons)):
                found = connection.scalar(query)
                if found is not None:
                    turn = ReviewTurn(found, claim.expert, TurnKind.LEASED, claim.until_ms, claim.now_ms)
                    _append_turn(connection, turn)
                    return str(found)
        return None

    def record_turn(self, turn: ReviewTurn) -> None:
        with self._writing() as connection:
            _append_turn(connection, turn)

    def last_turn(self, prediction_id: str, expert: str) -> ReviewTurn | None:
        table = tables.review_turns.c
        query = select(tables.review_turns).where(table.prediction_id == prediction_id, table.expert == expert)
        found = self._all(query.order_by(table.number.desc()).limit(1))
        return rows.read_review_turn(found[0]) if found else None

    def review_items(self, prediction_id: str) -> Sequence[ReviewItem]:
        table = tables.review_items
        query = select(table).where(table.c.prediction_id == prediction_id).order_by(table.c.number)
        return [rows.read_review_item(row) for row in self._all(query)]

    def sampling_probabilities(self, prediction_ids: Collection[str]) -> dict[str, float]:
        table = tables.review_items.c
        drawn = (table.prediction_id.in_(prediction_ids), table.sampling_probability.is_not(None))
        return dict(self._all(select(table.prediction_id, table.sampling_probability).where(*drawn)))

    def audit_draws(self, experiment: str) -> Sequence[AuditDraw]:
        item, primary = tables.review_items, tables.outcomes
        said, turn = tables.feedback.alias(), tables.review_turns.alias()
        could_not_tell = _spoke(item, said, said.c.verdict == FeedbackKind.CANNOT_TELL.value)
        passed_over = and_(
            turn.c.prediction_id == item.c.prediction_id,
            turn.c.kind == TurnKind.SKIPPED.value,
            ~_is_superseded(turn),
        )
        query = (
            select(
                item.c.prediction_id,
                primary.c.variant,
                item.c.sampling_probability,
                item.c.place,
                item.c.created_ms,
                or_(_is_gone(item), _is_there(could_not_tell), _is_there(passed_over)),
            )
            .join_from(item, primary, item.c.prediction_id == primary.c.prediction_id)
            .where(item.c.experiment == experiment, item.c.reason == ReviewReason.AUDIT.value)
            .order_by(item.c.created_ms, item.c.prediction_id)
        )
        return [AuditDraw(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in self._all(query)]

    def outcomes_of_images(self, prediction_ids: Collection[str]) -> Sequence[Outcome]:
        table = tables.outcomes
        queries = (
            select(table).where(table.c.prediction_id.in_(prediction_ids)),
            select(table).where(table.c.primary_id.in_(prediction_ids), table.c.primary_id != ""),
        )
        return [rows.read_outcome(row) for query in queries for row in self._all(query.order_by(table.c.number))]

    def count_reviews(self, experiment: str) -> Sequence[ReviewCount]:
        item, said = tables.review_items, tables.feedback
        annotations = and_(
            said.c.prediction_id == item.c.prediction_id, said.c.source.in_(_OF_EXPERTS), is_current(said)
        )
        is_labelled = exists().where(annotations, said.c.verdict == FeedbackKind.ANSWER.value)
        is_spoken_of = exists().where(annotations)
        query = (
            select(
                item.c.reason,
                func.count(),
                func.count().filter(is_labelled),
                func.count().filter(is_spoken_of, ~is_labelled),
                func.count().filter(_is_gone(item), ~is_spoken_of),
            )
            .where(item.c.experiment == experiment)
            .group_by(item.c.reason)
            .order_by(item.c.reason)
        )
        return [ReviewCount(ReviewReason(row[0]), *row[1:]) for row in self._all(query)]

    def expert_labels(self, experiment: str) -> Sequence[Feedback]:
        item, said = tables.review_items, tables.feedback
        is_item = exists().where(item.c.prediction_id == said.c.prediction_id, item.c.experiment == experiment)
        query = select(said).where(said.c.source.in_(_OF_EXPERTS), is_current(said), is_item)
        return [rows.read_feedback(row) for row in self._all(query.order_by(said.c.number))]


def _append_turn(connection: Connection, turn: ReviewTurn) -> None:
    connection.execute(tables.review_turns.insert(), rows.review_turn_row(turn))


def _held_item(claim: Claim) -> Select[Any]:
    """Select what the expert was given and did not speak of yet."""
    turn, item = tables.review_turns, tables.review_items
    return (
        select(turn.c.prediction_id)
        .join_from(turn, item, turn.c.prediction_id == item.c.prediction_id)
        .where(
            turn.c.expert == claim.expert,
            turn.c.kind == TurnKind.LEASED.value,
            turn.c.until_ms.between(claim.now_ms + 1, claim.latest_ms),
            turn.c.prediction_id.not_in(claim.besides),
            item.c.experiment == claim.experiment,
            item.c.created_ms >= claim.since_ms,
            ~_is_superseded(turn),
            ~_is_gone(item),
            ~_is_there(_spoke(item, tables.feedback, tables.feedback.c.author == claim.expert)),
        )
        .order_by(turn.c.number)
        .limit(1)
    )


def _next_item(claim: Claim, reason: ReviewReason) -> Select[Any]:
    item = tables.review_items
    query = (
        select(item.c.prediction_id)
        .where(
            item.c.experiment == claim.experiment,
            item.c.reason == reason.value,
            item.c.created_ms >= claim.since_ms,
            item.c.prediction_id.not_in(claim.besides),
            ~_is_gone(item),
            ~_is_skipped(item, claim.expert),
            ~_is_there(_spoke(item, tables.feedback, tables.feedback.c.author == claim.expert)),
            _others_who_spoke(item, claim) + _others_who_hold(item, claim) < claim.opinions,
        )
        .order_by(item.c.place, item.c.prediction_id)
        .limit(1)
    )
    if reason is ReviewReason.UNSURE:
        other = item.alias()
        is_both = and_(other.c.prediction_id == item.c.prediction_id, other.c.reason == ReviewReason.DISAGREEMENT.value)
        return query.where(~_is_there(is_both))
    return query


def _is_gone(item: Any) -> ColumnElement[bool]:
    turn = tables.review_turns.alias()
    return _is_there(and_(turn.c.prediction_id == item.c.prediction_id, turn.c.kind == TurnKind.GONE.value))


def _is_there(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return EXISTS as it is written: looked up by index for each item, in their order, until one is found.

    PostgreSQL would make a join of it and, on a table that has just grown, one of the wrong kind; not with OFFSET.
    """
    return select(literal(1)).where(condition).offset(0).exists()


def _is_skipped(item: Any, expert: str) -> ColumnElement[bool]:
    turn = tables.review_turns.alias()
    is_theirs = and_(turn.c.prediction_id == item.c.prediction_id, turn.c.expert == expert)
    return _is_there(and_(is_theirs, turn.c.kind == TurnKind.SKIPPED.value, ~_is_superseded(turn)))


def _is_superseded(turn: Any) -> ColumnElement[bool]:
    newer = tables.review_turns.alias()
    return exists().where(
        newer.c.prediction_id == turn.c.prediction_id,
        newer.c.expert == turn.c.expert,
        newer.c.number > turn.c.number,
    )


def _spoke(item: Any, said: Any, *conditions: Any) -> ColumnElement[bool]:
    return and_(
        said.c.prediction_id == item.c.prediction_id, said.c.source.in_(_OF_EXPERTS), is_current(said), *conditions
    )


def _others_who_spoke(item: Any, claim: Claim) -> Any:
    said = tables.feedback.alias()
    others = _spoke(item, said, said.c.author != claim.expert)
    return select(func.count(func.distinct(said.c.author))).where(others).scalar_subquery()


def _others_who_hold(item: Any, claim: Claim) -> Any:
    turn, said = tables.review_turns.alias(), tables.feedback.alias()
    is_over = or_(_is_superseded(turn), exists().where(_spoke(turn, said, said.c.author == turn.c.expert)))
    holds = and_(
        turn.c.prediction_id == item.c.prediction_id,
        turn.c.expert != claim.expert,
        turn.c.kind == TurnKind.LEASED.value,
        turn.c.until_ms.between(claim.now_ms + 1, claim.latest_ms),
        ~is_over,
    )
    return select(func.count()).select_from(turn).where(holds).scalar_subquery()
