"""The services of the API, opened in order and closed in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from splitleaf.api.http.body_budget import BodyBudget
from splitleaf.api.public.units import derive_secrets
from splitleaf.api.security.access import Access
from splitleaf.api.security.client_limits import ClientLimits, ClientRates
from splitleaf.api.security.key_ring import KeyRing
from splitleaf.api.security.sessions import SessionSigner
from splitleaf.api.services import ApiLimits, ApiServices
from splitleaf.core.clock import SystemClock
from splitleaf.core.tracing import NO_TRACER, Tracer
from splitleaf.flows.keep_images import ImageKeeping
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.serving import Serving, ServingMonitor
from splitleaf.images.archive import ImageArchive
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from splitleaf.installation.broker import greet_broker, require_broker_url
from splitleaf.installation.images import new_archive, review_terms
from splitleaf.installation.queue import new_queue
from splitleaf.installation.repository import default_alias
from splitleaf.installation.secrets import read_secret
from splitleaf.installation.store import migrate_when_it_answers, new_store
from splitleaf.jobs.admission import Admission
from splitleaf.jobs.queue import Task, WorkerDirectory
from splitleaf.jobs.rates import Rate
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION
from splitleaf.settings import Settings

REFRESH_S = 1.0
REFRESH_UNTIL_READY_S = 0.1
DECODING_CHILDREN = 2
KEEPING_NICENESS = 10


@dataclass(frozen=True, slots=True)
class ApiObservers:
    """Callbacks for metrics and traces of this process."""

    tracer: Tracer = NO_TRACER
    accepted: Callable[[Task], None] = lambda _task: None
    kept: Callable[[bool], None] = lambda _is_kept: None
    looked: Callable[[Serving], None] = lambda _serving: None


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, is_draining: Callable[[], bool], observers: ApiObservers
) -> AsyncIterator[ApiServices]:
    """Open the services of the API, and close them in reverse order."""
    secrets, clock = derive_secrets(read_secret(settings)), SystemClock()
    url = require_broker_url(settings)
    await greet_broker(url)
    backend = new_queue(settings, url)
    async with contextlib.AsyncExitStack() as stack:
        intake = await stack.enter_async_context(_closing(await _start_intake(settings)))
        admission = Admission(clock, max_preparing=ImageLimits().max_waiting)
        client = backend.client(expected=lambda: monitor.snapshot.expected, admission=admission)
        await stack.enter_async_context(_closing(client.queue))
        directory = await stack.enter_async_context(_closing(backend.directory()))
        election = await stack.enter_async_context(_closing(backend.election()))
        store = stack.enter_context(contextlib.closing(await asyncio.to_thread(new_store, settings)))
        monitor = _new_monitor(settings, store, directory, observers.looked)
        await stack.enter_async_context(_kept_fresh(monitor, store))
        archive = new_archive(settings)
        keeping = await stack.enter_async_context(_keeping(settings, archive, observers.kept)) if archive else None
        keys = KeyRing(store, clock, settings.admin_read_keys, settings.admin_write_keys)
        await stack.enter_async_context(_closing(keys))
        access = Access(keys, SessionSigner(secrets.session_key, settings.api.session_ttl_s, clock))
        rates = _client_rates(settings)
        yield ApiServices(
            intake=intake,
            queue=client.queue,
            dead_letters=client.dead_letters,
            election=election,
            store=store,
            monitor=monitor,
            clock=clock,
            secrets=secrets,
            access=access,
            client_limits=ClientLimits(rates, client.rates, access, secrets.unit_pepper),
            limits=_limits(settings),
            images=archive,
            keeping=keeping,
            review=review_terms(settings),
            is_draining=is_draining,
            default_alias=lambda alias: default_alias(settings.models_dir, alias),
            tracer=observers.tracer,
            admission=admission,
            body_budget=BodyBudget(settings.api.max_held_bytes),
            on_accepted=observers.accepted,
        )


def _limits(settings: Settings) -> ApiLimits:
    edge = settings.api
    return ApiLimits(
        max_upload_bytes=edge.max_upload_bytes,
        body_timeout_s=edge.body_timeout_s,
        max_wait_s=edge.max_wait_s,
        prediction_ttl_s=edge.prediction_ttl_s,
    )


def _client_rates(settings: Settings) -> ClientRates:
    given = settings.limits
    return ClientRates(
        Rate("address", given.per_address, given.window_s) if given.per_address else None,
        Rate("key", given.per_key, given.window_s) if given.per_key else None,
    )


class _Closable(Protocol):
    async def close(self) -> None: ...


_Opened = TypeVar("_Opened", bound=_Closable)


@contextlib.asynccontextmanager
async def _closing(opened: _Opened) -> AsyncIterator[_Opened]:
    try:
        yield opened
    finally:
        await opened.close()


async def _start_intake(settings: Settings) -> PooledIntake:
    limits = ImageLimits(max_bytes=settings.api.max_upload_bytes)
    return await PooledIntake.start(limits, settings.intake.children or DECODING_CHILDREN)


@contextlib.asynccontextmanager
async def _keeping(
    settings: Settings, archive: ImageArchive, on_done: Callable[[bool], None]
) -> AsyncIterator[ImageKeeping]:
    """Keep images with a separate decoding process, of lower priority than those that requests wait for."""
    limits = ImageLimits(max_bytes=settings.api.max_upload_bytes, niceness=KEEPING_NICENESS)
    async with _closing(await PooledIntake.start(limits, 1)) as intake:
        keeping = ImageKeeping(intake, archive, settings.retention.max_side, on_done)
        yield keeping
        await keeping.finish()


def _new_monitor(
    settings: Settings, store: OutcomeStore, directory: WorkerDirectory, on_change: Callable[[Serving], None]
) -> ServingMonitor:
    def champion() -> str:
        return default_alias(settings.models_dir, CHAMPION)

    return ServingMonitor(
        Catalogue(settings.models_dir).scan,
        lambda: load_routing(store, champion()),
        directory,
        champion,
        on_change=on_change,
    )


@contextlib.asynccontextmanager
async def _kept_fresh(monitor: ServingMonitor, store: OutcomeStore) -> AsyncIterator[None]:
    tried = asyncio.Event()

    async def keep() -> None:
        # Wait for the first attempt to migrate: until then aliases cannot be read and the default version answers.
        # Do not wait longer: the pages have to load even if the database is down.
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
