"""Aliases and the static split, changed in the database that a running system reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from splitleaf.core.errors import NotFound
from splitleaf.flows import change_routing as flow
from splitleaf.flows.load_routing import load_routing
from splitleaf.installation.repository import default_alias
from splitleaf.local.services import LocalInstallation
from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.registry.repository import CHAMPION


def find_alias(here: LocalInstallation, alias: str) -> str:
    """Return the version that an alias names. Raises `NotFound` (`alias_not_found`)."""
    version = here.store.aliases().get(alias) or _default(here, alias)
    if not version:
        raise NotFound(f"the alias {alias!r} names no version", code="alias_not_found")
    return version


def move_alias(here: LocalInstallation, alias: str, version: str, reason: str) -> AliasChange:
    """Return the change. The first one starts from the version that `repository.toml` names."""
    expected = here.store.aliases().get(alias)
    here.require_imported(version)
    change = flow.move_alias(here.store, alias, version, here.imported(), expected, here.actor, reason, here.clock)
    return change if expected else replace(change, previous=_default(here, alias) or None)


def roll_back_alias(here: LocalInstallation, alias: str, reason: str) -> AliasChange:
    """Point the alias at the version before; before the first move, that is the one that `repository.toml` names."""
    ready, default = here.imported(), _default(here, alias)
    return flow.roll_back_alias(here.store, alias, default, ready, here.actor, reason, here.clock)


def find_split(here: LocalInstallation) -> RoutingRevision | None:
    """Return the active split; None without one."""
    routing = load_routing(here.store, _default(here, CHAMPION))
    return here.store.routing() if routing.split else None


def set_split(here: LocalInstallation, percentages: Mapping[str, float], reason: str) -> RoutingRevision:
    """Activate a split between imported versions."""
    here.require_imported(*percentages)
    return flow.set_split(here.store, percentages, here.imported(), here.actor, reason, here.clock)


def clear_split(here: LocalInstallation, reason: str) -> bool:
    """Return whether there was a split to end."""
    if find_split(here) is None:
        return False
    flow.clear_split(here.store, here.actor, reason, here.clock)
    return True


def _default(here: LocalInstallation, alias: str) -> str:
    return default_alias(here.settings.models_dir, alias)
