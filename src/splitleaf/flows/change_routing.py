"""Who answers: the alias that names the champion, and a static split between versions.

Synchronous: called by the command line, and by the API off its event loop. Every change says who and why.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from splitleaf.core.clock import Clock
from splitleaf.core.errors import Conflict, NotFound
from splitleaf.experiments.slots import new_table, reallocate, to_slots
from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.outcomes.store import OutcomeStore


def set_split(  # noqa: PLR0917 - a change, who makes it, and why
    store: OutcomeStore,
    percentages: Mapping[str, float],
    ready: Collection[str],
    actor: str,
    reason: str,
    clock: Clock,
) -> RoutingRevision:
    """Activate a split. As few units as possible change their version.

    Raises `Unprocessable` (`invalid_split`), `NotFound` (`version_not_found`), `Conflict` when someone else
    changed the split at the same moment or, with `experiments_running`, while an experiment is open.
    """
    for version in percentages:
        require_version(version, ready)
    shares = to_slots(percentages)
    present = store.routing()
    if present is not None and present.shares:
        salt, table = present.salt, reallocate(present.shares, present.slots, shares)
    else:
        salt, table = secrets.token_hex(8), new_table(shares)
    revision = RoutingRevision(
        _next_number(present), salt, shares, table, actor=actor, reason=reason, created_ms=clock.now_ms()
    )
    store.set_routing(revision)
    return revision


def clear_split(store: OutcomeStore, actor: str, reason: str, clock: Clock) -> RoutingRevision:
    """End the split: the champion answers everyone. Raises `Conflict` as `set_split` does."""
    revision = RoutingRevision(
        _next_number(store.routing()), "", (), b"", actor=actor, reason=reason, created_ms=clock.now_ms()
    )
    store.set_routing(revision)
    return revision


def move_alias(  # noqa: PLR0917 - a change, who makes it, and why
    store: OutcomeStore,
    alias: str,
    version: str,
    ready: Collection[str],
    expected: str | None,
    actor: str,
    reason: str,
    clock: Clock,
) -> AliasChange:
    """Point an alias at a version that is loaded already.

    Raises `NotFound` (`version_not_found`), or `Conflict` when the alias does not point at `expected`.
    """
    require_version(version, ready)
    return store.move_alias(alias, version, expected=expected, actor=actor, reason=reason, now_ms=clock.now_ms())


def roll_back_alias(  # noqa: PLR0917 - a change, who makes it, and why
    store: OutcomeStore, alias: str, default: str, ready: Collection[str], actor: str, reason: str, clock: Clock
) -> AliasChange:
    """Point an alias at the version it named before; before its first move that is `default`, the repository's own.

    Raises `NotFound` when there was none, and as `move_alias`.
    """
    history = store.alias_history(alias)
    earlier = (history[0].previous or default) if history else ""
    if not earlier:
        raise NotFound(f"{alias} has no earlier version to go back to", code="alias_not_found")
    present = history[0].version
    if earlier == present:
        raise Conflict(f"{alias} names {present} before and now")
    return move_alias(store, alias, earlier, ready, present, actor, reason, clock)


def require_version(version: str, ready: Collection[str]) -> None:
    """Raise `NotFound` for a version that no one can serve."""
    if version not in ready:
        raise NotFound(f"version {version!r} is not loaded by any worker", code="version_not_found")


def _next_number(present: RoutingRevision | None) -> int:
    return 1 if present is None else present.revision + 1
