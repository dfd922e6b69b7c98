"""Admin routes for the queue and its dead letters."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from splitleaf.api.admin import schemas
from splitleaf.api.services import ApiServices
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.flows.settle_dead_letter import DeadLetterDesk


def add_queue(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    """Add the routes under `/queue` and `/dead-letters`."""
    letters = services.dead_letters
    desk = DeadLetterDesk(letters, services.store, services.clock)

    @router.get("/queue", dependencies=[may_read], summary="Show how many predictions are waiting and running")
    async def depths() -> schemas.QueuesSchema:
        return schemas.QueuesSchema(queues=[schemas.QueueSchema.of(depth) for depth in await services.queue.depths()])

    @router.get("/dead-letters", dependencies=[may_read], summary="List dead letters: images that crashed workers")
    async def list_letters(
        version: schemas.Name, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> schemas.DeadLettersSchema:
        return schemas.DeadLettersSchema(dead_letters=list(await letters.list(version, limit)))

    @router.post("/dead-letters/{version}/{token}/retry", summary="Retry a dead letter as a new prediction")
    async def retry(
        version: schemas.Name, token: str, body: schemas.Reason, actor: str = may_write
    ) -> schemas.RetriedSchema:
        return schemas.RetriedSchema(prediction_id=await desk.retry(version, token, ChangeRequest(actor, body.reason)))

    @router.delete("/dead-letters/{version}/{token}", summary="Discard a dead letter")
    async def discard(
        version: schemas.Name, token: str, reason: schemas.Why, actor: str = may_write
    ) -> schemas.DiscardedSchema:
        await desk.discard(version, token, ChangeRequest(actor, reason))
        return schemas.DiscardedSchema(discarded=token)
