"""What the leading controller sees of the open experiments, and what it waits for: words that travel. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter


class RampStep(StrEnum):
    """What comes next for the active stage."""

    ADVANCE = "advance"
    """Both minimums are reached and nothing is wrong."""
    WAIT = "wait"
    """A minimum is not reached yet: see `waiting_for`."""
    HOLD = "hold"
    """Something keeps it where it is: see `held_by`."""
    BY_HAND = "by_hand"
    """Only a person moves it on."""
    COMPLETE = "complete"
    """The last stage is active, or the plan has no ramp."""


class GuardrailState(StrEnum):
    WATCHING = "watching"
    LEARNING = "learning"
    """The threshold is being taken from control's first answers."""
    RESTING = "resting"
    """Control has no units in this revision: there is nothing to compare with."""
    FIRED = "fired"


@dataclass(frozen=True, slots=True)
class StageWatch:
    """How far the active stage is."""

    stage: int
    """From 0."""
    stages: int
    """0: the plan has no ramp."""
    revision: int
    share: float
    """Percent of all units that the candidates have together."""
    next_share: float | None
    began_ms: int
    minutes: float
    """Since then, pauses left out."""
    min_minutes: float
    images: int
    """Exposures of the active revision."""
    min_images: int


@dataclass(frozen=True, slots=True)
class SplitWatch:
    """Whether units arrive in the variants as the shares say, each unit counted once."""

    units: dict[str, int]
    expected: dict[str, float]
    """Units by variant, had they arrived exactly as the shares say."""
    log_e: float
    """ln of the evidence against the shares."""
    log_limit: float
    """From here on the split is off."""
    is_off: bool


@dataclass(frozen=True, slots=True)
class GuardrailWatch:
    """The evidence that one candidate is worse than control by one measure; each unit's first outcome counts."""

    metric: str
    candidate: str
    state: GuardrailState
    alpha: float
    """Of this guardrail and candidate: the plan's, divided by the number of candidates."""
    threshold_ms: float | None
    """Of `slow_rate`; None while it is being learned."""
    control_units: int
    control_bad: int
    candidate_units: int
    candidate_bad: int
    log_e: float
    """ln of the evidence now."""
    log_peak: float
    """The largest so far, which decides."""
    log_limit: float
    """ln(1 / alpha): the guardrail fires when the peak reaches it."""


@dataclass(frozen=True, slots=True)
class ExperimentWatch:
    """One open experiment."""

    experiment: str
    state: str
    sequence: int
    """The change of the experiment that this was seen of."""
    read_up_to: int
    """Number of the last exposure that was there."""
    stage: StageWatch
    split: SplitWatch
    guardrails: tuple[GuardrailWatch, ...]
    step: RampStep
    settled_ms: int = 0
    """What was created before went in; what is younger waits until nothing older is still to come."""
    late: int = 0
    """Exposures that were recorded after their place in the order had passed, and count nowhere."""
    waiting_for: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    summary: str = ""
    """All of it in one line."""


@dataclass(frozen=True, slots=True)
class ControlWatch:
    """What the leader said last."""

    leader: str
    checked_ms: int
    experiments: tuple[ExperimentWatch, ...] = field(default=())

    def of(self, key: str) -> ExperimentWatch | None:
        return next((one for one in self.experiments if one.experiment == key), None)


_WATCH: TypeAdapter[ControlWatch] = TypeAdapter(ControlWatch)


def write_watch(watch: ControlWatch) -> str:
    """Return the watch as JSON that `read_watch` reads back."""
    return _WATCH.dump_json(watch).decode()


def read_watch(text: str) -> ControlWatch | None:
    """Return what was written; None for what another release wrote otherwise."""
    try:
        return _WATCH.validate_json(text)
    except ValueError:
        return None
