"""The listener for Prometheus, where one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitleaf.core.errors import ConfigurationError
from splitleaf.registry.repository import read_repository
from splitleaf.settings import Settings

if TYPE_CHECKING:
    from splitleaf.telemetry.instruments import Instruments


def start_metrics(settings: Settings) -> Instruments | None:
    """Listen, and return what makes this process's metrics; None where nobody asked for any.

    The library is imported here and not before: a process without metrics does not pay for it.
    Raises `ConfigurationError` (`port_taken`).
    """
    asked = settings.metrics
    if not asked.port:
        return None
    from prometheus_client import start_http_server

    from splitleaf.telemetry.instruments import Instruments

    instruments = Instruments(read_repository(settings.models_dir).name)
    try:
        start_http_server(asked.port, asked.host, instruments.registry)
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be served at {asked.host}:{asked.port}: {error.strerror}", code="port_taken"
        ) from error
    return instruments
