"""The outcome store on SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Insert, case, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from splitleaf.core.errors import Conflict
from splitleaf.outcomes.audit import of_alias, of_split
from splitleaf.outcomes.events import AliasChange, Feedback, Outcome, RoutingRevision, Sighting, TrafficCount
from splitleaf.outcomes.experiments import AliasMove
from splitleaf.outcomes.migrations.run import migrate
from splitleaf.outcomes.sql import rows, tables
from splitleaf.outcomes.sql.aliases import append_move
from splitleaf.outcomes.sql.engine import our_errors
from splitleaf.outcomes.sql.experiments import CHANGING, SqlExperiments, require_no_experiment
from splitleaf.outcomes.sql.keys import SqlKeys
from splitleaf.outcomes.sql.labels import SqlLabels
from splitleaf.outcomes.sql.reviews import SqlReviews

# Any number will do, as long as nothing else in the database takes the same lock.
_RECORDING = 7_205_759_404


class SqlOutcomeStore(SqlExperiments, SqlReviews, SqlLabels, SqlKeys):
    """SQLite or PostgreSQL, by URL. Safe to call from several threads."""

    def migrate(self) -> None:
        with our_errors():
            migrate(self._engine)

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        by_id: dict[str, Outcome] = {}
        for outcome in outcomes:
            by_id.setdefault(outcome.prediction_id, outcome)
        if not by_id:
            return 0
        # One recorder writes at a time. Otherwise a row could become visible behind one with a higher number, and
        # who reads on from there would never see it.
        with self._writing(_RECORDING) as connection:
            known = tables.outcomes.c.prediction_id
            there = set(connection.scalars(select(known).where(known.in_(by_id))))
            new = [rows.outcome_row(outcome) for key, outcome in by_id.items() if key not in there]
            if new:
                connection.execute(self._insert_unless_there(), new)
            return len(new)

    def outcome(self, prediction_id: str) -> Outcome | None:
        query = select(tables.outcomes).where(tables.outcomes.c.prediction_id == prediction_id)
        found = self._all(query)
        return rows.read_outcome(found[0]) if found else None

    def outcomes_after(self, number: int, limit: int) -> Sequence[Outcome]:
        place = tables.outcomes.c.number
        query = select(tables.outcomes).where(place > number).order_by(place).limit(limit)
        return [rows.read_outcome(row) for row in self._all(query)]

    def count_by_status(self) -> dict[str, int]:
        table = tables.outcomes
        query = select(table.c.status, func.count()).where(table.c.role == "primary").group_by(table.c.status)
        return {row[0]: row[1] for row in self._all(query)}

    def count_since(self, created_ms: int) -> int:
        table = tables.outcomes
        query = select(func.count()).where(table.c.created_ms >= created_ms, table.c.role == "primary")
        return int(self._all(query)[0][0])

    def count_traffic(self, since_ms: int, period_ms: int, bounds_ms: Sequence[float]) -> Sequence[TrafficCount]:
        table = tables.outcomes.c
        took_ms = table.finished_ms - table.created_ms + table.intake_ms
        bands = [(took_ms <= bound, band) for band, bound in enumerate(bounds_ms)]
        groups = (
            ((table.created_ms - since_ms) // period_ms).label("period"),
            case((table.served_version == "", table.assigned_version), else_=table.served_version).label("version"),
            table.status,
            case(*bands, else_=len(bounds_ms)).label("band"),
        )
        # Grouped by what has these names below: PostgreSQL takes two equal parameters for different expressions.
        each = select(*groups).where(table.created_ms >= since_ms, table.role == "primary").subquery()
        query = select(*each.c, func.count()).group_by(*each.c)
        return [TrafficCount(*row) for row in self._all(query)]

    def count_sightings(self, served_digest: str) -> int:
        columns = tables.outcomes.c
        query = select(func.count()).where(columns.served_digest == served_digest, _has_measures())
        return int(self._all(query)[0][0])

    def newest_sightings(self, served_digest: str, limit: int) -> Sequence[Sighting]:
        columns = tables.outcomes.c
        query = (
            select(columns.label, columns.confidence, columns.measures, columns.created_ms)
            .where(columns.served_digest == served_digest, _has_measures())
            .order_by(columns.number.desc())
            .limit(limit)
        )
        return [Sighting(*row) for row in reversed(self._all(query))]

    def record_feedback(self, feedback: Feedback) -> None:
        with self._writing() as connection:
            connection.execute(tables.feedback.insert(), rows.feedback_row(feedback))

    def feedback(self, prediction_id: str) -> Sequence[Feedback]:
        table = tables.feedback
        query = select(table).where(table.c.prediction_id == prediction_id).order_by(table.c.number)
        return [rows.read_feedback(row) for row in self._all(query)]

    def move_alias(
        self, alias: str, version: str, *, expected: str | None, actor: str, reason: str, now_ms: int
    ) -> AliasChange:
        with self._writing() as connection:
            change = append_move(connection, AliasMove(alias, version, expected), actor, reason, now_ms)
            connection.execute(tables.audit_log.insert(), rows.audit_row(of_alias(change)))
        return change

    def aliases(self) -> dict[str, str]:
        table = tables.alias_changes
        newest = select(func.max(table.c.change_id)).group_by(table.c.alias)
        return {
            row.alias: row.version
            for row in self._all(select(table.c.alias, table.c.version).where(table.c.change_id.in_(newest)))
        }

    def alias_history(self, alias: str) -> Sequence[AliasChange]:
        table = tables.alias_changes
        query = select(table).where(table.c.alias == alias).order_by(table.c.sequence.desc())
        return [rows.read_alias_change(row) for row in self._all(query)]

    def set_routing(self, revision: RoutingRevision) -> None:
        with self._writing(CHANGING) as connection:
            if revision.shares:
                require_no_experiment(connection)
            table = tables.routing_revisions
            newest = connection.execute(select(table).order_by(table.c.revision.desc()).limit(1)).first()
            present = None if newest is None else rows.read_routing(newest)
            if revision.revision != (present.revision if present else 0) + 1:
                raise Conflict("the routing was changed by someone else at the same moment")
            connection.execute(table.insert(), rows.routing_row(revision))
            connection.execute(tables.audit_log.insert(), rows.audit_row(of_split(present, revision)))

    def routing(self) -> RoutingRevision | None:
        history = self._routing(limit=1)
        return history[0] if history else None

    def routing_history(self) -> Sequence[RoutingRevision]:
        return self._routing(limit=None)

    def set_aside(self, prediction_id: str, document: str, reason: str, now_ms: int) -> None:
        row = {"prediction_id": prediction_id, "document": document, "reason": reason, "created_ms": now_ms}
        with self._writing() as connection:
            connection.execute(tables.set_aside.insert(), row)

    def aside(self) -> Sequence[tuple[str, str, str]]:
        columns = tables.set_aside.c
        query = select(columns.prediction_id, columns.document, columns.reason).order_by(columns.number)
        return [(row[0], row[1], row[2]) for row in self._all(query)]

    def _routing(self, limit: int | None) -> list[RoutingRevision]:
        table = tables.routing_revisions
        return [
            rows.read_routing(row) for row in self._all(select(table).order_by(table.c.revision.desc()).limit(limit))
        ]

    def _insert_unless_there(self) -> Insert:
        if self._engine.dialect.name == "postgresql":
            return postgresql.insert(tables.outcomes).on_conflict_do_nothing()
        return sqlite.insert(tables.outcomes).on_conflict_do_nothing()


def _has_measures() -> ColumnElement[bool]:
    # Written out: a plan that is made before the values are known could not use the index that leaves the others out.
    return tables.outcomes.c.measures != literal_column("''")
