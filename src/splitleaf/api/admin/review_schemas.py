"""The shapes of the admin API's review: what its calls take and return.

Blind: no shape that an expert gets while they label has a version, a variant, a confidence, or why the image
is to be labelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from splitleaf.api.admin.schemas import Name
from splitleaf.api.schemas import LabelShape, Shape
from splitleaf.core.clock import as_rfc3339
from splitleaf.flows.import_labels import LabelImport
from splitleaf.flows.measure_agreement import ExpertAgreement
from splitleaf.flows.review_images import ReviewTask
from splitleaf.flows.settle_labels import MOST_DISPUTES, Dispute
from splitleaf.outcomes.events import Feedback
from splitleaf.outcomes.reviews import ReviewCount
from splitleaf.outcomes.truths import ResponseCount

_ID = "mfrggzdfmztwq2lknnwg23tpoa"
_TIME = "2026-05-04T09:30:00.000Z"
_LABELS = ["Early_blight", "Late_blight", "Target_Spot"]
Expert = Annotated[
    Name | None,
    Field(description="Who labels; the key's own name unless given. Two experts are two names.", examples=["anna"]),
]
Experiment = Annotated[
    Literal[""] | Name, Field(description="Its key; empty: images of no experiment.", examples=["v2-against-v1"])
]


class _Body(Shape):
    model_config = ConfigDict(extra="forbid")


class NextBody(_Body):
    experiment: Experiment = ""
    expert: Expert = None
    count: int = Field(1, ge=1, le=20, description="More than one: to load images ahead.", examples=[1])
    opinions: int = Field(
        1, ge=1, le=5, description="Experts who are to label each image: 2 also gives out what one has labelled."
    )


class SayingBody(_Body):
    """Exactly one of `label` and `verdict`."""

    label: str | None = Field(None, max_length=200, description="What the image shows.", examples=["Late_blight"])
    verdict: Literal["cannot_tell", "skip"] | None = Field(
        None,
        description="`cannot_tell`: I looked and cannot say; counts as an answer. `skip`: give it to somebody else.",
        examples=[None],
    )
    expert: Expert = None


class UndoBody(_Body):
    expert: Expert = None


class ReviewItemShape(Shape):
    id: str = Field(description="The prediction's.", examples=[_ID])
    image: str = Field(examples=[f"/admin/api/review/items/{_ID}/image"])
    candidates: list[str] = Field(
        description="The likely labels, in an order that is the same each time and says nothing.", examples=[_LABELS]
    )
    leased_until: str = Field(description="Nobody else gets the image before.", examples=[_TIME])

    @classmethod
    def of(cls, task: ReviewTask) -> ReviewItemShape:
        return cls(
            id=task.prediction_id,
            image=f"/admin/api/review/items/{task.prediction_id}/image",
            candidates=list(task.candidates),
            leased_until=as_rfc3339(task.leased_until_ms),
        )


class ReviewItemsShape(Shape):
    items: list[ReviewItemShape] = Field(description="Empty: there is nothing to label at present.")
    labels: list[LabelShape] = Field(description="All labels that may be said, always in the same order.")

    @classmethod
    def of(cls, tasks: list[ReviewTask], labels: Mapping[str, str]) -> ReviewItemsShape:
        named = [LabelShape(label=label, display_name=name) for label, name in labels.items()]
        return cls(items=[ReviewItemShape.of(task) for task in tasks], labels=named)


class SaidShape(Shape):
    id: str = Field(examples=[_ID])
    verdict: Literal["answer", "cannot_tell", "skip"] = Field(examples=["answer"])
    label: str | None = Field(examples=["Late_blight"])
    expert: str = Field(examples=["anna"])
    said_at: str = Field(examples=[_TIME])

    @classmethod
    def of(cls, said: Feedback) -> SaidShape:
        return cls.model_validate(
            {
                "id": said.prediction_id,
                "verdict": said.verdict.value,
                "label": said.label,
                "expert": said.author,
                "said_at": as_rfc3339(said.created_ms),
            }
        )


class ProgressShape(Shape):
    experiment: str = Field(examples=["v2-against-v1"])
    images_are_kept: bool = Field(description="False: retention is off, and there is nothing to look at.")
    audit_share: float = Field(description="Share of the images that are drawn for the audit.", examples=[0.02])
    reasons: list[ReviewCount] = Field(description="Only reasons that have items.")


class AgreementPairShape(Shape):
    first: str = Field(examples=["anna"])
    second: str = Field(examples=["ben"])
    items: int = Field(description="Images that both labelled.", examples=[80])
    agreed: int = Field(examples=[74])
    raw: float | None = Field(description="Share of the images on which they agree.", examples=[0.925])
    kappa: float | None = Field(
        description="Cohen's: 1 is perfect, 0 what chance gives; null where chance agrees fully.", examples=[0.89]
    )


class AgreementShape(Shape):
    experiment: str = Field(examples=["v2-against-v1"])
    compared: int = Field(description="Images that two experts or more labelled.", examples=[80])
    pairs: list[AgreementPairShape]
    contested: list[str] = Field(description="Images on which they differ, at most 200.", examples=[[_ID]])

    @classmethod
    def of(cls, experiment: str, found: ExpertAgreement) -> AgreementShape:
        pairs = [
            AgreementPairShape(
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


class LineFaultShape(Shape):
    line: int = Field(description="In the file, from 1; the header is line 1.", examples=[7])
    message: str = Field(examples=["no version knows a class 'rust'"])


class LabelConflictShape(Shape):
    line: int = Field(examples=[12])
    id: str = Field(description="The prediction's.", examples=[_ID])
    label: str = Field(description="The file's.", examples=["Late_blight"])
    standing: str = Field(description="What counts without the file.", examples=["Early_blight"])
    author: str = Field(description="Whose that is.", examples=["anna"])


class WordShape(Shape):
    author: str = Field(examples=["anna"])
    source: str = Field(examples=["expert"])
    label: str = Field(examples=["Late_blight"])
    said_at: str = Field(examples=[_TIME])


class DisputeShape(Shape):
    id: str = Field(description="The prediction's.", examples=[_ID])
    image: str = Field(examples=[f"/admin/api/review/items/{_ID}/image"])
    words: list[WordShape] = Field(description="The labels that stand; in the order of recording.")

    @classmethod
    def of(cls, one: Dispute) -> DisputeShape:
        words = [
            WordShape(
                author=word.author,
                source=word.source.value,
                label=word.label or "",
                said_at=as_rfc3339(word.created_ms),
            )
            for word in one.words
        ]
        image = f"/admin/api/review/items/{one.prediction_id}/image"
        return cls(id=one.prediction_id, image=image, words=words)


class DisputesShape(Shape):
    experiment: str = Field(examples=["v2-against-v1"])
    count: int = Field(description="Of all.", examples=[3])
    disputes: list[DisputeShape] = Field(description="The oldest 200.")


class SettlingBody(_Body):
    label: str = Field(max_length=200, description="What the image shows; counts before all others.")
    expert: Expert = None


class LabelImportShape(Shape):
    dry_run: bool
    lines: int = Field(description="Lines with a label.", examples=[120])
    imported: int = Field(description="Labels that are new; of a dry run: would be.", examples=[118])
    unchanged: int = Field(description="Lines that say what their author said already.", examples=[2])
    faults: list[LineFaultShape] = Field(description="Of a dry run; without one they are a problem's detail.")
    contradicting: int = Field(description="Lines that contradict what somebody else said.", examples=[1])
    conflicts: list[LabelConflictShape] = Field(description="The first 200 of these.")

    @classmethod
    def of(cls, done: LabelImport) -> LabelImportShape:
        return cls(
            dry_run=done.is_dry_run,
            lines=done.lines,
            imported=done.imported,
            unchanged=done.unchanged,
            faults=[LineFaultShape(line=one.line, message=one.message) for one in done.faults],
            contradicting=len(done.conflicts),
            conflicts=[
                LabelConflictShape(
                    line=one.line, id=one.prediction_id, label=one.label, standing=one.standing, author=one.author
                )
                for one in done.conflicts[:MOST_DISPUTES]
            ],
        )


class ResponsesShape(Shape):
    experiment: str = Field(examples=["v2-against-v1"])
    responses: list[ResponseCount] = Field(description="What users said, by revision and assigned variant. Biased.")


class DiscardedImageShape(Shape):
    id: str = Field(examples=[_ID])
    discarded: bool = Field(description="False: there was none.")
