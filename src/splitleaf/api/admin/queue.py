"""Admin routes for the queue and its dead letters."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from splitleaf.api.admin import schemas as shapes
from splitleaf.api.services import ApiServices
from splitleaf.flows.run_experiment import Hand
from splitleaf.flows.settle_dead_letter import DeadLetterDesk


def add_queue(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    """Add the routes under `/queue` and `/dead-letters`."""
    letters = services.dead_letters
    desk = DeadLetterDesk(letters, services.store, services.clock)

    @router.get("/queue", dependencies=[may_read], summary="Show what waits and what is worked on")
    async def depths() -> shapes.QueuesShape:
        return shapes.QueuesShape(queues=[shapes.QueueShape.of(depth) for depth in await services.queue.depths()])

    @router.get("/dead-letters", dependencies=[may_read], summary="List images that took workers down")
    async def list_letters(
        version: shapes.Name, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> shapes.DeadLettersShape:
        return shapes.DeadLettersShape(dead_letters=list(await letters.list(version, limit)))

    @router.post("/dead-letters/{version}/{token}/retry", summary="Try a dead letter again, as a new prediction")
    async def retry(
        version: shapes.Name, token: str, body: shapes.Reason, actor: str = may_write
    ) -> shapes.RetriedShape:
        return shapes.RetriedShape(prediction_id=await desk.retry(version, token, Hand(actor, body.reason)))

    @router.delete("/dead-letters/{version}/{token}", summary="Discard a dead letter")
    async def discard(
        version: shapes.Name, token: str, reason: shapes.Why, actor: str = may_write
    ) -> shapes.DiscardedShape:
        await desk.discard(version, token, Hand(actor, reason))
        return shapes.DiscardedShape(discarded=token)
