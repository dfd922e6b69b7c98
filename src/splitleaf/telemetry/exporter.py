"""Exports traces, if the standard variables of OpenTelemetry name a collector."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@contextmanager
def traces(role: str, *, decides: bool = False) -> Iterator[TracerProvider | None]:
    """Yield the provider of this role's spans, and flush it at the end; None if no collector is named.

    `decides`: this role decides what is traced. The library is imported only if it is used.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        yield None
        return
    from splitleaf.telemetry.traces import new_provider

    provider = new_provider(role, decides=decides)
    try:
        yield provider
    finally:
        provider.shutdown()
