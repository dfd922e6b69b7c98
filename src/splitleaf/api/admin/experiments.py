"""The admin API's experiments. Each step is one of `flows.run_experiment`, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Query, Response

from splitleaf.analysis.report import Report
from splitleaf.api.admin import experiment_schemas as shapes
from splitleaf.api.admin.schemas import Name
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.metrics import METRICS
from splitleaf.experiments.reading import parse_plan, read_plan
from splitleaf.flows import run_experiment as flow
from splitleaf.flows.keep_reports import ReportKeeper
from splitleaf.flows.run_experiment import Hand
from splitleaf.flows.size_experiment import Question, Sizing, size_experiment
from splitleaf.flows.weigh_promotion import weigh_promotion
from splitleaf.outcomes.experiments import ExperimentRecord

Limit = Annotated[int, Query(ge=1, le=1_000)]
CacheControl = Annotated[
    str,
    Header(description="`no-cache`: a report of all that is known by now. Otherwise a recent one may be returned."),
]


def add_experiments(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    """Add the routes under `/experiments`, and `/audit`."""
    _add_reading(router, services, may_read)
    keeper = ReportKeeper(services.store, services.clock, services.desk, services.limits.prediction_ttl_s)
    _add_report(router, keeper, may_read)
    _add_plans(router, services, may_write)
    _add_steps(router, services, may_write)
    _add_promotion(router, services, keeper, may_read, may_write)
    _add_decisions(router, services, may_write)


def _add_reading(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    store = services.store

    @router.get("/experiments", dependencies=[may_read], summary="List the experiments")
    async def list_experiments() -> shapes.ExperimentsShape:
        records = await asyncio.to_thread(store.experiments)
        return shapes.ExperimentsShape(experiments=[shapes.ExperimentShape.of(one) for one in records])

    @router.get("/experiments/{key}", dependencies=[may_read], summary="Show one with its revisions, counts and story")
    async def show(key: Name) -> shapes.ExperimentDetailShape:
        def read() -> shapes.ExperimentDetailShape:
            record = flow.find_experiment(store, key)
            return shapes.ExperimentDetailShape(
                experiment=shapes.ExperimentShape.of(record),
                revisions=[shapes.RevisionShape.of(one) for one in store.experiment_revisions(key)],
                exposures=list(store.count_exposures(key)),
                audit=[shapes.AuditShape.of(one) for one in store.audit_log(f"experiment/{key}")],
            )

        return await asyncio.to_thread(read)

    @router.get("/experiments/{key}/exposures", dependencies=[may_read], summary="Export its outcomes, page by page")
    async def export(
        key: Name,
        after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> shapes.ExposuresShape:
        await asyncio.to_thread(flow.find_experiment, store, key)
        found = list(await asyncio.to_thread(store.exposures_after, key, after, limit))
        return shapes.ExposuresShape(exposures=found, next=found[-1].number if found else after)

    @router.get("/metrics", dependencies=[may_read], summary="List what an experiment can be decided or guarded by")
    async def list_metrics() -> shapes.MetricsShape:
        return shapes.MetricsShape(metrics=[shapes.MetricShape.of(one) for one in METRICS.values()])

    @router.post("/power", dependencies=[may_read], summary="Say how many images and days a plan needs")
    async def size(body: shapes.QuestionShape) -> Sizing:
        return await asyncio.to_thread(size_experiment, store, Question(**body.model_dump()), services.clock)

    @router.get("/audit", dependencies=[may_read], summary="Show who changed what and why, newest first")
    async def audit(
        subject: Annotated[str | None, Query(max_length=128)] = None,
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Limit = 100,
        labels: Annotated[bool, Query(description="False: without the labels of single images")] = True,
    ) -> shapes.AuditLogShape:
        entries = await asyncio.to_thread(store.audit_log, subject, before, limit, with_labels=labels)
        return shapes.AuditLogShape(entries=[shapes.AuditShape.of(one) for one in entries])


def _add_report(router: APIRouter, keeper: ReportKeeper, may_read: Any) -> None:
    @router.get(
        "/experiments/{key}/report",
        dependencies=[may_read],
        response_model=Report,
        summary="Say what is known by now: verdict, health, metrics, and all that is drawn",
    )
    async def report(key: Name, cache_control: CacheControl = "") -> Response:
        is_current = "no-cache" in cache_control.lower()
        return Response(await keeper.report(key, is_current=is_current), media_type="application/json")


def _add_plans(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.post("/experiments", status_code=201, summary="Create a draft")
    async def create(body: shapes.PlanChange, actor: str = may_write) -> shapes.ExperimentShape:
        plan = read_plan(cast("Any", body.plan))
        return await _done(services, lambda: flow.create_experiment(store, plan, _hand(actor, body), clock))

    @router.put("/experiments/{key}", summary="Change the plan where that spoils nothing")
    async def edit(key: Name, body: shapes.PlanChange, actor: str = may_write) -> shapes.ExperimentShape:
        plan = read_plan(cast("Any", body.plan))
        return await _done(services, lambda: flow.edit_experiment(store, key, plan, _hand(actor, body), clock))


def _add_steps(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    store, clock, monitor = services.store, services.clock, services.monitor

    @router.post("/experiments/{key}/start", summary="Start, once every version that it names is loaded")
    async def start(key: Name, body: shapes.Step, actor: str = may_write) -> shapes.ExperimentShape:
        ready = monitor.snapshot.ready
        return await _done(services, lambda: flow.start_experiment(store, key, ready, _hand(actor, body), clock))

    @router.post("/experiments/{key}/pause", summary="Assign nobody for a while")
    async def pause(key: Name, body: shapes.Step, actor: str = may_write) -> shapes.ExperimentShape:
        return await _done(services, lambda: flow.pause_experiment(store, key, _hand(actor, body), clock))

    @router.post("/experiments/{key}/resume", summary="Go on")
    async def resume(key: Name, body: shapes.Step, actor: str = may_write) -> shapes.ExperimentShape:
        ready = monitor.snapshot.ready
        return await _done(services, lambda: flow.resume_experiment(store, key, ready, _hand(actor, body), clock))

    @router.post("/experiments/{key}/ramp", summary="Put a later stage, or other shares, in force")
    async def ramp(key: Name, body: shapes.Ramp, actor: str = may_write) -> shapes.ExperimentShape:
        hand, stage, shares = _hand(actor, body), body.stage, body.shares
        if stage is not None and shares is None:
            return await _done(services, lambda: flow.ramp_to_stage(store, key, stage, hand, clock))
        if shares is not None and stage is None:
            return await _done(services, lambda: flow.ramp_to_shares(store, key, shares, hand, clock))
        raise Unprocessable("send either `stage` or `shares`")

    @router.post("/experiments/{key}/stop", summary="End the assignment for good")
    async def stop(key: Name, body: shapes.Step, actor: str = may_write) -> shapes.ExperimentShape:
        return await _done(services, lambda: flow.stop_experiment(store, key, _hand(actor, body), clock))


def _add_promotion(
    router: APIRouter, services: ApiServices, keeper: ReportKeeper, may_read: Any, may_write: Any
) -> None:
    store, clock, monitor = services.store, services.clock, services.monitor

    @router.get("/experiments/{key}/evidence", dependencies=[may_read], summary="Say what speaks for each contender")
    async def evidence(key: Name) -> shapes.EvidenceShape:
        document = await keeper.report(key, is_current=True)

        def read() -> shapes.EvidenceShape:
            report, plan = Report.model_validate_json(document), parse_plan(flow.find_experiment(store, key).plan)
            return shapes.EvidenceShape(contenders={one: weigh_promotion(report, one) for one in plan.contenders})

        return await asyncio.to_thread(read)

    @router.post("/experiments/{key}/promote", summary="Point the champion at a variant's version, on the evidence")
    async def promote(key: Name, body: shapes.Promotion, actor: str = may_write) -> shapes.ExperimentShape:
        ready, champion, hand = monitor.snapshot.ready, monitor.snapshot.routing.champion, _hand(actor, body)
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
                hand,
                clock,
                against_evidence=body.against_evidence,
            )

        return await _done(services, step)


def _add_decisions(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.post("/experiments/{key}/reject", summary="Decide against the candidates")
    async def reject(key: Name, body: shapes.Step, actor: str = may_write) -> shapes.ExperimentShape:
        return await _done(services, lambda: flow.reject_experiment(store, key, _hand(actor, body), clock))

    @router.post("/experiments/{key}/rollback", summary="Take everything back, a promotion too")
    async def roll_back(key: Name, body: shapes.Step, actor: str = may_write) -> shapes.ExperimentShape:
        return await _done(services, lambda: flow.roll_back_experiment(store, key, _hand(actor, body), clock))


async def _done(services: ApiServices, step: Callable[[], ExperimentRecord]) -> shapes.ExperimentShape:
    record = await asyncio.to_thread(step)
    # So that the next image sent to this process is answered by what was decided.
    await services.monitor.refresh()
    return shapes.ExperimentShape.of(record)


def _hand(actor: str, body: shapes.Step) -> Hand:
    return Hand(actor, body.reason, body.expected)
