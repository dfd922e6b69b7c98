"""The API role."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from splitleaf.telemetry.api_metrics import ApiMetrics

from splitleaf.api.app import build_app
from splitleaf.api.http.protocol import ProblemProtocol
from splitleaf.processes.api_services import ApiObservers, open_services
from splitleaf.settings import Settings, read_settings
from splitleaf.supervision.ports import require_free
from splitleaf.supervision.runner import run_role, stop_on_signals
from splitleaf.telemetry.exporter import traces
from splitleaf.telemetry.listener import start_metrics
from splitleaf.telemetry.logs import configure_logs


def run_api(parent_fd: int | None) -> None:
    """Serve HTTP until SIGTERM."""
    settings = read_settings()
    configure_logs(settings, "api")
    require_free(settings.api.host, settings.api.port)
    with traces("api", decides=True) as provider:
        run_role(_serve(settings, parent_fd, provider))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the role handles signals and watches its parent process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


async def _serve(settings: Settings, parent_fd: int | None, provider: TracerProvider | None) -> None:
    server = _Server(_server_config(settings))
    metrics = _metrics(settings)
    observers = _observers(metrics, provider)
    async with open_services(settings, lambda: server.should_exit, observers) as services:
        server.config.app = build_app(services, metrics.requested if metrics else None)
        stop_on_signals(server.stop, parent_fd)
        await server.serve()


def _metrics(settings: Settings) -> ApiMetrics | None:
    instruments = start_metrics(settings)
    if instruments is None:
        return None
    from splitleaf.telemetry.api_metrics import ApiMetrics

    return ApiMetrics(instruments)


def _observers(metrics: ApiMetrics | None, provider: TracerProvider | None) -> ApiObservers:
    observers = ApiObservers()
    if metrics:
        observers = replace(observers, accepted=metrics.accepted, kept=metrics.kept, looked=metrics.looked)
    if provider:
        from splitleaf.telemetry.traces import OpenTelemetryTracer

        observers = replace(observers, tracer=OpenTelemetryTracer(provider))
    return observers


def _server_config(settings: Settings) -> uvicorn.Config:
    edge = settings.api
    return uvicorn.Config(
        "",
        host=edge.host,
        port=edge.port,
        loop="none",
        http=ProblemProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_graceful_shutdown=edge.graceful_timeout_s,
        forwarded_allow_ips=edge.forwarded_allow_ips,
    )
