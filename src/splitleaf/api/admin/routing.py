"""Admin routes for aliases and splits: which version answers whom."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from splitleaf.api.admin import schemas as shapes
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


def _add_splits(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
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


def _routing_shape(revision: RoutingRevision) -> shapes.RoutingShape:
    return shapes.RoutingShape.of(revision, as_rfc3339(revision.created_ms))
