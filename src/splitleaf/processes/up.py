"""`splitleaf up`: everything on one machine, with embedded defaults."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import structlog

from splitleaf.core.errors import ConfigurationError
from splitleaf.jobs.embedded import EmbeddedBroker
from splitleaf.processes.logs import configure_logs
from splitleaf.processes.secrets import kept_admin_key, read_secret
from splitleaf.processes.supervisor import Child, Supervisor
from splitleaf.settings import PREFIX, Settings, read_settings

log = structlog.get_logger(__name__)

PORTS_TRIED = 20
READY_WITHIN_S = 60.0
GRACE_S = 30.0


def run_up(*, host: str | None, port: int | None, models_dir: Path | None, data_dir: Path | None) -> None:
    """Run until Ctrl-C or SIGTERM. Options win over the environment."""
    _set_defaults({"LOG_LEVEL": "warning"})
    _override({"API__HOST": host, "API__PORT": port, "MODELS_DIR": models_dir, "DATA_DIR": data_dir})
    settings = read_settings()
    configure_logs(settings, "up")
    if not settings.models_dir.is_dir():
        raise ConfigurationError(f"there is no models folder at {settings.models_dir.resolve()}", code="no_models")
    asyncio.run(_Up(settings, _port(settings, fixed=port is not None)).run())


class _Up:
    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._port = port
        self._stop = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        read_secret(self._settings)
        broker = await self._start_broker()
        supervisor = Supervisor(self._children(broker.url if broker else self._settings.redis_url))
        try:
            await supervisor.start()
            if await self._until_ready():
                self._greet()
            await self._stop.wait()
        finally:
            print("Stopping ...", flush=True)  # noqa: T201 - a person is watching
            await supervisor.stop(GRACE_S)
            if broker:
                await broker.stop()

    async def _start_broker(self) -> EmbeddedBroker | None:
        if self._settings.redis_url:
            return None
        return await EmbeddedBroker.start(self._settings.data_dir / "broker")

    def _children(self, redis_url: str) -> list[Child]:
        _, admin_key = kept_admin_key(self._settings)
        environment = {
            **os.environ,
            f"{PREFIX}REDIS_URL": redis_url,
            f"{PREFIX}API__PORT": str(self._port),
            f"{PREFIX}MODELS_DIR": str(self._settings.models_dir.resolve()),
            f"{PREFIX}DATA_DIR": str(self._settings.data_dir.resolve()),
        }
        keys = [*self._settings.admin_write_keys, admin_key]
        environment[f"{PREFIX}ADMIN_WRITE_KEYS"] = "[" + ",".join(f'"{key}"' for key in keys) + "]"
        # In this order they are stopped: no new work, then the work that is there, then its record.
        return [Child(role, (role,), environment) for role in ("api", "worker", "controller")]

    async def _until_ready(self) -> bool:
        deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
        while not self._stop.is_set():
            if await _answers_ready(self._settings.api.host, self._port):
                return True
            if asyncio.get_running_loop().time() > deadline:
                log.warning("not_ready_yet", hint="see the messages above; `splitleaf doctor` looks for causes")
                deadline = float("inf")
            await asyncio.sleep(0.05)
        return False

    def _greet(self) -> None:
        host = "127.0.0.1" if self._settings.api.host in ("0.0.0.0", "::") else self._settings.api.host  # noqa: S104
        address = f"http://{host}:{self._port}"
        key_file, _ = kept_admin_key(self._settings)
        lines = (
            "",
            "  Splitleaf is ready.",
            "",
            f"  Page       {address}",
            f"  API        {address}/docs",
            f"  Admin key  {key_file}",
            "",
            "  Stop with Ctrl-C.",
            "",
        )
        print("\n".join(lines), flush=True)  # noqa: T201 - a person is watching


async def _answers_ready(host: str, port: int) -> bool:
    """Ask `/readyz` with no HTTP library: importing one would take longer than the answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1" if host == "0.0.0.0" else host, port)  # noqa: S104
    except OSError:
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 2)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
    return b" 200 " in status


def _port(settings: Settings, *, fixed: bool) -> int:
    """Return the port asked for or, where nobody asked, the next free one."""
    asked = settings.api.port
    if fixed or f"{PREFIX}API__PORT" in os.environ:
        if not is_free(settings.api.host, asked):
            raise ConfigurationError(f"port {asked} is taken", code="port_taken")
        return asked
    for port in range(asked, asked + PORTS_TRIED):
        if is_free(settings.api.host, port):
            return port
    raise ConfigurationError(f"ports {asked} to {asked + PORTS_TRIED - 1} are taken", code="port_taken")


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _override(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if value is not None:
            os.environ[PREFIX + name] = str(value)


def _set_defaults(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(PREFIX + name, value)
