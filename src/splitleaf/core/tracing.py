"""The interface of tracing. `telemetry.traces` implements it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol


class Span(Protocol):
    """A span: a unit of work in a trace."""

    @property
    def traceparent(self) -> str:
        """The span's context (W3C Trace Context), for the next process; empty without tracing."""
        ...

    def name(self, name: str) -> None:
        """Change the name of the span."""
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

    def span(self, name: str, *, parent: str = "") -> AbstractContextManager[Span]:  # noqa: ARG002 - no tracing
        return self._nothing


NO_TRACER: Final[Tracer] = _NoTracer()
