"""Schemas of the public API for the OpenAPI document. `views` builds the responses; tests compare the two."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from splitleaf.api.public import examples
from splitleaf.api.schemas import LabelSchema, Schema

_ID = examples.ID
_OWN = f"/v1/predictions/{_ID}"


class LabelScoreSchema(Schema):
    label: str = Field(examples=["Late_blight"])
    display_name: str = Field(examples=["Late blight"])
    confidence: float = Field(description="Calibrated, in percent with two decimals.", examples=[97.31])


class ResultSchema(LabelScoreSchema):
    is_sure: bool = Field(description="If false, treat the answer as “not sure”.")
    verdict: Literal["sure", "unsure", "unfamiliar"] = Field(
        description="`unsure`: no condition stands out. `unfamiliar`: the image is unlike the training images."
    )
    top: list[LabelScoreSchema] = Field(description="The most probable conditions, most probable first.")
    remarks: list[str] = Field(description="`low_information`: the image has hardly any detail.", examples=[[]])


class ErrorSchema(Schema):
    code: str = Field(examples=["inference_failed"])
    detail: str = Field(examples=["The image could not be processed. Please try another one."])


class LinksSchema(Schema):
    self: str = Field(examples=[_OWN])
    events: str = Field(examples=[f"{_OWN}/events"])
    cancel: str = Field(examples=[_OWN])
    feedback: str = Field(examples=[f"{_OWN}/feedback"])
    explanation: str = Field(examples=[f"{_OWN}/explanation"])


class PredictionSchema(Schema):
    """An image that was submitted for classification, its state and its result."""

    id: str = Field(examples=[_ID])
    status: Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
    created_at: str = Field(examples=["2026-05-04T09:30:00.000Z"])
    finished_at: str | None = Field(examples=["2026-05-04T09:30:00.041Z"])
    result: ResultSchema | None
    error: ErrorSchema | None
    links: LinksSchema


class ExplanationSchema(Schema):
    """Which regions of the image support the label."""

    prediction_id: str = Field(examples=[_ID])
    label: str = Field(examples=["Late_blight"])
    display_name: str = Field(examples=["Late blight"])
    heat: list[list[int]] | None = Field(
        description="Ten rows of ten cells over the image, in percent of the hottest cell; null if unavailable.",
        examples=[[[0] * 10] * 4 + [[0, 0, 12, 55, 100, 80, 20, 0, 0, 0]] * 2 + [[0] * 10] * 4],
    )


class SimpleAnswerSchema(Schema):
    disease: str = Field(examples=["Late blight"])
    confidence: float = Field(description="In percent.", examples=[97.31])


class FeedbackBody(Schema):
    """Send exactly one of the two fields."""

    correct: bool | None = Field(None, examples=[None])
    label: str | None = Field(None, examples=["Early_blight"])


class FeedbackSchema(Schema):
    prediction_id: str = Field(examples=[_ID])
    correct: bool | None = Field(examples=[False])
    label: str | None = Field(examples=["Early_blight"])
    created_at: str = Field(examples=["2026-05-04T09:31:00.000Z"])


class LabelsSchema(Schema):
    labels: list[LabelSchema]


class StatusSchema(Schema):
    status: str = Field(examples=["ok"])
    problems: list[str] = Field([], examples=[[]])


class HealthSchema(StatusSchema):
    workers: int = Field(examples=[2])
