"""What is kept of experiments: how each stands, its revisions, and who changed what and why. Append-only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from splitleaf.outcomes.events import Outcome

if TYPE_CHECKING:
    from splitleaf.outcomes.exposures import Exposures

OPEN_STATES = ("running", "paused")
"""While an experiment is in one of these, no static split can be set."""
OF_LABEL = "label/"
"""How the subjects of audit entries on labels of single images begin."""


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment as it stands after a change. The newest row of a key is the present."""

    key: str
    sequence: int
    """Counts the changes of this experiment, from 1: of two at the same moment, only one gets the number."""
    state: str
    plan: str
    """JSON."""
    salt: str
    created_ms: int
    """When this change was made."""
    layer: str = ""
    held: tuple[tuple[int, int], ...] = ()
    """Ranges [start, stop) of the layer's slots that are kept for it while it is open."""
    revision: int = 0
    """The revision active; 0 before the start."""
    stage: int = 0
    """The stage of the ramp, from 0."""
    started_ms: int | None = None
    ended_ms: int | None = None
    promoted: str = ""
    """The variant that won."""
    champion_before: str = ""
    """Where the champion pointed before the promotion."""
    number: int = field(default=0, compare=False)
    """Place among the changes of all experiments, given by the store."""


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """A period of an experiment with fixed shares."""

    experiment: str
    revision: int
    stage: int
    shares: tuple[tuple[str, int], ...]
    """(variant, number of slots of 10,000), in the order of the table; the empty name is outside the experiment."""
    slots: bytes
    """10,000 bytes: index into `shares` of the slot's owner."""
    actor: str
    reason: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed what, from what to what, and why."""

    actor: str
    action: str
    subject: str
    """For example `experiment/v2-against-v1`, `alias/champion`, `routing`."""
    reason: str
    before: str
    """JSON; `null` where there was nothing."""
    after: str
    """JSON."""
    created_ms: int
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AliasMove:
    """An alias that moves together with a change."""

    alias: str
    version: str
    expected: str | None


@dataclass(frozen=True, slots=True)
class ExperimentChange:
    """All that one step writes: everything or, after an error, nothing."""

    record: ExperimentRecord
    entry: AuditEntry
    revision: RevisionRecord | None = None
    alias: AliasMove | None = None
    newest: int | None = None
    """Where given: the highest number of any experiment that the decision was made on."""


@dataclass(frozen=True, slots=True)
class ExposureCount:
    """How many outcomes one variant has in one revision; overrides are left out."""

    revision: int
    variant: str
    role: str
    version: str
    """The version that was asked: for a shadow, the shadow."""
    fallbacks: int
    count: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a guardrail needs of a prediction that an experiment decided."""

    created_ms: int
    """When it was accepted: exposures are evidence in the order of this, and of the id where two are equal."""
    prediction_id: str
    revision: int
    variant: str
    """The assigned one."""
    unit_hash: str
    status: str
    fallback: str
    latency_ms: float
    """From the upload's arrival to the final state."""
    is_sure: bool | None = None
    """None without an answer."""

    @property
    def is_answered(self) -> bool:
        """Whether the assigned version answered. What another one answered in its place counts against it."""
        return self.status == "succeeded" and not self.fallback

    @property
    def is_canceled(self) -> bool:
        """Whether the client took the image back: neither an answer nor a failure."""
        return self.status == "canceled"


@dataclass(frozen=True, slots=True)
class RatedExposure:
    """What a user said of an answer, joined to the exposure that it is about."""

    number: int
    """Place in the order of what was said."""
    is_recorded: bool
    """False: the outcome itself is still on its way to the store, and the next three are empty."""
    revision: int
    variant: str
    unit_hash: str
    is_right: bool
    created_ms: int


class ExperimentStore(Protocol):
    """Raises as the outcome store does, of which it is a part."""

    def change_experiment(self, change: ExperimentChange) -> ExperimentRecord:
        """Write one step and return its record.

        Raises `Conflict`: `experiment_exists` for a first record of a key that is there; `conflict` unless the
        sequence follows on the present one, when the alias names something else than expected, or when some
        experiment is newer than `newest`; `split_in_force` when it is to run while a static split is active.
        """
        ...

    def experiments(self) -> Sequence[ExperimentRecord]:
        """Return how each stands, in the order of their latest changes."""
        ...

    def experiment(self, key: str) -> ExperimentRecord | None: ...

    def running_experiments(self) -> Sequence[tuple[ExperimentRecord, RevisionRecord]]:
        """Return those that run with the active revision, the one that started first in front."""
        ...

    def experiment_revisions(self, key: str) -> Sequence[RevisionRecord]:
        """Newest first."""
        ...

    def record_audit(self, entry: AuditEntry) -> None:
        """Append what was done to something that has no history of its own."""
        ...

    def audit_log(
        self, subject: str | None = None, before: int | None = None, limit: int = 100, *, with_labels: bool = True
    ) -> Sequence[AuditEntry]:
        """Newest first; `before` is the number of the last entry of the page before.

        Without labels of single images, of which there are hundreds, the steps of experiments are found sooner.
        """
        ...

    def exposures_after(self, experiment: str, number: int, limit: int) -> Sequence[Outcome]:
        """Return an experiment's outcomes, shadows and overrides too, as `outcomes_after` does for all."""
        ...

    def exposures(self, experiment: str, *, before_ms: int | None = None, with_images: bool = True) -> Exposures:
        """Return an experiment's outcomes by column, shadows too, without overrides: what a report is made from.

        In the order of creation, and only those that were created before that moment, where one is given. Without
        images, which only shadows need, a million outcomes are there half a second sooner.
        """
        ...

    def newest_exposure(self, experiment: str) -> int:
        """Return the number of the experiment's last outcome; 0: there is none."""
        ...

    def image_ids(self, numbers: Collection[int]) -> Mapping[int, str]:
        """Return, by the numbers of some outcomes, whose images they are of: of a shadow, its primary's id."""
        ...

    def count_exposures(self, experiment: str) -> Sequence[ExposureCount]: ...

    def evidence_after(self, experiment: str, place: tuple[int, str], before_ms: int, limit: int) -> Sequence[Exposure]:
        """Return an experiment's exposures, no shadows and no overrides, in the order of creation and id.

        Those behind the place (created, id), and created before that moment. Only what a guardrail reads: a
        controller that takes over reads all of them.
        """
        ...

    def newer_exposures(self, experiment: str, number: int, before_ms: int) -> tuple[int, int]:
        """Return the number of the experiment's last exposure, and how many behind `number` were created before that
        moment.
        """
        ...

    def ratings_after(self, experiment: str, number: int, limit: int) -> Sequence[RatedExposure]:
        """Return what users said of an experiment's exposures, in that order, and of what is not recorded yet."""
        ...
