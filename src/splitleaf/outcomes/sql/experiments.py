"""Experiments on SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Select, Text, and_, case, func, or_, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from splitleaf.core.errors import Conflict
from splitleaf.outcomes.events import FeedbackSource, Outcome
from splitleaf.outcomes.experiments import (
    OF_LABEL,
    OPEN_STATES,
    AuditEntry,
    ExperimentChange,
    ExperimentRecord,
    Exposure,
    ExposureCount,
    RatedExposure,
    RevisionRecord,
)
from splitleaf.outcomes.sql import rows, tables
from splitleaf.outcomes.sql.aliases import append_move
from splitleaf.outcomes.sql.database import SqlDatabase

if TYPE_CHECKING:
    from splitleaf.outcomes.exposures import Exposures

CHANGING: Final = 7_205_759_405
"""Changes of the routing and of experiments come one after the other: each looks at all others. Any number will do, as
long as nothing else in the database takes the same lock."""

_CHUNK: Final = 1_000
"""Rows that stay in a processor's cache until they are columns: five times as many take a fifth longer."""
_CREATION: Final = (tables.outcomes.c.created_ms, tables.outcomes.c.prediction_id)
"""Of two that were created in the same millisecond, the id decides: it knows neither the variant nor the outcome."""
_IMAGE: Final = case(
    (tables.outcomes.c.role == "shadow", tables.outcomes.c.primary_id), else_=tables.outcomes.c.prediction_id
)
"""Whose image it is."""
_SURENESS: Final = case(
    (tables.outcomes.c.is_sure.is_(True), "1"), (tables.outcomes.c.is_sure.is_(False), "0"), else_=""
)


class SqlExperiments(SqlDatabase):
    """Keeps the promises of `ExperimentStore`."""

    def change_experiment(self, change: ExperimentChange) -> ExperimentRecord:
        record = change.record
        with self._writing(CHANGING) as connection:
            _require_turn(connection, record, change.newest)
            if record.state == "running" and _split_is_in_force(connection):
                raise Conflict("a static split is active; end it first", code="split_in_force")
            result = connection.execute(tables.experiments.insert(), rows.experiment_row(record))
            (number,) = result.inserted_primary_key or (0,)
            if change.revision is not None:
                connection.execute(tables.experiment_revisions.insert(), rows.revision_row(change.revision))
            if change.alias is not None:
                append_move(connection, change.alias, change.entry.actor, change.entry.reason, record.created_ms)
            connection.execute(tables.audit_log.insert(), rows.audit_row(change.entry))
        return rows.numbered(record, number)

    def experiments(self) -> Sequence[ExperimentRecord]:
        return [rows.read_experiment(row) for row in self._all(_present().order_by(tables.experiments.c.number))]

    def experiment(self, key: str) -> ExperimentRecord | None:
        found = self._all(_present().where(tables.experiments.c.key == key))
        return rows.read_experiment(found[0]) if found else None

    def running_experiments(self) -> Sequence[tuple[ExperimentRecord, RevisionRecord]]:
        table = tables.experiments.c
        running = _present().where(table.state == "running").order_by(table.started_ms, table.key)
        records = [rows.read_experiment(row) for row in self._all(running)]
        # Revisions are looked up after the records, and never change: each that a record names is there.
        revisions = self._revisions([(one.key, one.revision) for one in records])
        return [(one, revisions[one.key, one.revision]) for one in records]

    def experiment_revisions(self, key: str) -> Sequence[RevisionRecord]:
        table = tables.experiment_revisions
        query = select(table).where(table.c.experiment == key).order_by(table.c.revision.desc())
        return [rows.read_revision(row) for row in self._all(query)]

    def _revisions(self, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], RevisionRecord]:
        if not wanted:
            return {}
        table = tables.experiment_revisions
        one_of = or_(*(and_(table.c.experiment == key, table.c.revision == number) for key, number in wanted))
        found = [rows.read_revision(row) for row in self._all(select(table).where(one_of))]
        return {(one.experiment, one.revision): one for one in found}

    def record_audit(self, entry: AuditEntry) -> None:
        with self._writing() as connection:
            connection.execute(tables.audit_log.insert(), rows.audit_row(entry))

    def audit_log(
        self, subject: str | None = None, before: int | None = None, limit: int = 100, *, with_labels: bool = True
    ) -> Sequence[AuditEntry]:
        table = tables.audit_log
        query = select(table).order_by(table.c.number.desc()).limit(limit)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        if before is not None:
            query = query.where(table.c.number < before)
        if not with_labels:
            query = query.where(~table.c.subject.startswith(OF_LABEL))
        return [rows.read_audit(row) for row in self._all(query)]

    def exposures_after(self, experiment: str, number: int, limit: int) -> Sequence[Outcome]:
        table = tables.outcomes
        query = (
            select(table)
            .where(*of_experiment(experiment), table.c.number > number)
            .order_by(table.c.number)
            .limit(limit)
        )
        return [rows.read_outcome(row) for row in self._all(query)]

    def exposures(self, experiment: str, *, before_ms: int | None = None, with_images: bool = True) -> Exposures:
        # Imported here: it brings numpy, which an API process has no other use for.
        from splitleaf.outcomes.exposures import read_exposures

        with self._streaming(_columns_of(experiment, before_ms, with_images)) as fetch:
            return read_exposures(iter(lambda: fetch(_CHUNK), []))

    def newest_exposure(self, experiment: str) -> int:
        query = select(func.max(tables.outcomes.c.number)).where(*of_experiment(experiment))
        return int(self._all(query)[0][0] or 0)

    def image_ids(self, numbers: Collection[int]) -> Mapping[int, str]:
        table = tables.outcomes
        query = select(table.c.number, _IMAGE).where(table.c.number.in_(numbers))
        return {row[0]: row[1] for row in self._all(query)}

    def count_exposures(self, experiment: str) -> Sequence[ExposureCount]:
        table = tables.outcomes
        groups = (table.c.revision, table.c.variant, table.c.role, table.c.assigned_version)
        fallbacks = func.sum(case((table.c.fallback != "", 1), else_=0))
        query = (
            select(*groups, fallbacks, func.count())
            .where(*of_experiment(experiment), table.c.override.is_(False))
            .group_by(*groups)
            .order_by(*groups)
        )
        return [ExposureCount(*row) for row in self._all(query)]

    def evidence_after(self, experiment: str, place: tuple[int, str], before_ms: int, limit: int) -> Sequence[Exposure]:
        table = tables.outcomes.c
        latency_ms = table.intake_ms + (table.finished_ms - table.created_ms)
        facts = (table.revision, table.variant, table.unit_hash, table.status, table.fallback)
        query = (
            select(*_CREATION, *facts, latency_ms, table.is_sure)
            .where(*of_experiment(experiment), *_is_exposure(), tuple_(*_CREATION) > place)
            .where(table.created_ms < before_ms)
            .order_by(*_CREATION)
            .limit(limit)
        )
        return [Exposure(*row) for row in self._all(query)]

    def newer_exposures(self, experiment: str, number: int, before_ms: int) -> tuple[int, int]:
        table = tables.outcomes.c
        late = func.coalesce(func.sum(case((table.created_ms < before_ms, 1), else_=0)), 0)
        query = select(func.coalesce(func.max(table.number), number), late)
        (found,) = self._all(query.where(*of_experiment(experiment), *_is_exposure(), table.number > number))
        return int(found[0]), int(found[1])

    def ratings_after(self, experiment: str, number: int, limit: int) -> Sequence[RatedExposure]:
        said, table = tables.feedback.c, tables.outcomes.c
        is_recorded = table.prediction_id.is_not(None)
        empty_if_none = (func.coalesce(table.revision, 0), func.coalesce(table.variant, ""))
        query = (
            select(
                said.number,
                is_recorded,
                *empty_if_none,
                func.coalesce(table.unit_hash, ""),
                said.correct,
                said.created_ms,
            )
            .join_from(tables.feedback, tables.outcomes, table.prediction_id == said.prediction_id, isouter=True)
            .where(said.number > number, said.source == FeedbackSource.USER.value, said.correct.is_not(None))
            .where(or_(~is_recorded, and_(*of_experiment(experiment), *_is_exposure())))
            .order_by(said.number)
            .limit(limit)
        )
        return [RatedExposure(*row) for row in self._all(query)]


def require_no_experiment(connection: Connection) -> None:
    """Raise `Conflict` (`experiments_running`) while an experiment is open."""
    is_open = tables.experiments.c.state.in_(OPEN_STATES)
    present = connection.execute(_present().where(is_open).limit(1)).first()
    if present is not None:
        raise Conflict(f"the experiment {present.key} is {present.state}; stop it first", code="experiments_running")


def _present() -> Select[Any]:
    """Select the newest row of each experiment."""
    table = tables.experiments
    return select(table).where(table.c.number.in_(select(func.max(table.c.number)).group_by(table.c.key)))


def _columns_of(experiment: str, before_ms: int | None, with_images: bool) -> Select[Any]:
    """Select the rows of `outcomes.exposures`."""
    table = tables.outcomes.c
    facts = (table.role, table.revision, table.variant, table.served_version, table.status, table.fallback)
    # The last one is the slash and the label, or nothing.
    label = func.coalesce("/" + table.label, "")
    kind = _formatted("%s/%s/%s/%s/%s/%s/%s/%s/%s%s", *facts, table.batch_size, table.origin, _SURENESS, label)
    total_ms = table.intake_ms + table.finished_ms - table.created_ms
    work_ms = table.preprocess_ms + table.inference_ms
    times = (table.created_ms, total_ms, table.queue_ms, work_ms)
    image = (_IMAGE,) if with_images else ()
    query = select(table.number, kind, table.unit_hash, table.confidence, *times, *image)
    if before_ms is not None:
        query = query.where(table.created_ms < before_ms)
    return query.where(*of_experiment(experiment), table.override.is_(False)).order_by(*_CREATION)


class _formatted(FunctionElement[str]):  # noqa: N801 - reads as the function that it is
    """Text from a format and values: each `%s` is one. In one piece, a third of a second faster than by `||`."""

    type = Text()
    inherit_cache = True


@compiles(_formatted)
def _as_format(element: _formatted, compiler: SQLCompiler, **options: Any) -> str:
    return f"format({compiler.process(element.clauses, **options)})"


@compiles(_formatted, "sqlite")
def _as_printf(element: _formatted, compiler: SQLCompiler, **options: Any) -> str:
    # Its newer name is `format`, too.
    return f"printf({compiler.process(element.clauses, **options)})"


def of_experiment(experiment: str) -> tuple[Any, Any]:
    """Return the conditions for an experiment's outcomes."""
    # The second condition is what lets the index serve that leaves out everything else.
    return tables.outcomes.c.experiment == experiment, tables.outcomes.c.experiment != ""


def _is_exposure() -> tuple[Any, Any]:
    return tables.outcomes.c.role == "primary", tables.outcomes.c.override.is_(False)


def _require_turn(connection: Connection, record: ExperimentRecord, newest: int | None) -> None:
    table = tables.experiments
    present = connection.scalar(select(func.max(table.c.sequence)).where(table.c.key == record.key)) or 0
    if record.sequence == 1 and present:
        raise Conflict(f"there is an experiment {record.key!r} already", code="experiment_exists")
    if record.sequence != present + 1:
        raise Conflict("the experiment was changed by someone else at the same moment")
    if newest is not None and (connection.scalar(select(func.max(table.c.number))) or 0) > newest:
        raise Conflict("another experiment was changed at the same moment; try again")


def _split_is_in_force(connection: Connection) -> bool:
    table = tables.routing_revisions
    shares = connection.scalar(select(table.c.shares).order_by(table.c.revision.desc()).limit(1))
    return shares is not None and shares != rows.NO_SHARES
