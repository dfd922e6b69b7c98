"""The shapes of the API, for its OpenAPI document. Responses are written by `views`; tests hold the two together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from splitleaf.api.public import examples
from splitleaf.api.schemas import LabelShape, Shape

_ID = examples.ID
_OWN = f"/v1/predictions/{_ID}"


class LabelScoreShape(Shape):
    label: str = Field(examples=["Late_blight"])
    display_name: str = Field(examples=["Late blight"])
    confidence: float = Field(description="Calibrated, in percent with two decimals.", examples=[97.31])


class ResultShape(LabelScoreShape):
    is_sure: bool = Field(description="False: treat the answer as “not sure”.")
    verdict: Literal["sure", "unsure", "unfamiliar"] = Field(
        description="`unsure`: no condition stands out; `unfamiliar`: the image is unlike the leaves that are known."
    )
    top: list[LabelScoreShape] = Field(description="The most probable conditions, best first.")
    remarks: list[str] = Field(description="`low_information`: the image shows hardly anything.", examples=[[]])


class ErrorShape(Shape):
    code: str = Field(examples=["inference_failed"])
    detail: str = Field(examples=["The image could not be processed. Please try another one."])


class LinksShape(Shape):
    self: str = Field(examples=[_OWN])
    events: str = Field(examples=[f"{_OWN}/events"])
    cancel: str = Field(examples=[_OWN])
    feedback: str = Field(examples=[f"{_OWN}/feedback"])
    explanation: str = Field(examples=[f"{_OWN}/explanation"])


class PredictionShape(Shape):
    """One image's journey to one answer."""

    id: str = Field(examples=[_ID])
    status: Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
    created_at: str = Field(examples=["2026-05-04T09:30:00.000Z"])
    finished_at: str | None = Field(examples=["2026-05-04T09:30:00.041Z"])
    result: ResultShape | None
    error: ErrorShape | None
    links: LinksShape


class ExplanationShape(Shape):
    """What in the image speaks for the label."""

    prediction_id: str = Field(examples=[_ID])
    label: str = Field(examples=["Late_blight"])
    display_name: str = Field(examples=["Late blight"])
    heat: list[list[int]] | None = Field(
        description="Ten rows of ten cells over the whole image, in percent of the hottest; null: none is offered.",
        examples=[[[0] * 10] * 4 + [[0, 0, 12, 55, 100, 80, 20, 0, 0, 0]] * 2 + [[0] * 10] * 4],
    )


class SimpleAnswerShape(Shape):
    disease: str = Field(examples=["Late blight"])
    confidence: float = Field(description="Percent.", examples=[97.31])


class FeedbackBody(Shape):
    """Exactly one of the two."""

    correct: bool | None = Field(None, examples=[None])
    label: str | None = Field(None, examples=["Early_blight"])


class FeedbackShape(Shape):
    prediction_id: str = Field(examples=[_ID])
    correct: bool | None = Field(examples=[False])
    label: str | None = Field(examples=["Early_blight"])
    created_at: str = Field(examples=["2026-05-04T09:31:00.000Z"])


class LabelsShape(Shape):
    labels: list[LabelShape]


class StatusShape(Shape):
    status: str = Field(examples=["ok"])
    problems: list[str] = Field([], examples=[[]])


class HealthShape(StatusShape):
    workers: int = Field(examples=[2])
