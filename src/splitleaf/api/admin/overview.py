"""The admin API's calls about how the service does: versions, workers, traffic."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter

from splitleaf.api.admin import schemas as shapes
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import NotFound
from splitleaf.flows.read_traffic import Traffic, Window, read_traffic
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.reports import read_report

TRAFFIC_KEPT_S: Final = 5.0
"""How old an answer may be: many may look at the traffic at once, and counting a busy week takes seconds."""


def add_overview(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    """Add the routes under `/models` and `/workers`, and `/traffic`."""
    _add_models(router, services, may_read)
    _add_traffic(router, services, may_read)


def _add_models(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    monitor = services.monitor

    def shape(one: VersionFolder) -> shapes.ModelShape:
        return shapes.ModelShape.of(
            one, {w.worker: w.versions[one.version] for w in monitor.workers if one.version in w.versions}
        )

    @router.get("/models", dependencies=[may_read], summary="List the versions and who has loaded them")
    async def list_models() -> shapes.ModelsShape:
        return shapes.ModelsShape(models=[shape(one) for one in monitor.folders])

    @router.get("/models/{version}", dependencies=[may_read], summary="Show one version and its import")
    async def show_model(version: shapes.Name) -> shapes.ModelDetailShape:
        folder = next((one for one in monitor.folders if one.version == version), None)
        if folder is None:
            raise NotFound(f"there is no version {version!r}", code="version_not_found")
        report = await asyncio.to_thread(read_report, folder)
        return shapes.ModelDetailShape(model=shape(folder), manifest=folder.manifest, report=report)

    @router.get("/workers", dependencies=[may_read], summary="List the workers")
    async def list_workers() -> shapes.WorkersShape:
        return shapes.WorkersShape(workers=list(monitor.workers))


def _add_traffic(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    kept: dict[Window, tuple[float, Traffic]] = {}
    counting = asyncio.Lock()

    @router.get("/traffic", dependencies=[may_read], summary="Count what came in lately, and how long it took")
    async def show_traffic(window: Window = "day") -> Traffic:
        async with counting:
            now = services.clock.monotonic()
            if window not in kept or now - kept[window][0] >= TRAFFIC_KEPT_S:
                kept[window] = now, await asyncio.to_thread(read_traffic, services.store, window, services.clock)
            return kept[window][1]
