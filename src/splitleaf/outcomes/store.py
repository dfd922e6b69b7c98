"""The port of the outcome store. Synchronous: it is called off the event loop and off the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from splitleaf.outcomes.events import AliasChange, Feedback, Outcome, RoutingRevision, Sighting, TrafficCount
from splitleaf.outcomes.experiments import ExperimentStore
from splitleaf.outcomes.keys import KeyStore
from splitleaf.outcomes.labels import LabelStore
from splitleaf.outcomes.reviews import ReviewStore


class OutcomeStore(ExperimentStore, KeyStore, ReviewStore, LabelStore, Protocol):
    """SQLite (embedded) or PostgreSQL. What joins labels to predictions is `LabelStore.labelled_outcomes`.

    Raises `DependencyDown` when the database does not answer, and `Unprocessable` for a text or number that it
    cannot keep (PostgreSQL has no NUL in texts, and neither keeps half of a surrogate pair).
    """

    def migrate(self) -> None:
        """Bring the schema to this release's version; safe when several processes do so at once."""
        ...

    def record_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        """Append all or, after an error, none; a prediction id that is there already is skipped.

        Returns how many are new.
        """
        ...

    def outcome(self, prediction_id: str) -> Outcome | None: ...

    def outcomes_after(self, number: int, limit: int) -> Sequence[Outcome]:
        """Return outcomes in the order of recording, for exports and reports.

        Who continues from the last one's number each time misses none and sees none twice, also while others are
        recorded: an outcome never appears behind one that was there before.
        """
        ...

    def set_aside(self, prediction_id: str, document: str, reason: str, now_ms: int) -> None:
        """Keep a final state that cannot be recorded, as ASCII text, for a person to look at."""
        ...

    def aside(self) -> Sequence[tuple[str, str, str]]:
        """Return (prediction id, document, reason) of all that was set aside, oldest first."""
        ...

    def count_by_status(self) -> dict[str, int]:
        """Count the predictions whose answers were shown; shadows are no predictions of anyone's."""
        ...

    def count_since(self, created_ms: int) -> int:
        """Count the predictions that were accepted from then on, shadows left out."""
        ...

    def count_traffic(self, since_ms: int, period_ms: int, bounds_ms: Sequence[float]) -> Sequence[TrafficCount]:
        """Count the predictions that were accepted from then on, shadows left out, in periods of equal length.

        Each falls into a band by its time from the arrival of the image to the final state. `bounds_ms` ascend.
        """
        ...

    def count_sightings(self, served_digest: str) -> int:
        """Count the images that this artifact answered and measured, shadows included."""
        ...

    def newest_sightings(self, served_digest: str, limit: int) -> Sequence[Sighting]:
        """Return the newest of them, in the order of recording."""
        ...

    def record_feedback(self, feedback: Feedback) -> None: ...

    def feedback(self, prediction_id: str) -> Sequence[Feedback]:
        """Return all that was said of a prediction, in the order of recording: of an author's, the last counts."""
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
        """Append a revision; raises `Conflict` unless its number is the present one's plus one.

        A split cannot be put active while an experiment is open: `Conflict` (`experiments_running`).
        """
        ...

    def routing(self) -> RoutingRevision | None:
        """Return the active revision."""
        ...

    def routing_history(self) -> Sequence[RoutingRevision]:
        """Newest first."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...
