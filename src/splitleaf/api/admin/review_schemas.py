"""Request and response schemas of the admin routes for review.

Review is blind: no response that an expert sees while labelling names a version, a variant, a confidence, or the
reason why the image was selected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from splitleaf.api.admin.schemas import Name
from splitleaf.api.schemas import LabelSchema, Schema
from splitleaf.core.clock import as_rfc3339
from splitleaf.flows.import_labels import LabelImport
from splitleaf.flows.measure_agreement import ExpertAgreement
from splitleaf.flows.review_images import ReviewTask
from splitleaf.flows.settle_labels import MOST_DISPUTES, Dispute
from splitleaf.outcomes.events import Feedback
from splitleaf.outcomes.labels import ResponseCount
from splitleaf.outcomes.reviews import ReviewCount

_ID = "mfrggzdfmztwq2lknnwg23tpoa"
_TIME = "2026-05-04T09:30:00.000Z"
_LABELS = ["Early_blight", "Late_blight", "Target_Spot"]
Expert = Annotated[
    Name | None,
    Field(description="Name of the expert. Default: the name of the key.", examples=["anna"]),
]
Experiment = Annotated[
    Literal[""] | Name,
    Field(description="Key of the experiment; empty for images outside experiments.", examples=["v2-against-v1"]),
]


class _Body(Schema):
    model_config = ConfigDict(extra="forbid")


class NextItemsBody(_Body):
    experiment: Experiment = ""
    expert: Expert = None
    count: int = Field(
        1, ge=1, le=20, description="Number of images; more than one lets a client load images ahead.", examples=[1]
    )
    opinions: int = Field(
        1,
        ge=1,
        le=5,
        description="Experts who label each image. With 2, images that one expert labelled are offered again.",
    )


class LabelBody(_Body):
    """Send exactly one of `label` and `verdict`."""

    label: str | None = Field(None, max_length=200, description="What the image shows.", examples=["Late_blight"])
    verdict: Literal["cannot_tell", "skip"] | None = Field(
        None,
        description="`cannot_tell`: the image does not show it; counts as an answer. `skip`: leave it to others.",
        examples=[None],
    )
    expert: Expert = None


class UndoBody(_Body):
    expert: Expert = None


class ReviewItemSchema(Schema):
    id: str = Field(description="Id of the prediction.", examples=[_ID])
    image: str = Field(examples=[f"/admin/api/review/items/{_ID}/image"])
    picture: str = Field(description="Former name of `image`.", deprecated=True)
    candidates: list[str] = Field(
        description="The likely labels, in a fixed order that reveals nothing.", examples=[_LABELS]
    )
    leased_until: str = Field(description="Until then, no other expert gets the image.", examples=[_TIME])

    @classmethod
    def of(cls, task: ReviewTask) -> ReviewItemSchema:
        image = f"/admin/api/review/items/{task.prediction_id}/image"
        return cls(
            id=task.prediction_id,
            image=image,
            picture=image,
            candidates=list(task.candidates),
            leased_until=as_rfc3339(task.leased_until_ms),
        )


class ReviewItemsSchema(Schema):
    items: list[ReviewItemSchema] = Field(description="Empty if there is nothing to label.")
    labels: list[LabelSchema] = Field(description="All allowed labels, always in the same order.")

    @classmethod
    def of(cls, tasks: list[ReviewTask], labels: Mapping[str, str]) -> ReviewItemsSchema:
        named = [LabelSchema(label=label, display_name=name) for label, name in labels.items()]
        return cls(items=[ReviewItemSchema.of(task) for task in tasks], labels=named)


class ReviewLabelSchema(Schema):
    id: str = Field(examples=[_ID])
    verdict: Literal["answer", "cannot_tell", "skip"] = Field(examples=["answer"])
    label: str | None = Field(examples=["Late_blight"])
    expert: str = Field(examples=["anna"])
    said_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, said: Feedback) -> ReviewLabelSchema:
        return cls.model_validate(
            {
                "id": said.prediction_id,
                "verdict": said.verdict.value,
                "label": said.label,
                "expert": said.author,
                "said_at": as_rfc3339(said.created_ms),
            }
        )


class ProgressSchema(Schema):
    experiment: str = Field(examples=["v2-against-v1"])
    images_are_kept: bool = Field(description="False if retention is off, so that there are no images to review.")
    audit_share: float = Field(description="Share of the images that are sampled for the audit.", examples=[0.02])
    reasons: list[ReviewCount] = Field(description="Only reasons with items.")


class AgreementPairSchema(Schema):
    first: str = Field(examples=["anna"])
    second: str = Field(examples=["ben"])
    items: int = Field(description="Images that both labelled.", examples=[80])
    agreed: int = Field(examples=[74])
    raw: float | None = Field(description="Share of the images on which they agree.", examples=[0.925])
    kappa: float | None = Field(
        description="Cohen's kappa: 1 is perfect, 0 is chance; null if chance alone agrees fully.", examples=[0.89]
    )


class AgreementSchema(Schema):
    experiment: str = Field(examples=["v2-against-v1"])
    compared: int = Field(description="Images that at least two experts labelled.", examples=[80])
    pairs: list[AgreementPairSchema]
    contested: list[str] = Field(description="Images on which experts disagree, at most 200.", examples=[[_ID]])

    @classmethod
    def of(cls, experiment: str, found: ExpertAgreement) -> AgreementSchema:
        pairs = [
            AgreementPairSchema(
                first=one.first,
                second=one.second,
                items=one.agreement.items,
                agreed=one.agreement.agreed,
                raw=one.agreement.raw,
                kappa=one.agreement.kappa,
            )
            for one in found.pairs
        ]
        return cls(experiment=experiment, compared=found.compared, pairs=pairs, contested=list(found.contested))


class LineFaultSchema(Schema):
    line: int = Field(description="Line of the file. The header is line 1.", examples=[7])
    message: str = Field(examples=["no version knows a class 'rust'"])


class LabelConflictSchema(Schema):
    line: int = Field(examples=[12])
    id: str = Field(description="Id of the prediction.", examples=[_ID])
    label: str = Field(description="Label in the file.", examples=["Late_blight"])
    standing: str = Field(description="The current label.", examples=["Early_blight"])
    author: str = Field(description="Author of the current label.", examples=["anna"])


class AnnotationSchema(Schema):
    author: str = Field(examples=["anna"])
    source: str = Field(examples=["expert"])
    label: str = Field(examples=["Late_blight"])
    said_at: str = Field(examples=[_TIME])


class DisputeSchema(Schema):
    id: str = Field(description="Id of the prediction.", examples=[_ID])
    image: str = Field(examples=[f"/admin/api/review/items/{_ID}/image"])
    words: list[AnnotationSchema] = Field(description="The current labels, in the order of recording.")

    @classmethod
    def of(cls, one: Dispute) -> DisputeSchema:
        words = [
            AnnotationSchema(
                author=word.author,
                source=word.source.value,
                label=word.label or "",
                said_at=as_rfc3339(word.created_ms),
            )
            for word in one.annotations
        ]
        image = f"/admin/api/review/items/{one.prediction_id}/image"
        return cls(id=one.prediction_id, image=image, words=words)


class DisputesSchema(Schema):
    experiment: str = Field(examples=["v2-against-v1"])
    count: int = Field(description="Number of all disputes.", examples=[3])
    disputes: list[DisputeSchema] = Field(description="The oldest 200 disputes.")


class SettleBody(_Body):
    label: str = Field(max_length=200, description="What the image shows. Takes precedence over all other labels.")
    expert: Expert = None


class LabelImportSchema(Schema):
    dry_run: bool
    lines: int = Field(description="Number of lines with a label.", examples=[120])
    imported: int = Field(
        description="Number of new labels; in a dry run, of labels that would be new.", examples=[118]
    )
    unchanged: int = Field(description="Lines that repeat the current label of their author.", examples=[2])
    faults: list[LineFaultSchema] = Field(
        description="Faults found by a dry run. Otherwise they are in the detail of the problem document."
    )
    contradicting: int = Field(description="Lines that contradict the label of another author.", examples=[1])
    conflicts: list[LabelConflictSchema] = Field(description="The first 200 contradicting lines.")

    @classmethod
    def of(cls, done: LabelImport) -> LabelImportSchema:
        return cls(
            dry_run=done.is_dry_run,
            lines=done.lines,
            imported=done.imported,
            unchanged=done.unchanged,
            faults=[LineFaultSchema(line=one.line, message=one.message) for one in done.faults],
            contradicting=len(done.conflicts),
            conflicts=[
                LabelConflictSchema(
                    line=one.line, id=one.prediction_id, label=one.label, standing=one.current, author=one.author
                )
                for one in done.conflicts[:MOST_DISPUTES]
            ],
        )


class ResponsesSchema(Schema):
    experiment: str = Field(examples=["v2-against-v1"])
    responses: list[ResponseCount] = Field(
        description="User feedback by revision and assigned variant. Biased: users choose when to respond."
    )


class DiscardedImageSchema(Schema):
    id: str = Field(examples=[_ID])
    discarded: bool = Field(description="False if no image was kept.")
