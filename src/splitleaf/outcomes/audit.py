"""What the audit log says of changes that are kept in a history of their own, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.outcomes.experiments import AuditEntry


def of_alias(change: AliasChange) -> AuditEntry:
    """Return the entry of an alias that was moved."""
    before = None if change.previous is None else {"version": change.previous}
    after = {"version": change.version}
    return entry_of(change.actor, "move", f"alias/{change.alias}", change.reason, before, after, change.created_ms)


def of_split(before: RoutingRevision | None, after: RoutingRevision) -> AuditEntry:
    """Return the entry of a split that was put active, or ended."""
    action = "split" if after.shares else "end_split"
    return entry_of(after.actor, action, "routing", after.reason, _shares(before), _shares(after), after.created_ms)


def entry_of(  # noqa: PLR0917 - who did what to what, why, and how it was
    actor: str,
    action: str,
    subject: str,
    reason: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    now_ms: int,
) -> AuditEntry:
    """Return an entry; `before` and `after` are kept as JSON."""
    return AuditEntry(actor, action, subject, reason, json.dumps(before), json.dumps(after), now_ms)


def _shares(revision: RoutingRevision | None) -> Mapping[str, Any] | None:
    """Return version -> percent; None where there is no split."""
    if revision is None or not revision.shares:
        return None
    return {"shares": {version: count / 100 for version, count in revision.shares}}
