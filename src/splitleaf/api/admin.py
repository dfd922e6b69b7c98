"""The admin API: models, aliases, routing, queue, outcomes. It names versions, so it stands behind keys."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from splitleaf.api.keys import Scope, require
from splitleaf.api.responses import problem
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import NotFound
from splitleaf.flows.change_routing import clear_split, move_alias, roll_back_alias, set_split
from splitleaf.flows.serving import ServingMonitor
from splitleaf.outcomes.events import AliasChange, RoutingRevision

Text = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(description="Why; kept with the change.", examples=["better on the test photos"])


class AliasMove(_Body):
    version: Name = Field(examples=["v2"])
    expected: Name | None = Field(None, description="What the alias names now: guards against two hands at once.")


class Reason(_Body):
    pass


class SplitChange(_Body):
    shares: dict[Name, float] = Field(description="Version -> percent.", examples=[{"v1": 50, "v2": 50}])


def admin_router(services: ApiServices) -> APIRouter:
    """Return the routes under `/admin/api`."""
    problems: dict[int | str, dict[str, Any]] = {s: problem(s) for s in (401, 403, 404, 409, 422, 500, 503)}
    router = APIRouter(prefix="/admin/api", tags=["Admin"], responses=problems)
    may_read = Depends(require(Scope.READ, services.secrets))
    may_write = Depends(require(Scope.WRITE, services.secrets))
    _add_models(router, services, may_read)
    _add_aliases(router, services, may_read, may_write)
    _add_routing(router, services, may_read, may_write)
    _add_queue(router, services, may_read, may_write)
    _add_outcomes(router, services, may_read)
    return router


def _add_models(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    @router.get("/models", dependencies=[may_read], summary="List the versions and who has loaded them")
    async def list_models() -> dict[str, Any]:
        return {"models": [_model_view(one, services.monitor) for one in services.monitor.folders]}

    @router.get("/workers", dependencies=[may_read], summary="List the workers")
    async def list_workers() -> dict[str, Any]:
        return {"workers": [asdict(worker) for worker in services.monitor.workers]}


def _add_aliases(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.get("/aliases", dependencies=[may_read], summary="List the aliases")
    async def list_aliases() -> dict[str, Any]:
        aliases = {"champion": services.monitor.snapshot.routing.champion}
        return {"aliases": aliases | await asyncio.to_thread(store.aliases)}

    @router.get("/aliases/{alias}/history", dependencies=[may_read], summary="Show where an alias pointed when")
    async def show_history(alias: Name) -> dict[str, Any]:
        history = await asyncio.to_thread(store.alias_history, alias)
        return {"history": [_alias_view(change) for change in history]}

    @router.put("/aliases/{alias}", summary="Point an alias at a loaded version")
    async def move(alias: Name, body: AliasMove, actor: str = may_write) -> dict[str, Any]:
        ready = services.monitor.snapshot.ready
        present = (await asyncio.to_thread(store.aliases)).get(alias)
        expected = present if body.expected is None or present is None else body.expected
        change = await asyncio.to_thread(
            move_alias, store, alias, body.version, ready, expected, actor, body.reason, clock
        )
        await services.monitor.refresh()
        return _alias_view(change)

    @router.post("/aliases/{alias}/rollback", summary="Point an alias at the version it named before")
    async def roll_back(alias: Name, body: Reason, actor: str = may_write) -> dict[str, Any]:
        ready = services.monitor.snapshot.ready
        change = await asyncio.to_thread(roll_back_alias, store, alias, ready, actor, body.reason, clock)
        await services.monitor.refresh()
        return _alias_view(change)


def _add_routing(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.get("/routing", dependencies=[may_read], summary="Show the split in force")
    async def show() -> dict[str, Any]:
        revision = await asyncio.to_thread(store.routing)
        return {"routing": _routing_view(revision) if revision and revision.shares else None}

    @router.get("/routing/history", dependencies=[may_read], summary="Show all splits, newest first")
    async def history() -> dict[str, Any]:
        return {"history": [_routing_view(one) for one in await asyncio.to_thread(store.routing_history)]}

    @router.put("/routing", summary="Split the units between versions")
    async def split(body: SplitChange, actor: str = may_write) -> dict[str, Any]:
        ready = services.monitor.snapshot.ready
        revision = await asyncio.to_thread(set_split, store, body.shares, ready, actor, body.reason, clock)
        await services.monitor.refresh()
        return {"routing": _routing_view(revision)}

    @router.delete("/routing", summary="End the split: the champion answers everybody")
    async def clear(
        reason: Annotated[str, Query(min_length=1, max_length=500)], actor: str = may_write
    ) -> dict[str, Any]:
        revision = await asyncio.to_thread(clear_split, store, actor, reason, clock)
        await services.monitor.refresh()
        return {"routing": None, "revision": revision.revision}


def _add_queue(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    letters = services.dead_letters

    @router.get("/queue", dependencies=[may_read], summary="Show what waits and what is worked on")
    async def depths() -> dict[str, Any]:
        return {"queues": [{**asdict(d), "priority": d.priority.name.lower()} for d in await services.queue.depths()]}

    @router.get("/dead-letters", dependencies=[may_read], summary="List pictures that took workers down")
    async def list_letters(version: Name, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> dict[str, Any]:
        return {"dead_letters": [asdict(one) for one in await letters.list(version, limit)]}

    @router.post(
        "/dead-letters/{version}/{token}/retry",
        dependencies=[may_write],
        summary="Try a dead letter again, as a new prediction",
    )
    async def retry(version: Name, token: str) -> dict[str, Any]:
        return {"prediction_id": await letters.retry(version, token)}

    @router.delete("/dead-letters/{version}/{token}", dependencies=[may_write], summary="Discard a dead letter")
    async def discard(version: Name, token: str) -> dict[str, Any]:
        await letters.discard(version, token)
        return {"discarded": token}


def _add_outcomes(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    store = services.store

    @router.get("/outcomes", dependencies=[may_read], summary="Export outcomes in the order of recording, page by page")
    async def export(
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> dict[str, Any]:
        found = await asyncio.to_thread(store.outcomes_after, after, limit)
        return {"outcomes": [asdict(one) for one in found], "next": found[-1].number if found else after}

    @router.get("/outcomes/{prediction_id}", dependencies=[may_read], summary="Show one outcome and its feedback")
    async def show(prediction_id: str) -> dict[str, Any]:
        outcome = await asyncio.to_thread(store.outcome, prediction_id)
        if outcome is None:
            raise NotFound("no outcome of this prediction is recorded", code="prediction_not_found")
        feedback = await asyncio.to_thread(store.feedback, prediction_id)
        return {"outcome": asdict(outcome), "feedback": [asdict(one) for one in feedback]}

    @router.get("/summary", dependencies=[may_read], summary="Count the outcomes by their final state")
    async def count() -> dict[str, Any]:
        return {"outcomes": await asyncio.to_thread(store.count_by_status)}


def _model_view(one: Any, monitor: ServingMonitor) -> dict[str, Any]:
    manifest = one.manifest
    return {
        "version": one.version,
        "state": one.state,
        "problem": one.problem or None,
        "digest": manifest.digest if manifest else None,
        "size_bytes": manifest.artifact.size_bytes if manifest else None,
        "evaluation": manifest.evaluation.model_dump() if manifest and manifest.evaluation else None,
        "workers": {w.worker: w.versions[one.version] for w in monitor.workers if one.version in w.versions},
    }


def _alias_view(change: AliasChange) -> dict[str, Any]:
    return {**asdict(change), "created_at": as_rfc3339(change.created_ms)}


def _routing_view(revision: RoutingRevision) -> dict[str, Any]:
    return {
        "revision": revision.revision,
        "shares": {version: count / 100 for version, count in revision.shares},
        "actor": revision.actor,
        "reason": revision.reason,
        "created_at": as_rfc3339(revision.created_ms),
    }
