"""Admin routes that export recorded outcomes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query

from splitleaf.api.admin import schemas
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import NotFound


def add_outcomes(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    """Add the routes under `/outcomes`, and `/summary`."""
    store = services.store

    @router.get("/outcomes", dependencies=[may_read], summary="Export outcomes in the order of recording, page by page")
    async def export(
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the previous page.")] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> schemas.OutcomesSchema:
        found = list(await asyncio.to_thread(store.outcomes_after, after, limit))
        return schemas.OutcomesSchema(outcomes=found, next=found[-1].number if found else after)

    @router.get("/outcomes/{prediction_id}", dependencies=[may_read], summary="Show an outcome and its feedback")
    async def show(prediction_id: str) -> schemas.OutcomeSchema:
        outcome = await asyncio.to_thread(store.outcome, prediction_id)
        if outcome is None:
            raise NotFound("no outcome is recorded for this prediction", code="prediction_not_found")
        feedback = list(await asyncio.to_thread(store.feedback, prediction_id))
        return schemas.OutcomeSchema(outcome=outcome, feedback=feedback)

    @router.get("/summary", dependencies=[may_read], summary="Count the outcomes by final state")
    async def count() -> schemas.SummarySchema:
        return schemas.SummarySchema(outcomes=await asyncio.to_thread(store.count_by_status))
