"""An experiment's outcomes next to its plan: which arm each belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from splitleaf.experiments.allocation import OUTSIDE
from splitleaf.experiments.plan import Plan
from splitleaf.outcomes.experiments import RevisionRecord
from splitleaf.outcomes.exposures import Bools, Exposures
from splitleaf.statistics.grouping import Grouping, Ints
from splitleaf.statistics.records import Floats

Role = Literal["control", "candidate", "shadow"]


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """A variant, or a version that only shadows."""

    name: str
    version: str
    role: Role


def list_arms(plan: Plan) -> tuple[ArmSpec, ...]:
    """Return the arms, control first. A shadow whose version is a variant's is that variant's, unseen."""
    arms = [ArmSpec(plan.default, plan.variants[plan.default].version, "control")]
    arms += [ArmSpec(name, plan.variants[name].version, "candidate") for name in plan.candidates]
    answering = {arm.version for arm in arms}
    for shadow in plan.shadows:
        if shadow.version not in answering:
            name = f"{shadow.version} (shadow)" if shadow.version in plan.variants else shadow.version
            arms.append(ArmSpec(name, shadow.version, "shadow"))
    return tuple(arms)


@dataclass(frozen=True)
class Frame:
    """What every part of a report starts from."""

    plan: Plan
    rows: Exposures
    revisions: Sequence[RevisionRecord]
    """Any order."""
    arms: tuple[ArmSpec, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arms", list_arms(self.plan))

    @property
    def control(self) -> ArmSpec:
        return self.arms[0]

    @property
    def candidates(self) -> tuple[int, ...]:
        """Places of the candidates among the arms."""
        return tuple(place for place, arm in enumerate(self.arms) if arm.role == "candidate")

    @property
    def shadows(self) -> tuple[int, ...]:
        return tuple(place for place, arm in enumerate(self.arms) if arm.role == "shadow")

    @cached_property
    def arm(self) -> Ints:
        """The assigned arm of each row; -1 for shadows' outcomes, and for variants that the plan does not have."""
        places = {arm.name: place for place, arm in enumerate(self.arms) if arm.role != "shadow"}
        of_variant = np.array([places.get(name, -1) for name in self.rows.variants], np.int64)
        if not len(self.rows):
            return np.empty(0, np.int64)
        return np.where(self.rows.is_shadow, -1, of_variant[self.rows.variant])

    @cached_property
    def shown(self) -> Bools:
        """Rows that were to be shown to someone."""
        shown: Bools = self.arm >= 0
        return shown

    @cached_property
    def is_first(self) -> Bools:
        """A unit's first row among those that were to be shown."""
        first = np.zeros(len(self.rows), bool)
        backwards = np.flatnonzero(self.shown)[::-1]
        units = self.rows.unit[backwards]
        earliest = np.full(int(units.max()) + 1 if units.size else 0, -1)
        # Of several rows of a unit, the one that is written last stays: the first that came.
        earliest[units] = backwards
        first[earliest[earliest >= 0]] = True
        return first

    def pair_of(self, candidate: int) -> Ints:
        """Return the places of the rows of control and this candidate, in the order of creation."""
        return np.flatnonzero((self.arm == 0) | (self.arm == candidate))

    def group(self, rows: Ints, is_candidate: Bools) -> Grouping:
        """Group some rows by unit, revision and arm, both of the shape (rows,)."""
        return Grouping.of(self.rows.revision[rows], is_candidate, self.rows.unit[rows])

    @cached_property
    def slots(self) -> Mapping[int, Mapping[str, int]]:
        """Revision -> variant -> slots of 10,000, without those that are in no variant."""
        return {
            one.revision: {name: count for name, count in one.shares if name != OUTSIDE and count}
            for one in sorted(self.revisions, key=lambda one: one.revision)
        }

    def chances(self, candidate: int) -> dict[int, float]:
        """Return the same by revision."""
        name, control = self.arms[candidate].name, self.control.name
        return {
            revision: mine / (mine + slots.get(control, 0)) if (mine := slots.get(name, 0)) else 0.0
            for revision, slots in self.slots.items()
        }

    def chance(self, candidate: int) -> Floats:
        """Return each row's probability that its unit was to be the candidate's rather than control's.

        0 or 1 where the revision has only one of the two: nothing can be compared there.
        """
        chances = self.chances(candidate)
        of_revision = np.zeros(max(int(self.rows.revision.max()) if len(self.rows) else 0, *chances, 0) + 1)
        of_revision[list(chances)] = list(chances.values())
        return of_revision[self.rows.revision]

    def planned_share(self, candidate: int) -> float:
        """Return the candidate's share of control's and its own units in the stage that tells most."""
        shares = []
        for stage in range(max(1, len(self.plan.ramp))):
            planned = self.plan.shares_at(stage)
            mine, others = planned.get(self.arms[candidate].name, 0.0), planned.get(self.control.name, 0.0)
            shares.append(mine / (mine + others) if mine + others else 0.0)
        share = min(shares, key=lambda one: abs(one - 0.5))
        return min(max(share, 0.01), 0.99) if 0 < share < 1 else 0.5
