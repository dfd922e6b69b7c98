"""The API role."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from splitleaf.telemetry.api_metrics import ApiMetrics

from splitleaf.api.app import build_app
from splitleaf.api.client_limits import ClientLimits, ClientRates
from splitleaf.api.keys import Access, KeyRing
from splitleaf.api.protocol import ProblemProtocol
from splitleaf.api.services import ApiLimits, ApiServices
from splitleaf.api.sessions import SessionSigner
from splitleaf.api.units import derive_secrets
from splitleaf.core.clock import SystemClock
from splitleaf.core.tracing import NO_TRACER, Tracer
from splitleaf.flows.keep_pictures import PictureKeeping
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.serving import ServingMonitor
from splitleaf.images.archive import PictureArchive
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from splitleaf.jobs.rates import Rate
from splitleaf.jobs.redis import (
    RedisControlDesk,
    RedisDeadLetters,
    RedisJobQueue,
    RedisRateLimiter,
    RedisWorkerDirectory,
)
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.processes.broker import queue_limits, require_broker_url
from splitleaf.processes.logs import configure_logs
from splitleaf.processes.metrics import start_metrics
from splitleaf.processes.pictures import new_archive, review_terms
from splitleaf.processes.ports import require_free
from splitleaf.processes.repository import default_alias
from splitleaf.processes.runner import run_role, stop_on_signals
from splitleaf.processes.secrets import read_secret
from splitleaf.processes.store import migrate_when_it_answers, new_store
from splitleaf.processes.traces import traces
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION
from splitleaf.settings import Settings, read_settings

REFRESH_S = 1.0
REFRESH_UNTIL_READY_S = 0.1
DECODING_CHILDREN = 2
KEEPING_NICENESS = 10


def run_api(parent_fd: int | None) -> None:
    """Serve HTTP until SIGTERM."""
    settings = read_settings()
    configure_logs(settings, "api")
    require_free(settings.api.host, settings.api.port)
    with traces("api", decides=True) as provider:
        run_role(_serve(settings, parent_fd, provider))


class _Server(uvicorn.Server):
    """uvicorn, but signals are handled by the role, which also watches its parent."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


async def _serve(settings: Settings, parent_fd: int | None, provider: TracerProvider | None) -> None:
    server = _Server(_server_config(settings))
    metrics = _metrics(settings)
    async with _services(settings, lambda: server.should_exit, metrics, _tracer(provider)) as services:
        server.config.app = build_app(services, metrics.requested if metrics else None)
        stop_on_signals(server.stop, parent_fd)
        await server.serve()


def _metrics(settings: Settings) -> ApiMetrics | None:
    instruments = start_metrics(settings)
    if instruments is None:
        return None
    from splitleaf.telemetry.api_metrics import ApiMetrics

    return ApiMetrics(instruments)


def _tracer(provider: TracerProvider | None) -> Tracer:
    if provider is None:
        return NO_TRACER
    from splitleaf.telemetry.traces import OpenTelemetryTracer

    return OpenTelemetryTracer(provider)


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


@contextlib.asynccontextmanager
async def _services(
    settings: Settings, is_draining: Callable[[], bool], metrics: ApiMetrics | None, tracer: Tracer
) -> AsyncIterator[ApiServices]:
    """Open everything that the API stands on, and close it in order."""
    url, limits = require_broker_url(settings), queue_limits(settings)
    async with contextlib.AsyncExitStack() as stack:
        image_limits = ImageLimits(max_bytes=settings.api.max_upload_bytes)
        intake = await PooledIntake.start(image_limits, settings.intake.children or DECODING_CHILDREN)
        stack.push_async_callback(intake.close)
        queue, directory = RedisJobQueue(url, limits), RedisWorkerDirectory(url, limits)
        stack.push_async_callback(queue.close)
        stack.push_async_callback(directory.close)
        desk = RedisControlDesk(url, limits)
        stack.push_async_callback(desk.close)
        store = await asyncio.to_thread(new_store, settings)
        stack.callback(store.close)
        monitor = ServingMonitor(
            Catalogue(settings.models_dir).scan,
            lambda: load_routing(store, default_alias(settings.models_dir, CHAMPION)),
            directory,
            lambda: default_alias(settings.models_dir, CHAMPION),
            on_change=metrics.looked if metrics else lambda _serving: None,
        )
        await stack.enter_async_context(_kept_fresh(monitor, store))
        archive = new_archive(settings)
        keeping = await stack.enter_async_context(_keeping(settings, archive, metrics)) if archive else None
        secrets, clock = derive_secrets(read_secret(settings)), SystemClock()
        keys = KeyRing(store, clock, settings.admin_read_keys, settings.admin_write_keys)
        stack.push_async_callback(keys.close)
        access = Access(keys, SessionSigner(secrets.session_key, settings.api.session_ttl_s, clock))
        yield ApiServices(
            intake=intake,
            queue=queue,
            dead_letters=RedisDeadLetters(queue),
            desk=desk,
            store=store,
            monitor=monitor,
            clock=clock,
            secrets=secrets,
            access=access,
            client_limits=ClientLimits(_client_rates(settings), RedisRateLimiter(queue), access, secrets.unit_pepper),
            limits=ApiLimits(
                max_upload_bytes=settings.api.max_upload_bytes,
                body_timeout_s=settings.api.body_timeout_s,
                max_wait_s=settings.api.max_wait_s,
                prediction_ttl_s=settings.api.prediction_ttl_s,
            ),
            pictures=archive,
            keeping=keeping,
            review=review_terms(settings),
            is_draining=is_draining,
            default_alias=lambda alias: default_alias(settings.models_dir, alias),
            tracer=tracer,
            on_accepted=metrics.accepted if metrics else lambda _task: None,
        )


def _client_rates(settings: Settings) -> ClientRates:
    given = settings.limits
    return ClientRates(
        Rate("address", given.per_address, given.window_s) if given.per_address else None,
        Rate("key", given.per_key, given.window_s) if given.per_key else None,
    )


@contextlib.asynccontextmanager
async def _keeping(
    settings: Settings, archive: PictureArchive, metrics: ApiMetrics | None
) -> AsyncIterator[PictureKeeping]:
    """Keep pictures with a decoding child of their own, which gives way to those that answers wait for."""
    limits = ImageLimits(max_bytes=settings.api.max_upload_bytes, niceness=KEEPING_NICENESS)
    intake = await PooledIntake.start(limits, 1)
    on_done = metrics.kept if metrics else lambda _is_kept: None
    keeping = PictureKeeping(intake, archive, settings.retention.max_side, on_done)
    try:
        yield keeping
        await keeping.finish()
    finally:
        await intake.close()


@contextlib.asynccontextmanager
async def _kept_fresh(monitor: ServingMonitor, store: OutcomeStore) -> AsyncIterator[None]:
    tried = asyncio.Event()

    async def keep() -> None:
        # Once, so that nobody is answered by a default while the aliases are in tables of an older form. But a database
        # that is down at the start must not keep the pages from coming up.
        await tried.wait()
        while monitor.snapshot.problems:
            await monitor.refresh()
            await asyncio.sleep(REFRESH_UNTIL_READY_S)
        await monitor.run(REFRESH_S)

    tasks = [asyncio.create_task(migrate_when_it_answers(store, tried)), asyncio.create_task(keep())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
