"""All parts put together: facts -> report. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from splitleaf.analysis.audit import take_audit
from splitleaf.analysis.census import take_census
from splitleaf.analysis.frame import Frame
from splitleaf.analysis.pairs import find_pairs
from splitleaf.analysis.report import Arm, AuditRow, Report, Subject
from splitleaf.analysis.report.comparisons import Agreement
from splitleaf.analysis.report.curves import Segment, TimeSeries
from splitleaf.analysis.report.health import Health
from splitleaf.analysis.report.measures import GuardrailState, Metric
from splitleaf.analysis.sections import time_series
from splitleaf.analysis.sections.accuracy import PICKED, Labelled, LiveAccuracy, PairedAccuracy
from splitleaf.analysis.sections.agreement import IdsOf, describe_agreement
from splitleaf.analysis.sections.drift_windows import watch_drift
from splitleaf.analysis.sections.guardrails import GuardrailTable
from splitleaf.analysis.sections.health import check_health
from splitleaf.analysis.sections.latency import describe_latency
from splitleaf.analysis.sections.measures import LatencyThreshold, Measure, find_latency_threshold, list_measures
from splitleaf.analysis.sections.metrics import Comparisons, MetricTable
from splitleaf.analysis.sections.quality import describe_recalls, describe_reliability, describe_tradeoff
from splitleaf.analysis.sections.rows import Judging, correct_secondary
from splitleaf.analysis.sections.segments import list_segments
from splitleaf.analysis.sections.statements import Findings, choose_statement, write_statements
from splitleaf.analysis.sections.traffic import count_traffic, list_stages
from splitleaf.experiments.metrics import METRICS, LabelSource, MetricSpec
from splitleaf.outcomes.experiments import AuditEntry, ExperimentRecord, RatedExposure
from splitleaf.outcomes.reviews import AuditDraw
from splitleaf.statistics.grouping import count_units


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report is made from."""

    record: ExperimentRecord
    frame: Frame
    labelled: Labelled
    ratings: Sequence[RatedExposure]
    """Each unit's first word, in the order of recording."""
    audit: Sequence[AuditEntry]
    """Newest first."""
    draws: Sequence[AuditDraw]
    """In the order in which the images came."""
    set_aside: int
    ids_of: IdsOf
    newest_label: int
    made_ms: int


def assemble(facts: Facts) -> Report:
    """Return the report."""
    return _Assembly(facts).report()


class _Assembly:
    """Each part once; later parts look at earlier ones."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._frame = facts.frame
        self._plan = facts.frame.plan
        self._comparisons = Comparisons(facts.frame, find_pairs(facts.frame))
        asked = facts.labelled.asked
        self._labelled = replace(
            facts.labelled,
            census=take_census(facts.frame, asked),
            audit=take_audit(facts.frame, asked, facts.draws),
        )
        self._paired = PairedAccuracy(self._comparisons, self._labelled.asked)
        self._audited = LiveAccuracy(self._comparisons, self._labelled.representative, self._labelled.sample)
        self._said = LiveAccuracy(self._comparisons, self._labelled.said)

    @cached_property
    def _latency_threshold(self) -> LatencyThreshold:
        return find_latency_threshold(self._frame)

    @cached_property
    def _measures(self) -> Mapping[str, Measure]:
        return {one.metric: one for one in list_measures(self._frame, self._latency_threshold)}

    @cached_property
    def _health(self) -> Health:
        return check_health(self._frame, self._labelled, self._facts.set_aside)

    def report(self) -> Report:
        frame, facts = self._frame, self._facts
        metrics, agreements = self._metrics(), self._agreements()
        guardrails = GuardrailTable(frame, facts.ratings).states()
        latency = describe_latency(frame, self._latency_threshold)
        statements = write_statements(self._findings(metrics, guardrails, agreements))
        others = frame.arms[1:]
        return Report(
            made_ms=facts.made_ms,
            newest_outcome=int(frame.rows.number.max()) if len(frame.rows) else 0,
            newest_label=facts.newest_label,
            experiment=self._subject(),
            arms=self._arms(),
            statement=choose_statement(statements),
            statements=statements,
            health=self._health,
            metrics=metrics,
            guardrails=guardrails,
            agreements=agreements,
            recalls=[one for arm in others for one in describe_recalls(frame, arm, self._labelled.representative)],
            reliability=[one for arm in frame.arms if (one := describe_reliability(arm, self._labelled)) is not None],
            tradeoff=describe_tradeoff(frame, metrics, latency, is_census=self._labelled.census is not None),
            latency=latency,
            courses=self._time_series(),
            traffic=count_traffic(frame),
            ramp=list_stages(frame.revisions),
            segments=self._segments(),
            drift=watch_drift(frame),
            audit=[_audit_row(one) for one in facts.audit],
        )

    def _findings(
        self, metrics: Sequence[Metric], guardrails: Sequence[GuardrailState], agreements: Sequence[Agreement]
    ) -> Findings:
        record = self._facts.record
        return Findings(
            plan=self._plan,
            state=record.state,
            arms=self._frame.arms,
            health=self._health,
            metrics=metrics,
            guardrails=guardrails,
            agreements=agreements,
            images=int(self._frame.shown.sum()),
            stages_left=max(0, len(self._plan.ramp) - 1 - record.stage),
        )

    def _subject(self) -> Subject:
        plan, record = self._plan, self._facts.record
        return Subject(
            key=plan.key,
            hypothesis=plan.hypothesis,
            mode=plan.mode,
            state=record.state,
            unit=plan.unit,
            primary_metric=plan.primary.metric,
            primary_direction=plan.primary.direction,
            margin=plan.primary.margin,
            alpha=plan.alpha,
            mde=plan.mde,
            planned_n=plan.planned_n,
            revision=record.revision,
            started_ms=record.started_ms,
            ended_ms=record.ended_ms,
            promoted=record.promoted or None,
        )

    def _arms(self) -> list[Arm]:
        frame, rows = self._frame, self._frame.rows
        now = frame.slots.get(self._facts.record.revision, {})
        versions = {name: place for place, name in enumerate(rows.versions)}
        found = []
        for place, arm in enumerate(frame.arms):
            is_shadow = arm.role == "shadow"
            unseen = rows.is_shadow & rows.is_answered & (rows.version == versions.get(arm.version, -1))
            mine = unseen if is_shadow else frame.arm == place
            share = None if is_shadow else now.get(arm.name, 0) / 100
            units = count_units(rows.unit[mine])
            images = int(mine.sum())
            found.append(
                Arm(name=arm.name, version=arm.version, role=arm.role, share=share, units=units, images=images)
            )
        return found

    def _metrics(self) -> list[Metric]:
        """Return the metrics that there are data for, the primary one first."""
        found = correct_secondary([*self._accuracies(), *self._without_labels()], self._plan.alpha)
        return sorted(found, key=lambda one: not one.is_primary)

    def _accuracies(self) -> list[Metric]:
        rightness = [one for one in METRICS.values() if one.label_source is not None]
        return [found for spec in rightness if (found := self._accuracy(spec)) is not None]

    def _accuracy(self, spec: MetricSpec) -> Metric | None:
        labelled, judging = self._labelled, self._judging(spec)
        is_primary = spec.name == self._plan.primary.metric
        if spec.label_source is LabelSource.USERS:
            return self._said.metric(spec, judging, is_primary=is_primary) if labelled.said else None
        if spec.label_source is LabelSource.AUDIT:
            return self._audited.metric(spec, judging, is_primary=is_primary) if labelled.representative else None
        if self._paired.pairs:
            return self._paired.metric(spec, judging, self._audited, labelled.basis, is_primary=is_primary)
        if not (is_primary and labelled.asked):
            return None
        caveat = None if labelled.representative else PICKED
        return self._audited.metric(spec, judging, is_primary=True, caveat=caveat)

    def _without_labels(self) -> list[Metric]:
        table = MetricTable(self._comparisons)
        return [
            table.metric(
                measure,
                self._judging(measure.spec, measure),
                is_primary=measure.metric == self._plan.primary.metric,
            )
            for measure in self._measures.values()
            if self._frame.shown.any()
        ]

    def _judging(self, spec: MetricSpec, measure: Measure | None = None) -> Judging:
        """Return how a metric is judged: margin and smallest difference are the plan's for the primary one alone."""
        plan = self._plan
        if spec.name != plan.primary.metric:
            return Judging(plan.alpha, spec.better, 0.0, 0.0, self._health.is_sound)
        level = 1.0
        if measure is not None and spec.unit == "ms":
            # A margin is a share; of a time, it is a share of control's.
            mine = measure.value[(self._frame.arm == 0) & measure.counts]
            level = float(mine.mean()) if len(mine) else 0.0
        smallest = plan.mde or plan.primary.margin
        # An interval at twice alpha errs in alpha to either side.
        alpha = min(2 * plan.alpha, 0.5) if plan.primary.one_sided else plan.alpha
        return Judging(alpha, spec.better, plan.primary.margin * level, smallest * level, self._health.is_sound)

    def _agreements(self) -> list[Agreement]:
        return [
            describe_agreement(self._frame, arm, self._paired, self._facts.ids_of)
            for arm in self._frame.arms
            if arm.name in self._paired.pairs
        ]

    def _time_series(self) -> list[TimeSeries]:
        primary, source = self._plan.primary.metric, self._plan.primary.spec.label_source
        found: list[TimeSeries | None] = []
        if source is LabelSource.EXPERTS and self._paired.pairs:
            found += [
                time_series.trace_paired_accuracy(self._comparisons, self._paired, arm, primary)
                for arm in self._paired.pairs
            ]
        if source is not None:
            live = self._said if source is LabelSource.USERS else self._audited
            names = [self._frame.arms[place].name for place in self._frame.candidates]
            if source is LabelSource.EXPERTS:
                names = self._paired.list_unpaired()
            found += [time_series.trace_live_accuracy(live, name, primary, self._plan.alpha) for name in names]
        for metric, measure in self._measures.items():
            if metric == primary or measure.spec.is_vital:
                found += [time_series.trace_measure(self._comparisons, measure, one) for one in self._frame.candidates]
                found += self._shadow_time_series(measure)
        return [one for one in found if one is not None and one.looks]

    def _shadow_time_series(self, measure: Measure) -> list[TimeSeries]:
        if measure.spec.shadows != "compared":
            return []
        names = [self._frame.arms[place].name for place in self._frame.shadows]
        return [
            time_series.trace_shadow(self._comparisons, measure, name)
            for name in names
            if name in self._comparisons.pairs
        ]

    def _segments(self) -> list[Segment]:
        vital = next(one for one in self._measures.values() if one.spec.is_vital)
        measure = self._measures.get(self._plan.primary.metric, vital)
        return [one for place in self._frame.candidates for one in list_segments(self._comparisons, measure, place)]


def _audit_row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        at_ms=entry.created_ms,
        actor=entry.actor,
        action=entry.action,
        reason=entry.reason,
        before=json.loads(entry.before),
        after=json.loads(entry.after),
    )
