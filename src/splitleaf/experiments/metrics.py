"""The metrics, each declared once. Plan, guardrails, report, command line and dashboard know them from here alone.

docs/how-to/extend/add-a-metric.md describes how to add one. Pure, and without numpy: an API process reads plans, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol

from pydantic import AfterValidator, WithJsonSchema

if TYPE_CHECKING:
    from numpy import bool_, float64
    from numpy.typing import NDArray

    Bools = NDArray[bool_]
    Floats = NDArray[float64]


class Outcomes(Protocol):
    """How images ended: all that a guardrail may go by. Arrays of the shape (images,)."""

    @property
    def is_failed(self) -> Bools:
        """The assigned version did not answer: no one did in time, or another one had to."""

    @property
    def is_fallback(self) -> Bools: ...

    @property
    def is_answered(self) -> Bools: ...

    @property
    def is_canceled(self) -> Bools: ...

    @property
    def is_unsure(self) -> Bools:
        """The answer was that the version is not sure."""

    @property
    def waited_ms(self) -> Floats:
        """From arrived to answered or taken back; infinite where the assigned version did not answer."""


class Answers(Outcomes, Protocol):
    """What a report may go by beyond that."""

    @property
    def confidence(self) -> Floats: ...

    @property
    def total_ms(self) -> Floats: ...

    @property
    def cost_ms(self) -> Floats: ...


class LabelSource(StrEnum):
    """Who says whether an answer is right."""

    EXPERTS = "experts"
    """Of images that both versions answered, only those on which they disagree need a label."""
    AUDIT = "audit"
    """Labels of all images, or of images that were drawn at random."""
    USERS = "users"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of images, of units in a guardrail."""

    is_bad: Callable[[Outcomes], Bools]
    counts: Callable[[Outcomes], Bools]


@dataclass(frozen=True, slots=True)
class Exceedance:
    """The share of images above a threshold, which the plan names or control's first answers teach."""

    amount: Callable[[Outcomes], Floats]
    counts: Callable[[Outcomes], Bools]
    """What does not count does, too, once it is above the threshold."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over the answers, of a value in [0, 1] or, where it has no upper bound, of the capped value."""

    value: Callable[[Answers], Floats]
    is_capped: bool = False


@dataclass(frozen=True, slots=True)
class Correctness:
    """The share of right answers."""

    label_source: LabelSource


class Role(StrEnum):
    """What a metric may be in an experiment. Each that is no mere guardrail stands in the report."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    GUARDRAIL = "guardrail"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    name: str
    title: str
    """Of its rows in a report; `{threshold_ms}` stands for the threshold."""
    description: str
    """In a plan's words."""
    unit: Literal["share", "ms"]
    better: Literal["higher", "lower"]
    words: tuple[str, str, str]
    """How a candidate is that is better, that is worse, and that is neither: "v2 is ... than v1", "... as v1"."""
    reading: Rate | Exceedance | Mean | Correctness
    """Where its numbers come from, and how it is estimated."""
    roles: frozenset[Role]
    bad: str = ""
    """What a guardrail counts, of units: "3 of 60 units ..."; "..." may hold `{threshold_ms}`."""
    shadows: Literal["compared", "alone", "left out"] = "left out"
    """Whether a version that scores unseen can be compared with control, or only be told of on its own: it waits behind
    everyone and is shed under load, neither of which is its own doing."""
    is_vital: bool = False
    """Followed over time in every report, whatever decides."""
    caveat: str | None = None
    """What must be known before it is believed."""

    @property
    def direction(self) -> Literal["increase", "decrease"]:
        """What a plan calls better."""
        return "increase" if self.better == "higher" else "decrease"

    @property
    def needs_threshold(self) -> bool:
        return isinstance(self.reading, Exceedance)

    @property
    def label_source(self) -> LabelSource | None:
        """Who has to say something; None where what is recorded of every image suffices."""
        return self.reading.label_source if isinstance(self.reading, Correctness) else None

    def name_bad(self, threshold_ms: float | None) -> str:
        """Return what a guardrail counts, with its threshold where there is one."""
        return self.bad.format(threshold_ms="the threshold" if threshold_ms is None else f"{threshold_ms:,.0f} ms")


_EVERYWHERE: Final = frozenset(Role)
_DECIDES: Final = frozenset({Role.PRIMARY, Role.SECONDARY})
_DECLARED: Final = (
    MetricSpec(
        name="accuracy",
        title="Accuracy",
        description="accuracy by labels of experts",
        unit="share",
        better="higher",
        words=("more accurate", "less accurate", "as accurate"),
        reading=Correctness(LabelSource.EXPERTS),
        roles=_DECIDES,
    ),
    MetricSpec(
        name="audited_accuracy",
        title="Accuracy in the audit",
        description="accuracy on all images, or on those drawn at random",
        unit="share",
        better="higher",
        words=("more accurate", "less accurate", "as accurate"),
        reading=Correctness(LabelSource.AUDIT),
        roles=frozenset({Role.SECONDARY}),
    ),
    MetricSpec(
        name="feedback_accuracy",
        title="Accuracy by user feedback",
        description="accuracy by user feedback",
        unit="share",
        better="higher",
        words=("more accurate by user feedback", "less accurate by user feedback", "as accurate by user feedback"),
        reading=Correctness(LabelSource.USERS),
        roles=_EVERYWHERE,
        bad="reported as wrong",
        caveat="Biased: whether users give feedback depends on whether the answer was right. This metric can show "
        "harm, but it does not measure accuracy.",
    ),
    MetricSpec(
        name="error_rate",
        title="Errors",
        description="images without an answer",
        unit="share",
        better="lower",
        words=("failing less often", "failing more often", "as reliable"),
        reading=Rate(lambda rows: rows.is_failed, lambda rows: ~rows.is_canceled | rows.is_fallback),
        roles=_EVERYWHERE,
        bad="without an answer",
        shadows="alone",
        is_vital=True,
    ),
    MetricSpec(
        name="slow_rate",
        title="Slower than {threshold_ms}",
        description="slow answers",
        unit="share",
        better="lower",
        words=("slow less often", "slow more often", "slow as often"),
        reading=Exceedance(lambda rows: rows.waited_ms, lambda rows: ~rows.is_canceled),
        roles=_EVERYWHERE,
        bad="slower than {threshold_ms}",
    ),
    MetricSpec(
        name="latency_ms",
        title="Latency",
        description="mean latency",
        unit="ms",
        better="lower",
        words=("faster", "slower", "as fast"),
        reading=Mean(lambda rows: rows.total_ms, is_capped=True),
        roles=frozenset({Role.SECONDARY}),
    ),
    MetricSpec(
        name="confidence",
        title="Confidence",
        description="mean confidence",
        unit="share",
        better="higher",
        words=("more confident", "less confident", "as confident"),
        reading=Mean(lambda rows: rows.confidence),
        roles=_DECIDES,
        shadows="compared",
    ),
    MetricSpec(
        name="abstention_rate",
        title="Abstentions",
        description="abstentions",
        unit="share",
        better="lower",
        words=("unsure less often", "unsure more often", "unsure as often"),
        reading=Rate(lambda rows: rows.is_unsure, lambda rows: rows.is_answered & ~rows.is_fallback),
        roles=_EVERYWHERE,
        bad="with an abstention",
        shadows="compared",
    ),
    MetricSpec(
        name="cost_ms",
        title="Processor time per image",
        description="processor time per image",
        unit="ms",
        better="lower",
        words=("cheaper to run", "more expensive to run", "as cheap to run"),
        reading=Mean(lambda rows: rows.cost_ms, is_capped=True),
        roles=_DECIDES,
        shadows="compared",
    ),
    MetricSpec(
        name="fallback_rate",
        title="Answered by another version",
        description="images that another version answered because the assigned one could not",
        unit="share",
        better="lower",
        words=(
            "replaced by another version less often",
            "replaced by another version more often",
            "replaced by another version as often",
        ),
        reading=Rate(lambda rows: rows.is_fallback, lambda rows: ~rows.is_canceled | rows.is_fallback),
        roles=frozenset({Role.GUARDRAIL}),
        bad="answered by another version",
    ),
)
METRICS: Final[Mapping[str, MetricSpec]] = MappingProxyType({one.name: one for one in _DECLARED})
"""By name, in the order in which a report has them."""


def metric_of(*roles: Role) -> tuple[AfterValidator, WithJsonSchema]:
    """Return what makes a text a metric that may be one of these, for pydantic."""
    allowed = [name for name, one in METRICS.items() if one.roles.intersection(roles)]
    *others, last = map(repr, allowed)

    def check(name: str) -> str:
        if name not in allowed:
            raise ValueError(f"Input should be {', '.join(others)} or {last}")
        return name

    return AfterValidator(check), WithJsonSchema({"type": "string", "enum": allowed})
