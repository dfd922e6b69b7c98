"""Admin route for drift: do live images still resemble the reference images of a version?"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from splitleaf.api.admin import schemas
from splitleaf.api.schemas import Schema
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import NotFound
from splitleaf.flows.watch_drift import WINDOW, DriftReport, DriftWindow, watch_drift


class MeasureSchema(Schema):
    measure: str = Field(examples=["brightness"])
    index: float = Field(
        description="Population stability index of the live images relative to the reference images.", examples=[3.12]
    )
    limit: float = Field(description="The index above which the measure counts as drifted.", examples=[0.25])
    is_drift: bool


class WindowSchema(Schema):
    number: int = Field(description="Number of the window, starting with 1 for the first of the version.", examples=[7])
    first_at: str = Field(examples=["2026-05-04T09:30:00.000Z"])
    last_at: str = Field(examples=["2026-05-05T17:02:11.000Z"])
    is_alarm: bool
    measures: list[MeasureSchema] = Field(description="Largest drift first.")

    @classmethod
    def of(cls, window: DriftWindow) -> WindowSchema:
        return cls(
            number=window.number,
            first_at=as_rfc3339(window.first_ms),
            last_at=as_rfc3339(window.last_ms),
            is_alarm=window.is_alarm,
            measures=[
                MeasureSchema(
                    measure=one.measure, index=round(one.index, 4), limit=round(one.limit, 4), is_drift=one.is_drift
                )
                for one in window.drifts
            ],
        )


class DriftSchema(Schema):
    version: schemas.Name
    digest: str = Field(description="SHA-256 of the artifact that classified these images.")
    reference: str = Field(description="The reference images.", examples=["tomato/train"])
    reference_images: int = Field(examples=[2463])
    window: int = Field(description="Images per window.", examples=[WINDOW])
    images: int = Field(description="Images measured so far, including an incomplete last window.", examples=[3712])
    is_alarm: bool = Field(description="Whether the newest complete window is an alarm.")
    windows: list[WindowSchema] = Field(description="The newest complete windows, oldest first.")

    @classmethod
    def of(cls, report: DriftReport) -> DriftSchema:
        return cls(
            version=report.version,
            digest=report.digest,
            reference=report.reference,
            reference_images=report.reference_images,
            window=report.window,
            images=report.images,
            is_alarm=report.is_alarm,
            windows=[WindowSchema.of(one) for one in report.windows],
        )


def add_drift(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    """Add `/models/{version}/drift`."""

    @router.get(
        "/models/{version}/drift",
        dependencies=[may_read],
        summary="Compare live images with the reference images of a version",
    )
    async def show_drift(
        version: schemas.Name,
        window: Annotated[int, Query(ge=100, le=5000, description="Images per window.")] = WINDOW,
        windows: Annotated[int, Query(ge=1, le=60, description="Number of windows to return, the newest ones.")] = 12,
    ) -> DriftSchema:
        folder = next((one for one in services.monitor.folders if one.version == version), None)
        if folder is None or folder.manifest is None:
            raise NotFound(f"version {version!r} does not exist", code="version_not_found")
        report = await asyncio.to_thread(
            watch_drift, services.store, folder.folder, folder.manifest, window=window, windows=windows
        )
        return DriftSchema.of(report)
