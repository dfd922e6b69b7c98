"""Aliases and the static split, changed in the database that a running system reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from splitleaf.core.errors import NotFound
from splitleaf.flows.change_routing import clear_split, move_alias, roll_back_alias, set_split
from splitleaf.flows.load_routing import load_routing
from splitleaf.installation.repository import default_alias, require_repository
from splitleaf.installation.store import LocalHand
from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION


class Operator(LocalHand):
    """Changes who answers, in the database that a running system reads."""

    def __init__(self, models_dir: Path, data_dir: Path | None = None) -> None:
        """`data_dir` wins over the setting, as for `splitleaf up --data`."""
        require_repository(models_dir)
        super().__init__(data_dir)
        self._models_dir = models_dir

    def alias(self, alias: str) -> str:
        """Return where the alias points. Raises `NotFound`."""
        version = self._store.aliases().get(alias) or self._default(alias)
        if not version:
            raise NotFound(f"the alias {alias!r} points nowhere", code="alias_not_found")
        return version

    def move_alias(self, alias: str, version: str, reason: str) -> AliasChange:
        """Return the change; the first one starts from what `repository.toml` names."""
        expected = self._store.aliases().get(alias)
        self._require_imported([version])
        change = move_alias(self._store, alias, version, self._imported(), expected, self._actor, reason, self._clock)
        return change if expected else replace(change, previous=self._default(alias) or None)

    def roll_back_alias(self, alias: str, reason: str) -> AliasChange:
        """Point the alias at the version before; before the first move that is what `repository.toml` names."""
        ready, default = self._imported(), self._default(alias)
        return roll_back_alias(self._store, alias, default, ready, self._actor, reason, self._clock)

    def alias_history(self, alias: str) -> Sequence[AliasChange]:
        return self._store.alias_history(alias)

    def split(self) -> RoutingRevision | None:
        routing = load_routing(self._store, self._default(CHAMPION))
        return self._store.routing() if routing.split else None

    def set_split(self, percentages: Mapping[str, float], reason: str) -> RoutingRevision:
        self._require_imported(percentages)
        return set_split(self._store, percentages, self._imported(), self._actor, reason, self._clock)

    def clear_split(self, reason: str) -> bool:
        """Return whether there was a split to end."""
        if self.split() is None:
            return False
        clear_split(self._store, self._actor, reason, self._clock)
        return True

    def split_history(self) -> Sequence[RoutingRevision]:
        return self._store.routing_history()

    def _default(self, alias: str) -> str:
        return default_alias(self._models_dir, alias)

    def _imported(self) -> list[str]:
        return [one.version for one in Catalogue(self._models_dir).imported()]

    def _require_imported(self, versions: Iterable[str]) -> None:
        imported = self._imported()
        for version in versions:
            if version not in imported:
                there = f"it has {', '.join(imported)}" if imported else "it has none"
                raise NotFound(
                    f"there is no imported version {version!r} in {self._models_dir}; {there}",
                    code="version_not_found",
                )
