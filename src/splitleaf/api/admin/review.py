"""Admin routes for review: images for experts, their labels, and label files."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from splitleaf.api.admin import review_schemas as schemas
from splitleaf.api.admin.schemas import Name, Text
from splitleaf.api.http.bodies import media_type
from splitleaf.api.http.problem_docs import problem
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import NotFound, Unprocessable, UnsupportedMedia
from splitleaf.core.ids import is_prediction_id
from splitleaf.flows import review_images as flow
from splitleaf.flows.discard_image import discard_image
from splitleaf.flows.import_labels import Prefer, export_labels, import_labels
from splitleaf.flows.measure_agreement import compare_experts
from splitleaf.flows.run_experiment import find_experiment, require_known
from splitleaf.flows.settle_labels import MOST_DISPUTES, Dispute, list_disputes, settle_label, undo_settlement
from splitleaf.outcomes.audit import entry_of
from splitleaf.registry.catalogue import known_labels

_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "The image."}}
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}, "description": "The labels."}}
_CSV_BODY = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": "prediction_id,label,author\n"}},
    }
}
Experiment = Annotated[
    str, Query(max_length=64, description="Key of the experiment; empty for images outside experiments.")
]


def add_review(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    """Add the routes under `/review`, `/labels` and `/images`."""
    review = flow.ImageReview(services.store, services.images, services.clock, services.review)
    _add_queue(router, services, review, may_read, may_write)
    _add_labels(router, services, review, may_write)
    _add_disputes(router, services, may_read, may_write)
    _add_statistics(router, services, may_read)
    _add_import(router, services, may_write)
    _add_export(router, services, may_read)
    _add_images(router, services, may_write)


def _add_queue(
    router: APIRouter, services: ApiServices, review: flow.ImageReview, may_read: Any, may_write: Any
) -> None:
    @router.post("/review/next", summary="Get the next images to label")
    async def next_items(body: schemas.NextItemsBody, actor: str = may_write) -> schemas.ReviewItemsSchema:
        await asyncio.to_thread(require_known, services.store, body.experiment)
        wanted = flow.Request(body.expert or actor, body.experiment, body.count, body.opinions)
        tasks = await asyncio.to_thread(review.next_items, wanted)
        return schemas.ReviewItemsSchema.of(tasks, known_labels(services.monitor.folders))

    # Each has its former path, too: clients written before images were called images use it.
    @router.get("/review/items/{prediction_id}/picture", dependencies=[may_read], include_in_schema=False)
    @router.get(
        "/review/items/{prediction_id}/image",
        dependencies=[may_read],
        summary="Show an image",
        response_class=Response,
        responses=_JPEG,
    )
    async def show_image(prediction_id: str) -> Response:
        jpeg = await asyncio.to_thread(review.image, _require_id(prediction_id))
        headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
        return Response(jpeg, media_type="image/jpeg", headers=headers)


def _add_labels(router: APIRouter, services: ApiServices, review: flow.ImageReview, may_write: Any) -> None:
    @router.post("/review/items/{prediction_id}/label", summary="Label an image")
    async def label(prediction_id: str, body: schemas.LabelBody, actor: str = may_write) -> schemas.ReviewLabelSchema:
        if (body.label is None) == (body.verdict is None):
            raise Unprocessable("send either `label` or `verdict`", code="invalid_feedback")
        expert, item = body.expert or actor, _require_id(prediction_id)
        if body.verdict == "skip":
            await asyncio.to_thread(review.skip, item, expert)
            await _record_audit(services, actor, "skip", f"label/{item}", {"expert": expert})
            now = as_rfc3339(services.clock.now_ms())
            return schemas.ReviewLabelSchema(id=item, verdict="skip", label=None, expert=expert, said_at=now)
        known = known_labels(services.monitor.folders)
        said = await asyncio.to_thread(review.say, item, flow.Annotation(expert, body.label), known)
        await _record_audit(services, actor, "label", f"label/{item}", {"expert": expert, "label": body.label})
        return schemas.ReviewLabelSchema.of(said)

    @router.post("/review/items/{prediction_id}/undo", summary="Undo a label or a skip")
    async def undo(prediction_id: str, body: schemas.UndoBody, actor: str = may_write) -> schemas.ReviewItemSchema:
        expert, item = body.expert or actor, _require_id(prediction_id)
        task = await asyncio.to_thread(review.undo, item, expert)
        await _record_audit(services, actor, "undo", f"label/{item}", {"expert": expert})
        return schemas.ReviewItemSchema.of(task)


def _add_disputes(router: APIRouter, services: ApiServices, may_read: Any, may_write: Any) -> None:
    store = services.store

    @router.get("/review/disputes", dependencies=[may_read], summary="List images with contradicting labels")
    async def disputes(experiment: Experiment = "") -> schemas.DisputesSchema:
        await asyncio.to_thread(require_known, store, experiment)
        found = await asyncio.to_thread(list_disputes, store, experiment)
        shown = [schemas.DisputeSchema.of(one) for one in found[:MOST_DISPUTES]]
        return schemas.DisputesSchema(experiment=experiment, count=len(found), disputes=shown)

    @router.post("/review/items/{prediction_id}/settle", summary="Settle the label of an image")
    async def settle(prediction_id: str, body: schemas.SettleBody, actor: str = may_write) -> schemas.ReviewLabelSchema:
        item, known = _require_id(prediction_id), known_labels(services.monitor.folders)
        who = body.expert or actor
        made = await asyncio.to_thread(settle_label, store, item, body.label, who, known, services.clock)
        await _record_audit(services, actor, "settle", f"label/{item}", {"expert": who, "label": body.label})
        return schemas.ReviewLabelSchema.of(made)

    @router.post("/review/items/{prediction_id}/settle/undo", summary="Undo the settling of a label")
    async def undo(prediction_id: str, body: schemas.UndoBody, actor: str = may_write) -> schemas.DisputeSchema:
        item, who = _require_id(prediction_id), body.expert or actor
        current = await asyncio.to_thread(undo_settlement, store, item, who, services.clock)
        await _record_audit(services, actor, "undo_settle", f"label/{item}", {"expert": who})
        return schemas.DisputeSchema.of(Dispute(item, current))


def _add_statistics(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    store = services.store

    @router.get("/review/progress", dependencies=[may_read], summary="Count labelled and unlabelled images")
    async def progress(experiment: Experiment = "") -> schemas.ProgressSchema:
        await asyncio.to_thread(require_known, store, experiment)
        return schemas.ProgressSchema(
            experiment=experiment,
            images_are_kept=services.images is not None,
            audit_share=services.review.audit_share,
            reasons=list(await asyncio.to_thread(store.count_reviews, experiment)),
        )

    @router.get("/review/agreement", dependencies=[may_read], summary="Measure the agreement between experts")
    async def agreement(experiment: Experiment = "") -> schemas.AgreementSchema:
        await asyncio.to_thread(require_known, store, experiment)
        found = await asyncio.to_thread(compare_experts, store, experiment)
        return schemas.AgreementSchema.of(experiment, found)

    @router.get("/experiments/{key}/responses", dependencies=[may_read], summary="Count user feedback by variant")
    async def responses(key: Name) -> schemas.ResponsesSchema:
        await asyncio.to_thread(find_experiment, store, key)
        counts = list(await asyncio.to_thread(store.count_responses, key))
        return schemas.ResponsesSchema(experiment=key, responses=counts)


def _add_import(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    store, clock = services.store, services.clock

    @router.post(
        "/labels/import",
        summary="Import labels from a CSV file, all or none",
        openapi_extra=_CSV_BODY,
        responses={415: problem(415)},
    )
    async def import_file(
        request: Request,
        dry_run: bool = False,
        prefer: Annotated[
            Prefer,
            Query(
                description="Which label counts if a line contradicts a current label; `none` leaves the dispute open."
            ),
        ] = "none",
        reason: Annotated[str, Query(max_length=500)] = "",
        actor: str = may_write,
    ) -> schemas.LabelImportSchema:
        text, known = await _read_csv(request), known_labels(services.monitor.folders)
        done = await asyncio.to_thread(
            import_labels, store, text, author=actor, known_labels=known, clock=clock, dry_run=dry_run, prefer=prefer
        )
        if not dry_run:
            after = {"imported": done.imported, "contradicting": len(done.conflicts), "prefer": prefer}
            await _record_audit(services, actor, "import", "labels", after, reason or "label file")
        return schemas.LabelImportSchema.of(done)


def _add_export(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    store = services.store

    @router.get(
        "/labels/export",
        dependencies=[may_read],
        summary="Export labels as a CSV file",
        response_class=StreamingResponse,
        responses=_CSV,
    )
    async def export_file(
        experiment: Annotated[
            str | None, Query(max_length=64, description="Key of the experiment. Default: all labels.")
        ] = None,
    ) -> StreamingResponse:
        await asyncio.to_thread(require_known, store, experiment or "")
        headers = {"Content-Disposition": 'attachment; filename="labels.csv"', "Cache-Control": "no-store"}
        return StreamingResponse(export_labels(store, experiment), media_type="text/csv", headers=headers)


def _add_images(router: APIRouter, services: ApiServices, may_write: Any) -> None:
    @router.delete("/pictures/{prediction_id}", include_in_schema=False)
    @router.delete(
        "/images/{prediction_id}", summary="Delete a kept image permanently, for example at its owner's request"
    )
    async def discard(
        prediction_id: str, reason: Annotated[Text, Query()], actor: str = may_write
    ) -> schemas.DiscardedImageSchema:
        done = await asyncio.to_thread(
            discard_image, services.store, services.images, _require_id(prediction_id), actor, reason, services.clock
        )
        return schemas.DiscardedImageSchema(id=prediction_id, discarded=done)


async def _record_audit(  # noqa: PLR0917 - who did what to what, and why
    services: ApiServices, actor: str, action: str, subject: str, after: dict[str, Any], reason: str = "review"
) -> None:
    """Record the key in the audit log. The label itself names only the expert."""
    entry = entry_of(actor, action, subject, reason, None, after, services.clock.now_ms())
    await asyncio.to_thread(services.store.record_audit, entry)


def _require_id(prediction_id: str) -> str:
    if not is_prediction_id(prediction_id):
        raise NotFound("this prediction does not exist", code="prediction_not_found")
    return prediction_id


async def _read_csv(request: Request) -> str:
    if media_type(request) != "text/csv":
        raise UnsupportedMedia("send the labels as text/csv")
    body = await request.body()  # already bounded, like all bodies of the admin API
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unprocessable(f"the file is not valid UTF-8 at byte {error.start}", code="invalid_labels") from error
