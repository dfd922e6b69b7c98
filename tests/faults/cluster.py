"""A whole installation as separate processes: two API replicas, two workers, two controllers, a broker, a database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx
import redis

from splitleaf.core.access import key_digest, new_key
from splitleaf.settings import PREFIX
from splitleaf.supervision.supervisor import Child, Supervisor
from tests.faults.images import add_versions
from tests.faults.schedule import LEASE_S
from tests.faults.surroundings import Disk, small_disk
from tests.jobs.servers import BrokerServer, FaultProxy
from tests.outcomes.servers import PostgresServer
from tests.support.clocks import ProcessClock
from tests.support.processes import children_of
from tests.system.running import free_port

ROLES: Final = ("api", "worker", "controller")
REPLICAS: Final = 2
START_WITHIN_S: Final = 180.0
"""Generous: what tests may be busy, and processes whose clock can be moved are slow."""
TTL_S: Final = 20.0
"""Of a prediction that nobody answers."""


@dataclass(frozen=True)
class Database:
    """Where outcomes go; `server` is None for SQLite."""

    url: str
    disk: Disk
    server: PostgresServer | None = None


@dataclass
class Cluster:
    """The parts, each of which can be broken by itself."""

    folder: Path
    broker: BrokerServer
    broker_disk: Disk
    broker_clock: ProcessClock
    host_clock: ProcessClock | None
    """Of the roles; None where theirs is the machine's."""
    database: Database
    proxies: Mapping[str, FaultProxy]
    """By the role that goes through it."""
    children: Sequence[Child] = ()
    ports: Sequence[int] = ()
    admin_key: str = field(default_factory=new_key)

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def log(self) -> Path:
        """What the roles say: much, while they are broken."""
        return self.folder / "roles.log"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    def pids(self, role: str) -> list[int]:
        """Return the processes of a role that run now; of `decoder`, the children of the API's."""
        if role == "decoder":
            return [child for pid in self.pids("api") for child in children_of(pid)]
        own = [child.process for child in self.children if child.arguments[0] == role]
        return [one.pid for one in own if one is not None and one.returncode is None]

    def admin(self, replica: int = 0) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        return httpx.AsyncClient(base_url=f"{self.urls[replica]}/admin/api", headers=headers, timeout=10)

    def broker_client(self) -> redis.Redis:
        """Return a client that goes past the proxies."""
        return redis.Redis(unix_socket_path=str(self.broker.socket_path), socket_timeout=5)

    def environment(self, role: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return what a process of this role is started with."""
        own = {
            "REDIS_URL": self.proxies[role].url,
            "DATABASE_URL": self.database.url,
            "DATA_DIR": str(self.folder / "data"),
            "MODELS_DIR": str(self.models),
            "SECRET": "a secret of the fault tests alone",
            "ADMIN_WRITE_KEYS": f'["{key_digest(self.admin_key)}"]',
            "LOG_LEVEL": "warning",
            "QUEUE__LEASE_MS": str(round(1000 * LEASE_S)),
            "API__PREDICTION_TTL_S": str(TTL_S),
            "INTAKE__CHILDREN": "1",
            "WORKER__THREADS": "1",
            **settings,
        }
        outside = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return {
            **outside,
            **{PREFIX + name: value for name, value in own.items()},
            **(self.host_clock.environment if self.host_clock else {}),
        }

    def make_children(self, settings: Mapping[str, str]) -> None:
        self.ports = [free_port() for _ in range(REPLICAS)]
        children = []
        for role in ROLES:
            for number in range(REPLICAS):
                port = {"API__PORT": str(self.ports[number])} if role == "api" else {}
                children.append(Child(f"{role}-{number}", (role,), self.environment(role, {**settings, **port})))
        self.children = children

    async def until_ready(self) -> None:
        """Return when every replica can answer. Raises `TimeoutError`."""
        said = ""
        try:
            async with httpx.AsyncClient(timeout=5) as client, asyncio.timeout(START_WITHIN_S):
                for url in self.urls:
                    while True:
                        with contextlib.suppress(httpx.TransportError):
                            answer = await client.get(f"{url}/readyz")
                            if answer.status_code == 200:
                                break
                            said = answer.text
                        await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise TimeoutError(f"not ready: {said}\n{self.log.read_text()[-4000:]}") from error


@contextlib.asynccontextmanager
async def running_cluster(
    folder: Path,
    database: Database | None = None,
    *,
    has: Collection[str] = (),
    disk_megabytes: int = 128,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Cluster]:
    """Start everything on empty stores, and stop it at the end.

    Without a database it is SQLite's. Where it `has` one, the broker's `clock` or the roles' `host clock` can be moved.
    """
    with _parts(folder, database, has, disk_megabytes) as cluster:
        add_versions(cluster.models)
        cluster.make_children(settings)
        program = f'exec "{sys.executable}" -m splitleaf "$@" >>"{cluster.log}" 2>&1'
        supervisor = Supervisor(cluster.children, program=("/bin/sh", "-c", program, "splitleaf"))
        for proxy in cluster.proxies.values():
            await proxy.start()
        await supervisor.start()
        try:
            await cluster.until_ready()
            yield cluster
        finally:
            await supervisor.stop(20)
            for proxy in cluster.proxies.values():
                await proxy.stop()


@contextlib.contextmanager
def _parts(folder: Path, database: Database | None, has: Collection[str], disk_megabytes: int) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        # In memory: what a slow disk makes the broker put off, and lose with its process, is known and documented.
        disk = stack.enter_context(small_disk(folder / "broker", 512))
        if database is None:
            own = stack.enter_context(small_disk(folder / "database", disk_megabytes))
            database = Database(f"sqlite:///{own.folder / 'outcomes.sqlite3'}", own)
        clock = ProcessClock(folder / "broker-clock")
        broker = BrokerServer(disk.folder, durable=True, environment=clock.environment if "clock" in has else {})
        broker.start()
        stack.callback(broker.kill)
        proxies = {role: FaultProxy(broker.socket_path, folder / f"{role}.sock") for role in ROLES}
        host_clock = ProcessClock(folder / "host-clock", cache_s=1) if "host clock" in has else None
        yield Cluster(folder, broker, disk, clock, host_clock, database, proxies)


@contextlib.contextmanager
def postgres_on_a_small_disk(folder: Path) -> Iterator[tuple[PostgresServer, Disk]]:
    """Start a server for several systems, one after another. Raises `NoPostgresHere`."""
    with small_disk(folder, 384) as disk:
        server = PostgresServer(disk.folder)
        server.prepare()
        server.start()
        try:
            yield server, disk
        finally:
            server.stop()
