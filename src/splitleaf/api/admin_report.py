"""The admin API's report on an experiment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from splitleaf.analysis.report import Report
from splitleaf.api.admin_shapes import Name
from splitleaf.flows.keep_reports import ReportKeeper

CacheControl = Annotated[
    str,
    Header(description="`no-cache`: a report of all that is known by now. Otherwise a recent one may be returned."),
]


def add_report(router: APIRouter, keeper: ReportKeeper, may_read: Any) -> None:
    """Add `/experiments/{key}/report`."""

    @router.get(
        "/experiments/{key}/report",
        dependencies=[may_read],
        response_model=Report,
        summary="Say what is known by now: verdict, health, metrics, and all that is drawn",
    )
    async def report(key: Name, cache_control: CacheControl = "") -> Response:
        is_current = "no-cache" in cache_control.lower()
        return Response(await keeper.report(key, is_current=is_current), media_type="application/json")
