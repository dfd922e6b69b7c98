"""What the audit log says of changes that are kept in a history of their own, too."""

from __future__ import annotations

import json

from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.outcomes.experiments import AuditEntry


def of_alias(change: AliasChange) -> AuditEntry:
    """Return the entry of an alias that was moved."""
    before = None if change.previous is None else {"version": change.previous}
    return AuditEntry(
        change.actor,
        "move",
        f"alias/{change.alias}",
        change.reason,
        json.dumps(before),
        json.dumps({"version": change.version}),
        change.created_ms,
    )


def of_split(before: RoutingRevision | None, after: RoutingRevision) -> AuditEntry:
    """Return the entry of a split that was put in force, or ended."""
    return AuditEntry(
        after.actor,
        "split" if after.shares else "end_split",
        "routing",
        after.reason,
        _shares(before),
        _shares(after),
        after.created_ms,
    )


def _shares(revision: RoutingRevision | None) -> str:
    """Return version -> percent as JSON; `null` where there is no split."""
    if revision is None or not revision.shares:
        return "null"
    return json.dumps({"shares": {version: count / 100 for version, count in revision.shares}})
