"""Which version answers a unit: the split in force, or the champion."""

from __future__ import annotations

from dataclasses import dataclass

from splitleaf.experiments.bucketing import slot_of


@dataclass(frozen=True, slots=True)
class Route:
    """The assigned version, and the revision of the split that assigned it (0: no split in force)."""

    version: str
    revision: int


@dataclass(frozen=True, slots=True)
class Split:
    """A period with fixed shares."""

    revision: int
    salt: str
    versions: tuple[str, ...]
    slots: bytes
    """10,000 bytes: index into `versions` of the slot's owner."""


@dataclass(frozen=True, slots=True)
class Routing:
    """A snapshot of what decides."""

    champion: str
    split: Split | None = None

    def route(self, unit_hash: str) -> Route:
        """Return the unit's version: the same for as long as the snapshot's split is in force."""
        split = self.split
        if split is None:
            return Route(self.champion, 0)
        return Route(split.versions[split.slots[slot_of(split.salt, unit_hash)]], split.revision)
