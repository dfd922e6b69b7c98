"""What an experiment is to find out, and how: its plan, fixed before anyone looks at results."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from splitleaf.experiments.metrics import METRICS, MetricSpec, Role, metric_of

MAX_VARIANTS: Final = 8
MAX_STAGES: Final = 20
HOLDBACK: Final = 1.0
"""Percent of all units that control keeps in a stage of 100 %, unless the plan says otherwise."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Percent = Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)]
Mode = Literal["shadow", "ab", "aa"]
Metric = Annotated[str, *metric_of(Role.PRIMARY)]
"""A metric of `experiments.metrics` that may decide."""
GuardedMetric = Annotated[str, *metric_of(Role.GUARDRAIL)]
"""One that may be guarded."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Variant(_Entry):
    """An arm: the version that answers its units."""

    version: Name
    share: Percent
    """Percent of all units. What the variants leave stays outside the experiment."""


class Shadow(_Entry):
    """A version that scores images without being shown."""

    version: Name
    sampling: Percent = 100.0
    """Percent of the experiment's images that it is given."""


class Primary(_Entry):
    """The one measure that decides, named before the start."""

    metric: Metric
    direction: Literal["increase", "decrease"]
    margin: Share = 0.0
    """By how much a candidate may be worse and still count as "not worse"; as a share."""
    threshold_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What is slow, for a metric that needs it."""
    one_sided: Literal[True] | None = None
    """Ask each side on its own: "better", and "worse", each err in `alpha`; without it both together. Needs about a
    fifth fewer outcomes."""

    @property
    def spec(self) -> MetricSpec:
        return METRICS[self.metric]


class Guardrail(_Entry):
    """What must not get worse: exact evidence that it did ends the experiment."""

    metric: GuardedMetric
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Probability of a false alarm over the whole experiment."""
    threshold_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """What is slow; without it, the primary's threshold or, without that, what 95 % of control's first 200 answers
    kept."""

    @property
    def spec(self) -> MetricSpec:
        return METRICS[self.metric]


class Stage(_Entry):
    """A step of the ramp. The next one may begin when both minimums are reached and nothing is wrong."""

    share: Percent
    """Percent of all units that the candidates have together, divided as in the plan."""
    min_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    min_n: Annotated[int, Field(ge=0)] = 0
    """Exposures in this stage, over all variants."""


class Plan(_Entry):
    """An experiment, as a person writes it down. `experiments.reading` reads and checks it."""

    key: Name
    hypothesis: Annotated[str, Field(min_length=1, max_length=2_000)]
    mode: Mode
    unit: Literal["visitor", "device", "person"] = "visitor"
    """Who is randomised: what stands behind the cookie or `Splitleaf-Unit`."""
    salt: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    """Deals the units out; without it the experiment gets one of its own when it is created."""
    layer: Name = "main"
    """Experiments of one layer never meet the same unit."""
    traffic: Percent = 100.0
    """Percent of the layer's units that are kept for this experiment while it is open."""
    variants: Annotated[dict[Name, Variant], Field(min_length=1, max_length=MAX_VARIANTS)]
    default: Name = "control"
    """The fallback wherever another variant cannot answer."""
    shadows: Annotated[tuple[Shadow, ...], Field(max_length=MAX_VARIANTS)] = ()
    primary: Primary
    guardrails: tuple[Guardrail, ...] = ()
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    mde: Annotated[float, Field(gt=0, le=1)] | None = None
    """Smallest difference that matters; as a share."""
    planned_n: Annotated[int, Field(ge=1)]
    """Images after which the experiment is as good as it was planned to be."""
    ramp: Annotated[tuple[Stage, ...], Field(max_length=MAX_STAGES)] = ()
    holdback: Annotated[float, Field(ge=0, le=50)] | None = None
    """Percent of all units that control keeps in a stage that would leave it none, so that the guardrails have
    something to compare with; 1 without it, 0: nothing is held back."""

    @property
    def enrolled(self) -> float:
        """Percent of the units that have a variant."""
        return round(sum(one.share for one in self.variants.values()), 6)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The variants but the default."""
        return tuple(name for name in self.variants if name != self.default)

    @property
    def versions(self) -> frozenset[str]:
        """Every version that must be loaded before the experiment starts."""
        answering = {one.version for one in self.variants.values()}
        return frozenset(answering | {one.version for one in self.shadows})

    @property
    def contenders(self) -> dict[str, str]:
        """Name -> version of all that can win: the variants and, by the version's name, the shadows."""
        unseen = {one.version: one.version for one in self.shadows}
        return unseen | {name: one.version for name, one in self.variants.items()}

    def guardrail_threshold_ms(self, rail: Guardrail) -> float | None:
        """Return what is slow by a guardrail of this plan; None where it is learned, or has no meaning."""
        if rail.threshold_ms is None and rail.spec.needs_threshold:
            return self.primary.threshold_ms
        return rail.threshold_ms

    def shares_at(self, stage: int) -> dict[str, float]:
        """Return variant -> percent in this stage of the ramp (from 0); without a ramp, the planned shares.

        A stage that would leave the default nothing leaves it the holdback.
        """
        if not self.ramp:
            return {name: one.share for name, one in self.variants.items()}
        together = self.ramp[stage].share
        if together >= self.enrolled:
            together = self.enrolled - (HOLDBACK if self.holdback is None else self.holdback)
        planned = sum(self.variants[name].share for name in self.candidates)
        shares = {name: round(together * self.variants[name].share / planned, 6) for name in self.candidates}
        left = round(self.enrolled - sum(shares.values()), 6)
        return {self.default: left, **shares} if left > 0 else shares
