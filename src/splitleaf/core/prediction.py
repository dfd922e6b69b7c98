"""A prediction: one image's journey to one answer."""

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
    """How an image came, as far as a request shows it; a program that poses as a browser passes for one."""

    PAGE = "page"
    """A browser sent it from a page of this host."""
    UNIT = "unit"
    """A program that names its units."""
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


class Verdict(StrEnum):
    """How an answer is meant to be taken."""

    SURE = "sure"
    UNSURE = "unsure"
    """The image is of the right kind, but no label stands out."""
    UNFAMILIAR = "unfamiliar"
    """The image is unlike all that the version knows: no label means anything."""


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
    """What drift is looked for in: `core.measures.MEASURES`, as far as the version has them."""

    @property
    def verdict(self) -> Verdict:
        if not self.is_familiar:
            return Verdict.UNFAMILIAR
        return Verdict.SURE if self.is_sure else Verdict.UNSURE

    @property
    def best(self) -> LabelScore:
        return self.top[0]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a prediction failed, in words that may be shown to the public."""

    code: str
    detail: str
