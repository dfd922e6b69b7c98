"""Admin routes for aliases and splits, which decide the version for each unit."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from splitleaf.api.admin import schemas
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import Conflict
from splitleaf.flows.change_routing import clear_split, move_alias, roll_back_alias, set_split
from splitleaf.outcomes.events import AliasChange, RoutingRevision


def add_routing(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    """Add the routes under `/aliases` and `/routing`."""
    _add_aliases(router, services, may_read, may_write)
    _add_splits(router, services, may_read, may_write)


def _add_aliases(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.get("/aliases", dependencies=[may_read], summary="List the aliases")
    async def list_aliases() -> schemas.AliasesSchema:
        aliases = {"champion": services.monitor.snapshot.routing.champion}
        return schemas.AliasesSchema(aliases=aliases | await asyncio.to_thread(store.aliases))

    @router.get("/aliases/{alias}/history", dependencies=[may_read], summary="Show the history of an alias")
    async def show_history(alias: schemas.Name) -> schemas.AliasHistorySchema:
        return schemas.AliasHistorySchema(history=list(await asyncio.to_thread(store.alias_history, alias)))

    @router.put("/aliases/{alias}", summary="Point an alias at a loaded version")
    async def move(alias: schemas.Name, body: schemas.AliasMove, actor: str = may_write) -> AliasChange:
        ready = services.monitor.snapshot.ready
        present = (await asyncio.to_thread(store.aliases)).get(alias)
        named = present or await asyncio.to_thread(services.default_alias, alias)
        if body.expected is not None and body.expected != named:
            raise Conflict(f"{alias} points to {named or 'no version'}, not to {body.expected}")
        change = await asyncio.to_thread(
            move_alias, store, alias, body.version, ready, present, actor, body.reason, clock
        )
        await services.monitor.refresh()
        return change

    @router.post("/aliases/{alias}/rollback", summary="Point an alias at its previous version")
    async def roll_back(alias: schemas.Name, body: schemas.Reason, actor: str = may_write) -> AliasChange:
        ready = services.monitor.snapshot.ready
        default = await asyncio.to_thread(services.default_alias, alias)
        change = await asyncio.to_thread(roll_back_alias, store, alias, default, ready, actor, body.reason, clock)
        await services.monitor.refresh()
        return change


def _add_splits(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.get("/routing", dependencies=[may_read], summary="Show the current split")
    async def show() -> schemas.SplitSchema:
        revision = await asyncio.to_thread(store.routing)
        return schemas.SplitSchema(routing=_routing_of(revision) if revision and revision.shares else None)

    @router.get("/routing/history", dependencies=[may_read], summary="Show all splits, newest first")
    async def history() -> schemas.RoutingHistorySchema:
        revisions = await asyncio.to_thread(store.routing_history)
        return schemas.RoutingHistorySchema(history=[_routing_of(one) for one in revisions])

    @router.put("/routing", summary="Split units between versions")
    async def split(body: schemas.SplitChange, actor: str = may_write) -> schemas.SplitSchema:
        ready = services.monitor.snapshot.ready
        revision = await asyncio.to_thread(set_split, store, body.shares, ready, actor, body.reason, clock)
        await services.monitor.refresh()
        return schemas.SplitSchema(routing=_routing_of(revision))

    @router.delete("/routing", summary="End the split, so that the champion answers all units")
    async def clear(reason: schemas.Why, actor: str = may_write) -> schemas.SplitSchema:
        await asyncio.to_thread(clear_split, store, actor, reason, clock)
        await services.monitor.refresh()
        return schemas.SplitSchema(routing=None)


def _routing_of(revision: RoutingRevision) -> schemas.RoutingSchema:
    return schemas.RoutingSchema.of(revision, as_rfc3339(revision.created_ms))
