"""A prediction: one image and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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


class Origin(StrEnum):
    """The origin of an image, as the request shows it. A program that imitates a browser counts as one."""

    PAGE = "page"
    """A browser sent it from a page of this host."""
    UNIT = "unit"
    """A program that sends a unit with each image."""
    API = "api"
    """Any other call of the API."""
    PREDICT = "predict"
    """The call `/predict`, by a program or by the page's form where no script runs."""


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label with its calibrated probability in [0, 1]."""

    label: str
    display_name: str
    confidence: float


class Certainty(StrEnum):
    """How to interpret an answer."""

    SURE = "sure"
    UNSURE = "unsure"
    """The image is of the right kind, but no label stands out."""
    UNFAMILIAR = "unfamiliar"
    """The image is out of distribution: no label is meaningful."""


MAP_SIDE: Final = 10
"""Side of a class activation map.

It is the same for every version: a different size would reveal which version answered.
"""


@dataclass(frozen=True, slots=True)
class Classification:
    """What a version said about one image: the labels in descending order of probability."""

    top: tuple[LabelScore, ...]
    entropy: float
    """Shannon entropy of all calibrated probabilities, in nats."""
    is_sure: bool
    """False when the version's decision rule abstains, for whatever reason."""
    is_familiar: bool = True
    """False when the image is unlike the version's reference images; True where the version cannot tell."""
    heat: bytes = b""
    """Class activation map of the best label: `MAP_SIDE` rows of as many values from 0 to 255; empty: not offered."""
    measures: tuple[float, ...] = ()
    """The measurements for drift detection: those of `core.measures.MEASURES` that the version has."""

    @property
    def verdict(self) -> Certainty:
        if not self.is_familiar:
            return Certainty.UNFAMILIAR
        return Certainty.SURE if self.is_sure else Certainty.UNSURE

    @property
    def best(self) -> LabelScore:
        return self.top[0]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a prediction failed, in a text for the public."""

    code: str
    detail: str
