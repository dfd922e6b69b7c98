"""Admin routes for experiments. Each step calls `flows.run_experiment` outside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Query, Response

from splitleaf.analysis.report import Report
from splitleaf.api.admin import experiment_schemas as schemas
from splitleaf.api.admin.schemas import Name
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.metrics import METRICS
from splitleaf.experiments.reading import parse_plan, read_plan
from splitleaf.flows import run_experiment as flow
from splitleaf.flows.keep_reports import ReportKeeper
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.flows.size_experiment import Question, Sizing, size_experiment
from splitleaf.flows.weigh_promotion import weigh_promotion
from splitleaf.outcomes.experiments import ExperimentRecord

Limit = Annotated[int, Query(ge=1, le=1_000)]
CacheControl = Annotated[
    str,
    Header(
        description="`no-cache`: return a report on all data recorded so far. Otherwise a recent one may be returned."
    ),
]


def add_experiments(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    """Add the routes under `/experiments`, and `/audit`."""
    _add_reading(router, services, may_read)
    _add_planning_and_audit(router, services, may_read)
    keeper = ReportKeeper(services.store, services.clock, services.election, services.limits.prediction_ttl_s)
    _add_report(router, keeper, may_read)
    _add_plans(router, services, may_write)
    _add_steps(router, services, may_write)
    _add_promotion(router, services, keeper, may_read, may_write)
    _add_decisions(router, services, may_write)


def _add_reading(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    store = services.store

    @router.get("/experiments", dependencies=[may_read], summary="List the experiments")
    async def list_experiments() -> schemas.ExperimentsSchema:
        records = await asyncio.to_thread(store.experiments)
        return schemas.ExperimentsSchema(experiments=[schemas.ExperimentSchema.of(one) for one in records])

    @router.get(
        "/experiments/{key}",
        dependencies=[may_read],
        summary="Show an experiment with its revisions, counts and audit log",
    )
    async def show(key: Name) -> schemas.ExperimentDetailSchema:
        def read() -> schemas.ExperimentDetailSchema:
            record = flow.find_experiment(store, key)
            return schemas.ExperimentDetailSchema(
                experiment=schemas.ExperimentSchema.of(record),
                revisions=[schemas.RevisionSchema.of(one) for one in store.experiment_revisions(key)],
                exposures=list(store.count_exposures(key)),
                audit=[schemas.AuditSchema.of(one) for one in store.audit_log(f"experiment/{key}")],
            )

        return await asyncio.to_thread(read)

    @router.get(
        "/experiments/{key}/exposures",
        dependencies=[may_read],
        summary="Export the outcomes of an experiment, page by page",
    )
    async def export(
        key: Name,
        after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> schemas.ExposuresSchema:
        await asyncio.to_thread(flow.find_experiment, store, key)
        found = list(await asyncio.to_thread(store.exposures_after, key, after, limit))
        return schemas.ExposuresSchema(exposures=found, next=found[-1].number if found else after)


def _add_planning_and_audit(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    store = services.store

    @router.get("/metrics", dependencies=[may_read], summary="List the metrics that can decide or guard an experiment")
    async def list_metrics() -> schemas.MetricsSchema:
        return schemas.MetricsSchema(metrics=[schemas.MetricSchema.of(one) for one in METRICS.values()])

    @router.post("/power", dependencies=[may_read], summary="Calculate how many images and days a plan needs")
    async def size(body: schemas.PowerBody) -> Sizing:
        return await asyncio.to_thread(size_experiment, store, Question(**body.model_dump()), services.clock)

    @router.get("/audit", dependencies=[may_read], summary="Show the audit log, newest entry first")
    async def audit(
        subject: Annotated[str | None, Query(max_length=128)] = None,
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Limit = 100,
        labels: Annotated[bool, Query(description="If false, omit entries about labels of single images.")] = True,
    ) -> schemas.AuditLogSchema:
        entries = await asyncio.to_thread(store.audit_log, subject, before, limit, with_labels=labels)
        return schemas.AuditLogSchema(entries=[schemas.AuditSchema.of(one) for one in entries])


def _add_report(router: APIRouter, keeper: ReportKeeper, may_read: Any) -> None:
    @router.get(
        "/experiments/{key}/report",
        dependencies=[may_read],
        response_model=Report,
        summary="Show the report: verdict, data quality, metrics, and the data of its plots",
    )
    async def report(key: Name, cache_control: CacheControl = "") -> Response:
        is_current = "no-cache" in cache_control.lower()
        return Response(await keeper.report(key, is_current=is_current), media_type="application/json")


def _add_plans(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.post("/experiments", status_code=201, summary="Create an experiment as a draft")
    async def create(body: schemas.PlanChange, actor: str = may_write) -> schemas.ExperimentSchema:
        plan = read_plan(cast("Any", body.plan))
        return await _run_step(services, lambda: flow.create_experiment(store, plan, _change(actor, body), clock))

    @router.put("/experiments/{key}", summary="Change the parts of a plan that may still change")
    async def edit(key: Name, body: schemas.PlanChange, actor: str = may_write) -> schemas.ExperimentSchema:
        plan = read_plan(cast("Any", body.plan))
        return await _run_step(services, lambda: flow.edit_experiment(store, key, plan, _change(actor, body), clock))


def _add_steps(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    store, clock, monitor = services.store, services.clock, services.monitor

    @router.post("/experiments/{key}/start", summary="Start an experiment whose versions are all loaded")
    async def start(key: Name, body: schemas.StepBody, actor: str = may_write) -> schemas.ExperimentSchema:
        ready = monitor.snapshot.ready
        return await _run_step(services, lambda: flow.start_experiment(store, key, ready, _change(actor, body), clock))

    @router.post("/experiments/{key}/pause", summary="Pause the assignment of units")
    async def pause(key: Name, body: schemas.StepBody, actor: str = may_write) -> schemas.ExperimentSchema:
        return await _run_step(services, lambda: flow.pause_experiment(store, key, _change(actor, body), clock))

    @router.post("/experiments/{key}/resume", summary="Resume a paused experiment")
    async def resume(key: Name, body: schemas.StepBody, actor: str = may_write) -> schemas.ExperimentSchema:
        ready = monitor.snapshot.ready
        return await _run_step(services, lambda: flow.resume_experiment(store, key, ready, _change(actor, body), clock))

    @router.post("/experiments/{key}/ramp", summary="Ramp to a later stage or to other shares")
    async def ramp(key: Name, body: schemas.Ramp, actor: str = may_write) -> schemas.ExperimentSchema:
        request, stage, shares = _change(actor, body), body.stage, body.shares
        if stage is not None and shares is None:
            return await _run_step(services, lambda: flow.ramp_to_stage(store, key, stage, request, clock))
        if shares is not None and stage is None:
            return await _run_step(services, lambda: flow.ramp_to_shares(store, key, shares, request, clock))
        raise Unprocessable("send either `stage` or `shares`")

    @router.post("/experiments/{key}/stop", summary="Stop an experiment for good")
    async def stop(key: Name, body: schemas.StepBody, actor: str = may_write) -> schemas.ExperimentSchema:
        return await _run_step(services, lambda: flow.stop_experiment(store, key, _change(actor, body), clock))


def _add_promotion(
    router: APIRouter, services: ApiServices, keeper: ReportKeeper, may_read: Any, may_write: Any
) -> None:
    store, clock, monitor = services.store, services.clock, services.monitor

    @router.get("/experiments/{key}/evidence", dependencies=[may_read], summary="Show the evidence for each candidate")
    async def evidence(key: Name) -> schemas.EvidenceSchema:
        document = await keeper.report(key, is_current=True)

        def read() -> schemas.EvidenceSchema:
            report, plan = Report.model_validate_json(document), parse_plan(flow.find_experiment(store, key).plan)
            return schemas.EvidenceSchema(contenders={one: weigh_promotion(report, one) for one in plan.contenders})

        return await asyncio.to_thread(read)

    @router.post("/experiments/{key}/promote", summary="Promote the version of a variant to champion")
    async def promote(key: Name, body: schemas.Promotion, actor: str = may_write) -> schemas.ExperimentSchema:
        ready, champion, request = monitor.snapshot.ready, monitor.snapshot.routing.champion, _change(actor, body)
        document = await keeper.report(key, is_current=True)

        def step() -> ExperimentRecord:
            evidence = weigh_promotion(Report.model_validate_json(document), body.variant)
            return flow.promote_variant(
                store,
                key,
                body.variant,
                ready,
                champion,
                evidence,
                request,
                clock,
                against_evidence=body.against_evidence,
            )

        return await _run_step(services, step)


def _add_decisions(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.post("/experiments/{key}/reject", summary="Reject the candidates")
    async def reject(key: Name, body: schemas.StepBody, actor: str = may_write) -> schemas.ExperimentSchema:
        return await _run_step(services, lambda: flow.reject_experiment(store, key, _change(actor, body), clock))

    @router.post("/experiments/{key}/rollback", summary="Roll back an experiment and its promotion")
    async def roll_back(key: Name, body: schemas.StepBody, actor: str = may_write) -> schemas.ExperimentSchema:
        return await _run_step(services, lambda: flow.roll_back_experiment(store, key, _change(actor, body), clock))


async def _run_step(services: ApiServices, step: Callable[[], ExperimentRecord]) -> schemas.ExperimentSchema:
    record = await asyncio.to_thread(step)
    # Apply the change to the next image that this process receives.
    await services.monitor.refresh()
    return schemas.ExperimentSchema.of(record)


def _change(actor: str, body: schemas.StepBody) -> ChangeRequest:
    return ChangeRequest(actor, body.reason, body.expected)
