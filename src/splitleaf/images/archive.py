"""The port of the images that are kept for review: our own re-encoding of each, by its prediction's id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    discarded: int
    kept: int
    kept_bytes: int


class ImageArchive(Protocol):
    """A place that all API processes, the controller and the command line reach.

    Synchronous: called off the event loop. Raises `DependencyDown` when the place cannot be read or written.
    """

    def keep(self, prediction_id: str, jpeg: bytes) -> None:
        """Keep an image, whole or not at all."""
        ...

    def holds(self, prediction_id: str) -> bool: ...

    def load(self, prediction_id: str) -> bytes | None:
        """Return the JPEG, or None when it is not kept (any more)."""
        ...

    def discard(self, prediction_id: str) -> bool:
        """Delete an image for good; return whether there was one."""
        ...

    def sweep(self, before_ms: int, max_bytes: int) -> Swept:
        """Delete what was kept before that time, and then the oldest until the rest has at most `max_bytes`."""
        ...
