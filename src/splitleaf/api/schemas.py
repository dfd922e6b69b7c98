"""Schemas that both APIs use."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LabelSchema(Schema):
    label: str = Field(examples=["Late_blight"])
    display_name: str = Field(examples=["Late blight"])


class FaultSchema(Schema):
    at: str = Field(examples=["body.shares"])
    message: str = Field(examples=["Field required"])


class ProblemSchema(Schema):
    """RFC 9457 problem details. `code` is stable."""

    type: str = Field(examples=["/problems/image_too_small"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["image_too_small"])
    detail: str = Field(examples=["The image is too small."])
    faults: list[FaultSchema] | None = None
