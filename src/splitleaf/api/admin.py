"""The admin API: all that names versions, so it stands behind keys."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from splitleaf.api import admin_shapes as shapes
from splitleaf.api.admin_control import add_control
from splitleaf.api.admin_drift import add_drift
from splitleaf.api.admin_experiments import add_experiments
from splitleaf.api.admin_keys import add_keys
from splitleaf.api.admin_overview import add_overview
from splitleaf.api.admin_review import add_review
from splitleaf.api.admin_session import add_session
from splitleaf.api.keys import Scope, require
from splitleaf.api.responses import problem
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import Conflict, NotFound
from splitleaf.flows.change_routing import clear_split, move_alias, roll_back_alias, set_split
from splitleaf.flows.run_experiment import Hand
from splitleaf.flows.settle_dead_letter import DeadLetterDesk
from splitleaf.outcomes.events import AliasChange, RoutingRevision


def admin_router(services: ApiServices) -> APIRouter:
    """Return the routes under `/admin/api`."""
    problems: dict[int | str, dict[str, Any]] = {
        s: problem(s) for s in (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503)
    }
    router = APIRouter(prefix="/admin/api", tags=["Admin"], responses=problems)
    may_read = Depends(require(Scope.READ, services.access))
    may_write = Depends(require(Scope.WRITE, services.access))
    add_session(router, services)
    add_overview(router, services, may_read)
    add_drift(router, services, may_read)
    add_keys(router, services, Depends(require(Scope.ADMIN, services.access)))
    _add_aliases(router, services, may_read, may_write)
    _add_routing(router, services, may_read, may_write)
    _add_queue(router, services, may_read, may_write)
    _add_outcomes(router, services, may_read)
    add_experiments(router, services, may_read, may_write)
    add_control(router, services, may_read)
    add_review(router, services, may_read, may_write)
    return router


def _add_aliases(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.get("/aliases", dependencies=[may_read], summary="List the aliases")
    async def list_aliases() -> shapes.AliasesShape:
        aliases = {"champion": services.monitor.snapshot.routing.champion}
        return shapes.AliasesShape(aliases=aliases | await asyncio.to_thread(store.aliases))

    @router.get("/aliases/{alias}/history", dependencies=[may_read], summary="Show where an alias pointed when")
    async def show_history(alias: shapes.Name) -> shapes.AliasHistoryShape:
        return shapes.AliasHistoryShape(history=list(await asyncio.to_thread(store.alias_history, alias)))

    @router.put("/aliases/{alias}", summary="Point an alias at a loaded version")
    async def move(alias: shapes.Name, body: shapes.AliasMove, actor: str = may_write) -> AliasChange:
        ready = services.monitor.snapshot.ready
        present = (await asyncio.to_thread(store.aliases)).get(alias)
        named = present or await asyncio.to_thread(services.default_alias, alias)
        if body.expected is not None and body.expected != named:
            raise Conflict(f"{alias} names {named or 'nothing'}, not {body.expected}")
        change = await asyncio.to_thread(
            move_alias, store, alias, body.version, ready, present, actor, body.reason, clock
        )
        await services.monitor.refresh()
        return change

    @router.post("/aliases/{alias}/rollback", summary="Point an alias at the version it named before")
    async def roll_back(alias: shapes.Name, body: shapes.Reason, actor: str = may_write) -> AliasChange:
        ready = services.monitor.snapshot.ready
        default = await asyncio.to_thread(services.default_alias, alias)
        change = await asyncio.to_thread(roll_back_alias, store, alias, default, ready, actor, body.reason, clock)
        await services.monitor.refresh()
        return change


def _add_routing(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.get("/routing", dependencies=[may_read], summary="Show the split in force")
    async def show() -> shapes.SplitShape:
        revision = await asyncio.to_thread(store.routing)
        return shapes.SplitShape(routing=_routing_shape(revision) if revision and revision.shares else None)

    @router.get("/routing/history", dependencies=[may_read], summary="Show all splits, newest first")
    async def history() -> shapes.RoutingHistoryShape:
        revisions = await asyncio.to_thread(store.routing_history)
        return shapes.RoutingHistoryShape(history=[_routing_shape(one) for one in revisions])

    @router.put("/routing", summary="Split the units between versions")
    async def split(body: shapes.SplitChange, actor: str = may_write) -> shapes.SplitShape:
        ready = services.monitor.snapshot.ready
        revision = await asyncio.to_thread(set_split, store, body.shares, ready, actor, body.reason, clock)
        await services.monitor.refresh()
        return shapes.SplitShape(routing=_routing_shape(revision))

    @router.delete("/routing", summary="End the split: the champion answers everybody")
    async def clear(reason: shapes.Why, actor: str = may_write) -> shapes.SplitShape:
        await asyncio.to_thread(clear_split, store, actor, reason, clock)
        await services.monitor.refresh()
        return shapes.SplitShape(routing=None)


def _add_queue(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    letters = services.dead_letters
    desk = DeadLetterDesk(letters, services.store, services.clock)

    @router.get("/queue", dependencies=[may_read], summary="Show what waits and what is worked on")
    async def depths() -> shapes.QueuesShape:
        return shapes.QueuesShape(queues=[shapes.QueueShape.of(depth) for depth in await services.queue.depths()])

    @router.get("/dead-letters", dependencies=[may_read], summary="List images that took workers down")
    async def list_letters(
        version: shapes.Name, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> shapes.DeadLettersShape:
        return shapes.DeadLettersShape(dead_letters=list(await letters.list(version, limit)))

    @router.post("/dead-letters/{version}/{token}/retry", summary="Try a dead letter again, as a new prediction")
    async def retry(
        version: shapes.Name, token: str, body: shapes.Reason, actor: str = may_write
    ) -> shapes.RetriedShape:
        return shapes.RetriedShape(prediction_id=await desk.retry(version, token, Hand(actor, body.reason)))

    @router.delete("/dead-letters/{version}/{token}", summary="Discard a dead letter")
    async def discard(
        version: shapes.Name, token: str, reason: shapes.Why, actor: str = may_write
    ) -> shapes.DiscardedShape:
        await desk.discard(version, token, Hand(actor, reason))
        return shapes.DiscardedShape(discarded=token)


def _add_outcomes(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    store = services.store

    @router.get("/outcomes", dependencies=[may_read], summary="Export outcomes in the order of recording, page by page")
    async def export(
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> shapes.OutcomesShape:
        found = list(await asyncio.to_thread(store.outcomes_after, after, limit))
        return shapes.OutcomesShape(outcomes=found, next=found[-1].number if found else after)

    @router.get("/outcomes/{prediction_id}", dependencies=[may_read], summary="Show one outcome and its feedback")
    async def show(prediction_id: str) -> shapes.OutcomeShape:
        outcome = await asyncio.to_thread(store.outcome, prediction_id)
        if outcome is None:
            raise NotFound("no outcome of this prediction is recorded", code="prediction_not_found")
        feedback = list(await asyncio.to_thread(store.feedback, prediction_id))
        return shapes.OutcomeShape(outcome=outcome, feedback=feedback)

    @router.get("/summary", dependencies=[may_read], summary="Count the outcomes by their final state")
    async def count() -> shapes.SummaryShape:
        return shapes.SummaryShape(outcomes=await asyncio.to_thread(store.count_by_status))


def _routing_shape(revision: RoutingRevision) -> shapes.RoutingShape:
    return shapes.RoutingShape.of(revision, as_rfc3339(revision.created_ms))
