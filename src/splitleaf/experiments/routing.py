"""Which version answers a unit: an experiment's variant, the active split, or the champion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from splitleaf.experiments.allocation import OUTSIDE, WHOLE, Ranges, is_held
from splitleaf.experiments.bucketing import slot_of


@dataclass(frozen=True, slots=True)
class ShadowRun:
    """A version that also scores an experiment's images, so many of 10,000."""

    version: str
    slots: int


@dataclass(frozen=True, slots=True)
class Route:
    """The assigned version, and the revision that assigned it (0: neither a split nor an experiment)."""

    version: str
    revision: int
    experiment: str = ""
    variant: str = ""
    fallback: str = ""
    """The version of the experiment's default."""
    salt: str = ""
    shadows: tuple[ShadowRun, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """A period with fixed shares."""

    revision: int
    salt: str
    versions: tuple[str, ...]
    slots: bytes
    """10,000 bytes: index into `versions` of the slot's owner."""


@dataclass(frozen=True, slots=True)
class LiveExperiment:
    """An experiment that runs, as far as it decides."""

    key: str
    revision: int
    salt: str
    owners: tuple[str, ...]
    """Variants; the empty name: outside the experiment."""
    slots: bytes
    """10,000 bytes: index into `owners`."""
    versions: dict[str, str]
    """Variant -> version, of every variant, with or without slots."""
    default: str
    layer: str = "main"
    held: Ranges = WHOLE
    shadows: tuple[ShadowRun, ...] = ()

    def variant_of(self, unit_hash: str) -> str:
        """Return the unit's variant, or the empty name for a unit outside the experiment."""
        if not is_held(self.held, self.layer, unit_hash):
            return OUTSIDE
        return self.owners[self.slots[slot_of(self.salt, unit_hash)]]

    def route(self, variant: str) -> Route:
        return Route(
            version=self.versions[variant],
            revision=self.revision,
            experiment=self.key,
            variant=variant,
            fallback=self.versions[self.default],
            salt=self.salt,
            shadows=self.shadows,
        )


@dataclass(frozen=True, slots=True)
class Routing:
    """A snapshot of what decides."""

    champion: str
    split: Split | None = None
    experiments: tuple[LiveExperiment, ...] = field(default=())
    """The one that started first in front: where layers overlap, it has the unit."""
    earlier: tuple[str, ...] = ()
    """Previous champions, the newest first: fallbacks for a champion that no worker can load."""

    @property
    def versions(self) -> frozenset[str]:
        """Return what the split and the experiments may give a unit, with or without slots currently."""
        split = frozenset(self.split.versions if self.split else ())
        return split.union(*(one.versions.values() for one in self.experiments))

    def route(self, unit_hash: str) -> Route:
        """Return the unit's version: the same for as long as the same revisions are active."""
        for experiment in self.experiments:
            if variant := experiment.variant_of(unit_hash):
                return experiment.route(variant)
        split = self.split
        if split is None:
            return Route(self.champion, 0)
        return Route(split.versions[split.slots[slot_of(split.salt, unit_hash)]], split.revision)

    def force(self, experiment: str, variant: str) -> Route | None:
        """Return the route of a named variant; None when no such experiment runs, or it has no such variant."""
        for one in self.experiments:
            if one.key == experiment and variant in one.versions:
                return one.route(variant)
        return None

    def without_experiments(self) -> Routing:
        return replace(self, experiments=())
