"""The port of the outcome store. Synchronous: it is called off the event loop and off the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from splitleaf.outcomes.events import AliasChange, Feedback, Outcome, RoutingRevision


class OutcomeStore(Protocol):
    """SQLite (embedded) or PostgreSQL. Raises `DependencyDown` when the database does not answer."""

    def migrate(self) -> None:
        """Bring the schema to this release's version; safe when several processes do so at once."""
        ...

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        """Append; a prediction id that is there already is skipped. Returns how many are new."""
        ...

    def outcome(self, prediction_id: str) -> Outcome | None: ...

    def outcomes_since(self, created_ms: int, limit: int, after_id: str = "") -> Sequence[Outcome]:
        """Return outcomes in order of (created_ms, prediction_id), for exports and reports."""
        ...

    def count_by_status(self) -> dict[str, int]: ...

    def record_feedback(self, feedback: Feedback) -> None: ...

    def feedback(self, prediction_id: str) -> Sequence[Feedback]:
        """Return all that was said of a prediction, oldest first."""
        ...

    def move_alias(
        self, alias: str, version: str, *, expected: str | None, actor: str, reason: str, now_ms: int
    ) -> AliasChange:
        """Compare-and-swap: raises `Conflict` when the alias does not point at `expected`."""
        ...

    def aliases(self) -> dict[str, str]: ...

    def alias_history(self, alias: str) -> Sequence[AliasChange]:
        """Newest first."""
        ...

    def set_routing(self, revision: RoutingRevision) -> None:
        """Append a revision; raises `Conflict` unless its number is the present one's plus one."""
        ...

    def routing(self) -> RoutingRevision | None:
        """Return the revision in force."""
        ...

    def routing_history(self) -> Sequence[RoutingRevision]:
        """Newest first."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...
