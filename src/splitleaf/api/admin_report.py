"""The admin API's report on an experiment."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from splitleaf.analysis.report import Report
from splitleaf.api.admin_shapes import Name
from splitleaf.flows.keep_reports import ReportKeeper


def add_report(router: APIRouter, keeper: ReportKeeper, may_read: Any) -> None:
    """Add `/experiments/{key}/report`."""

    @router.get(
        "/experiments/{key}/report",
        dependencies=[may_read],
        response_model=Report,
        summary="Say what is known by now: verdict, health, metrics, and all that is drawn",
    )
    async def report(key: Name) -> Response:
        return Response(await keeper.report(key), media_type="application/json")
