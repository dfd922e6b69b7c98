"""The listener for Prometheus, if metrics are enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitleaf.core.errors import ConfigurationError
from splitleaf.registry.repository import read_repository
from splitleaf.settings import Settings

if TYPE_CHECKING:
    from splitleaf.telemetry.instruments import Instruments


def start_metrics(settings: Settings) -> Instruments | None:
    """Listen, and return the instruments of this process; None if metrics are not enabled.

    The library is imported here, so a process without metrics does not load it.
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
