"""The API over parts in memory, asked in this process."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from splitleaf.api.app import build_app
from splitleaf.api.public.units import derive_secrets
from splitleaf.api.security.access import Access
from splitleaf.api.security.client_limits import ClientLimits, ClientRates
from splitleaf.api.security.key_ring import KeyRing
from splitleaf.api.security.sessions import SessionSigner
from splitleaf.api.services import ApiServices
from splitleaf.core.access import key_digest
from splitleaf.core.preprocessing import InputSpec
from splitleaf.flows.load_routing import load_routing
from splitleaf.flows.serving import ServingMonitor
from splitleaf.images.archive import ImageArchive
from splitleaf.images.decoded import decode_image
from splitleaf.images.intake import DecodedImage
from splitleaf.jobs.queue import WorkerReport
from splitleaf.jobs.rates import RateLimiter
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.registry.catalogue import Catalogue
from tests.support.clocks import HandClock
from tests.support.memory_queue import (
    MemoryBroker,
    MemoryDeadLetters,
    MemoryJobQueue,
    MemoryLeaderElection,
    MemoryRateLimiter,
    MemoryWorkerDirectory,
)
from tests.support.repositories import add_version
from tests.support.stores import EmptyStore

SECRET = b"a secret of this installation"
READ_KEY, WRITE_KEY = "a key that may read", "a key that may write"
SESSION = {"Splitleaf-Session": "1"}
NOTHING_LIMITED = ClientRates()


class SimpleIntake:
    """Decodes in this process, without the children of the real one."""

    async def decode(self, data: bytes, specs: Sequence[InputSpec]) -> DecodedImage:
        return decode_image(data, specs)

    async def close(self) -> None:
        return


@dataclass
class Served:
    """One API replica; several may share store, broker, clock and secret."""

    models: Path
    clock: HandClock = field(default_factory=HandClock)
    store: OutcomeStore = field(default_factory=EmptyStore)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    rates: RateLimiter | None = None
    images: ImageArchive | None = None
    limits: ClientRates = NOTHING_LIMITED
    read_keys: tuple[str, ...] = (key_digest(READ_KEY),)
    write_keys: tuple[str, ...] = (key_digest(WRITE_KEY),)

    async def start(self, versions: Sequence[str] = ("v1", "v2")) -> Served:
        for version in versions:
            add_version(self.models, version)
        directory = MemoryWorkerDirectory(self.broker)
        await directory.report(WorkerReport("w", "host", 1, 0, dict.fromkeys(versions, "ready"), {}), ttl_s=3600)
        monitor = ServingMonitor(Catalogue(self.models).scan, lambda: load_routing(self.store, "v1"), directory)
        await monitor.refresh()
        self.secrets = derive_secrets(SECRET)
        self.access = Access(
            KeyRing(self.store, self.clock, self.read_keys, self.write_keys),
            SessionSigner(self.secrets.session_key, 3600, self.clock),
        )
        self.services = ApiServices(
            intake=SimpleIntake(),
            queue=MemoryJobQueue(self.broker),
            election=MemoryLeaderElection(self.broker),
            dead_letters=MemoryDeadLetters(self.broker),
            store=self.store,
            monitor=monitor,
            clock=self.clock,
            secrets=self.secrets,
            access=self.access,
            client_limits=ClientLimits(
                self.limits, self.rates or MemoryRateLimiter(self.clock), self.access, self.secrets.unit_pepper
            ),
            default_alias=lambda _: "v1",
            images=self.images,
        )
        self.app = build_app(self.services)
        return self

    def client(self, key: str = "", *, scheme: str = "http", address: str = "192.0.2.7") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 1234))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://leaf", headers=headers)

    async def browser(self, key: str = WRITE_KEY, *, scheme: str = "http") -> httpx.AsyncClient:
        """Return a client that has logged in, as the dashboard does."""
        client = self.client(scheme=scheme)
        (await client.post("/admin/api/session", json={"key": key}, headers=SESSION)).raise_for_status()
        return client


def code(response: httpx.Response) -> Any:
    """Return status and code of a problem."""
    return response.status_code, response.json()["code"]


def unknown_key() -> str:
    return secrets.token_urlsafe(32)
