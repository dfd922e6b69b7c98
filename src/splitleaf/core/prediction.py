"""A prediction: one picture's journey to one answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PredictionStatus(StrEnum):
    """States of a prediction; the last four are final and never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return self not in (PredictionStatus.QUEUED, PredictionStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label with its calibrated probability in [0, 1]."""

    label: str
    display_name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Classification:
    """What a version said about one picture: the labels in descending order of probability."""

    top: tuple[LabelScore, ...]
    entropy: float
    """Shannon entropy of all calibrated probabilities, in nats."""
    is_sure: bool
    """False when the version's decision rule abstains."""

    @property
    def best(self) -> LabelScore:
        return self.top[0]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a prediction failed, in words that may be shown to the public."""

    code: str
    detail: str
