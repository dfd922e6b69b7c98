"""Each measure by arm, against control."""

from __future__ import annotations

from typing import Annotated, Literal

from splitleaf.analysis.report.parts import Measured, Part
from splitleaf.analysis.verdicts import Verdict
from splitleaf.experiments.metrics import Role, metric_of
from splitleaf.experiments.plan import GuardedMetric

MetricName = Annotated[str, *metric_of(Role.PRIMARY, Role.SECONDARY)]


class ArmMeasure(Part):
    """One arm's row. Control comes first and has no difference."""

    arm: str
    units: int
    images: int
    """Images that the estimate rests on. Of paired accuracy: images that both versions answered."""
    labels: int | None
    """Labels that the difference rests on; null where it needs none."""
    estimate: Measured | None
    """Null while there is nothing to estimate from."""
    estimate_labels: int | None
    """Labels that the estimate rests on: a paired difference may rest on others; null where it needs none."""
    difference: Measured | None
    """This arm minus control, with its confidence sequence; null for control, and while data are too few."""
    log10_e: float | None
    """Evidence against "no difference", as a power of ten."""
    alpha: float | None = None
    """At which this row's interval and evidence are judged: the plan's or, with several candidates, Holm's part of it.
    Null: for control, and of older releases."""
    p_value: float | None
    """Anytime-valid, adjusted for the number of candidates (Holm)."""
    verdict: Verdict | None
    """Of a metric that does not decide, corrected for how many of those there are (e-BH)."""
    images_needed: int | None
    """Further images, shared out as now, until the interval is as narrow as the difference seen or the
    smallest that matters, whichever is larger; 0: it is. Null: not to be told yet."""


class Metric(Part):
    metric: MetricName
    title: str
    unit: Literal["share", "ms"]
    """`share`: 0.01 is one percentage point."""
    better: Literal["higher", "lower"]
    is_primary: bool
    method: str
    """How it was computed, in a few words."""
    basis: str | None
    """What the estimates rest on, where that is labels."""
    caveat: str | None
    """What must be known before it is believed, as that feedback is biased."""
    arms: list[ArmMeasure]


class GuardrailState(Part):
    """Exact one-sided evidence that a candidate is worse than control, on the first outcome of each unit."""

    metric: GuardedMetric
    arm: str
    alpha: float
    threshold_ms: float | None
    control_units: int
    control_bad: int
    """Units whose outcome was an error, slow, or wrong."""
    candidate_units: int
    candidate_bad: int
    log10_e: float
    """The most that the evidence has ever been; it fires at `-log10(alpha)`."""
    is_fired: bool
