"""The shapes of the API, for its OpenAPI document. Responses are written by `views`; tests hold the two together."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LabelScoreShape(Shape):
    label: str = Field(examples=["Late_blight"])
    display_name: str = Field(examples=["Late blight"])
    confidence: float = Field(description="Calibrated, in percent with two decimals.", examples=[97.31])


class ResultShape(LabelScoreShape):
    is_sure: bool = Field(description="False: treat the answer as “not sure”.")
    top: list[LabelScoreShape] = Field(description="The most probable conditions, best first.")
    remarks: list[str] = Field(description="`low_information`: the picture shows hardly anything.", examples=[[]])


class ErrorShape(Shape):
    code: str = Field(examples=["inference_failed"])
    detail: str


class LinksShape(Shape):
    self: str
    events: str
    cancel: str
    feedback: str


class PredictionShape(Shape):
    """One picture's journey to one answer."""

    id: str = Field(examples=["mfrggzdfmztwq2lknnwg23tpoa"])
    status: Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
    created_at: str = Field(examples=["2026-05-04T09:30:00.000Z"])
    finished_at: str | None
    result: ResultShape | None
    error: ErrorShape | None
    links: LinksShape


class SimpleAnswerShape(Shape):
    disease: str = Field(examples=["Late blight"])
    confidence: float = Field(description="Percent.", examples=[97.31])


class FeedbackBody(Shape):
    """Exactly one of the two."""

    correct: bool | None = None
    label: str | None = Field(None, examples=["Early_blight"])


class FeedbackShape(Shape):
    prediction_id: str
    correct: bool | None
    label: str | None
    created_at: str


class LabelShape(Shape):
    label: str
    display_name: str


class LabelsShape(Shape):
    labels: list[LabelShape]


class StatusShape(Shape):
    status: str
    problems: list[str] = []


class HealthShape(StatusShape):
    workers: int


class FaultShape(Shape):
    at: str
    message: str


class ProblemShape(Shape):
    """RFC 9457 problem details. `code` is stable."""

    type: str = Field(examples=["/problems/image_too_small"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["image_too_small"])
    detail: str
    faults: list[FaultShape] | None = None
