"""Admin routes for the state of the service: model versions, workers, traffic."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter

from splitleaf.api.admin import schemas
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import NotFound
from splitleaf.flows.read_traffic import Traffic, Window, read_traffic
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.reports import read_report

TRAFFIC_KEPT_S: Final = 5.0
"""Maximum age of a cached response: counting a busy week takes seconds, and many dashboards may poll at once."""


def add_overview(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    """Add the routes under `/models` and `/workers`, and `/traffic`."""
    _add_models(router, services, may_read)
    _add_traffic(router, services, may_read)


def _add_models(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    monitor = services.monitor

    def model_of(one: VersionFolder) -> schemas.ModelSchema:
        return schemas.ModelSchema.of(
            one, {w.worker: w.versions[one.version] for w in monitor.workers if one.version in w.versions}
        )

    @router.get(
        "/models", dependencies=[may_read], summary="List the model versions and the workers that have loaded them"
    )
    async def list_models() -> schemas.ModelsSchema:
        return schemas.ModelsSchema(models=[model_of(one) for one in monitor.folders])

    @router.get("/models/{version}", dependencies=[may_read], summary="Show a model version and its import report")
    async def show_model(version: schemas.Name) -> schemas.ModelDetailSchema:
        folder = next((one for one in monitor.folders if one.version == version), None)
        if folder is None:
            raise NotFound(f"version {version!r} does not exist", code="version_not_found")
        report = await asyncio.to_thread(read_report, folder)
        return schemas.ModelDetailSchema(model=model_of(folder), manifest=folder.manifest, report=report)

    @router.get("/workers", dependencies=[may_read], summary="List the workers")
    async def list_workers() -> schemas.WorkersSchema:
        return schemas.WorkersSchema(workers=list(monitor.workers))


def _add_traffic(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    kept: dict[Window, tuple[float, Traffic]] = {}
    counting = asyncio.Lock()

    @router.get("/traffic", dependencies=[may_read], summary="Count recent predictions, with their latency")
    async def show_traffic(window: Window = "day") -> Traffic:
        async with counting:
            now = services.clock.monotonic()
            if window not in kept or now - kept[window][0] >= TRAFFIC_KEPT_S:
                kept[window] = now, await asyncio.to_thread(read_traffic, services.store, window, services.clock)
            return kept[window][1]
