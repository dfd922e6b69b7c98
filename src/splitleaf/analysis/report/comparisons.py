"""The versions' answers next to each other, and next to the truth."""

from __future__ import annotations

from typing import Literal

from splitleaf.analysis.report.curves import LatencyPart
from splitleaf.analysis.report.parts import Measured, Part


class Disagreement(Part):
    """Images to which control's version says one thing and the other version another."""

    control_label: str
    other_label: str
    images: int
    labelled: int
    control_right: int
    other_right: int


class Example(Part):
    """An image on which the versions disagree, for the gallery."""

    prediction_id: str
    control_label: str
    control_confidence: float
    other_label: str
    other_confidence: float
    truth: str | None


class Agreement(Part):
    """Two versions on the same images. Needs no label."""

    arm: str
    control_version: str
    other_version: str
    images: int
    agreement: Measured | None
    most_difference: float | None = None
    """What the accuracies differ by at most, at all looks together: no more than they disagree. Null: of older
    releases."""
    labels: list[str]
    """Of the matrix: all that either version said, in alphabetical order."""
    matrix: list[list[int]]
    """Images; rows are what control's version says, columns what the other says."""
    confidence_difference: Measured | None
    """The other's confidence minus control's, mean over the images."""
    disagreements: list[Disagreement]
    """The most frequent first."""
    examples: list[Example]
    """The newest 24."""


class ClassRecall(Part):
    """How many of a condition's images each version finds: audited ones, which both answered."""

    arm: str
    label: str
    images: int
    """Audited images of this condition."""
    control: Measured | None
    other: Measured | None
    difference: Measured | None
    """Holds for all conditions together."""


class ReliabilityBin(Part):
    low: float
    high: float
    images: float
    """Weighted by how the labels were picked."""
    confidence: float
    """Mean."""
    accuracy: float


class Reliability(Part):
    """Is a confidence of 90 % right nine times out of ten? Describes; promises nothing at any look."""

    arm: str
    version: str
    truth: Literal["census", "audit", "feedback"]
    """Where the truth comes from: labels of all images, a random audit, picked labels (biased), or users (biased)."""
    images: int
    calibration_error: float
    bins: list[ReliabilityBin]
    """Those that have images, ascending."""


class Tradeoff(Part):
    """A point of the plot of accuracy against latency, with intervals on both axes."""

    arm: str
    version: str
    part: LatencyPart
    """Of the latency: `total`, or `inference` where a shadow is among the arms: it waits behind everyone."""
    latency_ms: Measured | None
    """Median."""
    accuracy: Measured | None
    truth: Literal["census", "audit", "feedback"] | None
    """Where the accuracy comes from; null: it is not known."""
