"""The admin API's call about drift: are live images still what a version's reference images were?"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from splitleaf.api.admin import schemas as shapes
from splitleaf.api.schemas import Shape
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import NotFound
from splitleaf.flows.watch_drift import WINDOW, DriftReport, DriftWindow, watch_drift


class MeasureShape(Shape):
    measure: str = Field(examples=["brightness"])
    index: float = Field(description="Population stability index against the reference images.", examples=[3.12])
    limit: float = Field(description="What it may be at most.", examples=[0.25])
    is_drift: bool


class WindowShape(Shape):
    number: int = Field(description="The version's first window is 1.", examples=[7])
    first_at: str = Field(examples=["2026-05-04T09:30:00.000Z"])
    last_at: str = Field(examples=["2026-05-05T17:02:11.000Z"])
    is_alarm: bool
    measures: list[MeasureShape] = Field(description="Furthest off first.")

    @classmethod
    def of(cls, window: DriftWindow) -> WindowShape:
        return cls(
            number=window.number,
            first_at=as_rfc3339(window.first_ms),
            last_at=as_rfc3339(window.last_ms),
            is_alarm=window.is_alarm,
            measures=[
                MeasureShape(
                    measure=one.measure, index=round(one.index, 4), limit=round(one.limit, 4), is_drift=one.is_drift
                )
                for one in window.drifts
            ],
        )


class DriftShape(Shape):
    version: shapes.Name
    digest: str = Field(description="SHA-256 of the artifact whose images these are.")
    reference: str = Field(description="What the images are compared with.", examples=["tomato/train"])
    reference_images: int = Field(examples=[2463])
    window: int = Field(description="Images a window.", examples=[WINDOW])
    images: int = Field(description="Images measured so far; the last of them may not fill a window.", examples=[3712])
    is_alarm: bool = Field(description="Whether the newest full window is one.")
    windows: list[WindowShape] = Field(description="The newest full windows, oldest first.")

    @classmethod
    def of(cls, report: DriftReport) -> DriftShape:
        return cls(
            version=report.version,
            digest=report.digest,
            reference=report.reference,
            reference_images=report.reference_images,
            window=report.window,
            images=report.images,
            is_alarm=report.is_alarm,
            windows=[WindowShape.of(one) for one in report.windows],
        )


def add_drift(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    """Add `/models/{version}/drift`."""

    @router.get("/models/{version}/drift", dependencies=[may_read], summary="Compare live images with training's")
    async def show_drift(
        version: shapes.Name,
        window: Annotated[int, Query(ge=100, le=5000, description="Images a window.")] = WINDOW,
        windows: Annotated[int, Query(ge=1, le=60, description="How many of the newest.")] = 12,
    ) -> DriftShape:
        folder = next((one for one in services.monitor.folders if one.version == version), None)
        if folder is None or folder.manifest is None:
            raise NotFound(f"there is no version {version!r}", code="version_not_found")
        report = await asyncio.to_thread(
            watch_drift, services.store, folder.folder, folder.manifest, window=window, windows=windows
        )
        return DriftShape.of(report)
