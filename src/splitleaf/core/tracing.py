"""Spans, as far as the inside needs to know of them. What exports them is in `telemetry.traces`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol


class Span(Protocol):
    """A piece of work that somebody may look at later."""

    @property
    def traceparent(self) -> str:
        """Its place in the trace (W3C Trace Context), for whoever goes on with the work; empty: nobody traces."""
        ...

    def name(self, name: str) -> None:
        """Call it otherwise than it was called when it began."""
        ...

    def describe(self, **attributes: str | float) -> None:
        """Add attributes; a double underscore in a name stands for a dot."""
        ...


class Tracer(Protocol):
    """Makes spans; one that begins inside another is its child."""

    def span(self, name: str, *, parent: str = "") -> AbstractContextManager[Span]:
        """Return a span that lasts as long as the block.

        `parent` is a `traceparent` from outside; one that cannot be read is as none.
        """
        ...


class _NoSpan:
    traceparent = ""

    def name(self, name: str) -> None: ...

    def describe(self, **attributes: str | float) -> None: ...


class _NoTracer:
    _nothing: AbstractContextManager[Span] = nullcontext(_NoSpan())

    def span(self, name: str, *, parent: str = "") -> AbstractContextManager[Span]:  # noqa: ARG002 - nobody traces
        return self._nothing


NO_TRACER: Final[Tracer] = _NoTracer()
