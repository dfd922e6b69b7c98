"""Spans for OpenTelemetry: of a request, of what it waits for, and of the batch that its image became part of.

A batch answers several requests, so it is a trace of its own with a link to each (OpenTelemetry's messaging
conventions); each request's trace has, in turn, a span of the worker with a link to the batch. So one can be followed
from either end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from splitleaf.core.tracing import Span
from splitleaf.jobs.queue import Completion, Recovery
from splitleaf.worker.loop import BatchFacts

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_SCOPE: Final = "splitleaf"


def new_provider(role: str, *, decides: bool) -> TracerProvider:
    """Return a provider that exports by OTLP over HTTP, set by the standard `OTEL_*` variables.

    `decides`: whether this process decides what is traced, by `OTEL_TRACES_SAMPLER`; else all is that comes to it.
    """
    resource = Resource.create({"service.name": f"splitleaf-{role}", "service.namespace": "splitleaf"})
    provider = TracerProvider(resource=resource) if decides else TracerProvider(ParentBased(ALWAYS_ON), resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class OpenTelemetryTracer:
    """`Tracer` on OpenTelemetry."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(_SCOPE)

    @contextmanager
    def span(self, name: str, *, parent: str = "") -> Iterator[Span]:
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        is_first = not trace.get_current_span().get_span_context().is_valid
        kind = SpanKind.SERVER if is_first else SpanKind.INTERNAL
        with self._tracer.start_as_current_span(name, context, kind) as span:
            yield _OpenTelemetrySpan(span)


class _OpenTelemetrySpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(self._span))
        return carrier.get("traceparent", "")

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def describe(self, **attributes: str | float) -> None:
        for name, value in attributes.items():
            self._span.set_attribute(name.replace("__", "."), value)


class WorkTraces:
    """Makes the spans of a batch when it is finished, so that the worker's loop knows nothing of them."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(_SCOPE)

    def finished(self, facts: BatchFacts) -> None:
        """Make a span of the batch, and one in the trace of each of its requests that is traced."""
        origins = [(one, _span_context(one.claim.context.trace)) for one in facts.completions]
        traced = [(one, origin) for one, origin in origins if origin is not None]
        if not traced:
            return
        end_ns = time.time_ns()
        start_ns = end_ns - round(facts.total_ms * 1e6)
        first = facts.completions[0]
        batch = self._tracer.start_span(
            f"classify {first.served_version}",
            trace.set_span_in_context(trace.INVALID_SPAN),
            SpanKind.CONSUMER,
            attributes={
                "splitleaf.version": first.served_version,
                "splitleaf.batch_size": len(facts.completions),
                "splitleaf.preprocess_ms": first.timings.preprocess_ms,
                "splitleaf.inference_ms": first.timings.inference_ms,
            },
            links=[Link(origin) for _, origin in traced],
            start_time=start_ns,
        )
        for completion, origin in traced:
            self._show_in(origin, completion, batch.get_span_context(), start_ns, end_ns)
        batch.end(end_ns)

    def recovered(self, recovery: Recovery) -> None: ...

    def _show_in(
        self, origin: SpanContext, completion: Completion, batch: SpanContext, start_ns: int, end_ns: int
    ) -> None:
        span = self._tracer.start_span(
            "work",
            trace.set_span_in_context(trace.NonRecordingSpan(origin)),
            SpanKind.CONSUMER,
            attributes={
                "splitleaf.prediction": completion.claim.task_id,
                "splitleaf.version": completion.served_version,
                "splitleaf.queue_ms": completion.timings.queue_ms,
                "splitleaf.deliveries": completion.claim.deliveries,
            },
            links=[Link(batch)],
            start_time=start_ns,
        )
        if completion.failure:
            span.set_status(trace.StatusCode.ERROR, completion.failure.code)
        span.end(end_ns)


def _span_context(traceparent: str) -> SpanContext | None:
    """Return where a request's trace continues; None where it is not traced."""
    if not traceparent:
        return None
    found = trace.get_current_span(_PROPAGATOR.extract({"traceparent": traceparent})).get_span_context()
    return found if found.is_valid and found.trace_flags & TraceFlags.SAMPLED else None
