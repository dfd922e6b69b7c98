"""`splitleaf up`: everything on one machine, with embedded defaults."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import structlog

from splitleaf.core.errors import ConfigurationError
from splitleaf.installation.broker import EMBEDDED_FOLDER, check_broker_url
from splitleaf.installation.data_folder import held
from splitleaf.installation.repository import require_repository, unserved_versions
from splitleaf.installation.secrets import kept_admin_key, read_secret
from splitleaf.jobs.embedded import EmbeddedBroker
from splitleaf.registry.catalogue import Catalogue
from splitleaf.settings import PREFIX, Settings, read_settings
from splitleaf.supervision.parent import watch_parent
from splitleaf.supervision.ports import next_free, require_free
from splitleaf.supervision.readiness import ask_ready, reachable
from splitleaf.supervision.supervisor import Child, Supervisor
from splitleaf.telemetry.logs import configure_logs

log = structlog.get_logger(__name__)

SLOW_AFTER_S = 10.0
CONTROLLER_AFTER_S = 3.0
"""The controller starts after this time even if no image can be answered yet."""
GRACE_S = 30.0


def run_up(
    *, host: str | None, port: int | None, models_dir: Path | None, data_dir: Path | None, parent_fd: int | None = None
) -> None:
    """Run until Ctrl-C, SIGTERM, or the end of the process behind `parent_fd`. Options win over the environment."""
    _set_defaults({"LOG_LEVEL": "warning"})
    _override({"API__HOST": host, "API__PORT": port, "MODELS_DIR": models_dir, "DATA_DIR": data_dir})
    settings = read_settings()
    configure_logs(settings, "up")
    require_repository(settings.models_dir)
    if settings.redis_url:
        check_broker_url(settings.redis_url)
    with held(settings.data_dir):
        asyncio.run(_Up(settings, _port(settings, fixed=port is not None)).run(parent_fd))


class _Up:
    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._port = port
        self._stop = asyncio.Event()
        self._failed_role = ""
        self._supervisor: Supervisor | None = None

    async def run(self, parent_fd: int | None) -> None:
        """Run until a signal arrives or the parent is gone.

        Raises `ConfigurationError` if a role cannot run with these settings.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        watch_parent(parent_fd, self._stop.set)
        read_secret(self._settings)
        broker = await self._start_broker()
        url = broker.url if broker else self._settings.redis_url
        self._supervisor = Supervisor(self._children(url), self._give_up)
        try:
            await self._start_roles(self._supervisor)
            await self._stop.wait()
        finally:
            self._say("Stopping ... (press Ctrl-C again to stop at once)")
            await self._supervisor.stop(GRACE_S)
            if broker:
                await broker.stop()
        if self._failed_role:
            raise ConfigurationError(f"the {self._failed_role} cannot run with these settings", code="role_failed")

    async def _start_roles(self, supervisor: Supervisor) -> None:
        """Start the roles that answer images first; recording the answers can start later."""
        await supervisor.start("api", "worker")
        announcement = asyncio.create_task(self._announce_when_ready())
        await asyncio.wait({announcement}, timeout=CONTROLLER_AFTER_S)
        await supervisor.start("controller")
        await announcement

    def _on_signal(self) -> None:
        if self._stop.is_set() and self._supervisor:
            self._supervisor.kill()
        self._stop.set()

    def _give_up(self, child: Child) -> None:
        self._failed_role = child.name
        self._stop.set()

    async def _start_broker(self) -> EmbeddedBroker | None:
        if self._settings.redis_url:
            return None
        return await EmbeddedBroker.start(self._settings.data_dir / EMBEDDED_FOLDER)

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
        # The order of stopping: first new work ends, then work in progress, then its recording.
        roles = ("api", "worker", "controller")
        return [Child(role, (role,), environment | self._metrics_port(place)) for place, role in enumerate(roles)]

    def _metrics_port(self, place: int) -> dict[str, str]:
        """Return the setting of a role's metrics port: each role has its own."""
        first = self._settings.metrics.port
        return {f"{PREFIX}METRICS__PORT": str(first + place)} if first else {}

    async def _announce_when_ready(self) -> None:
        """Say when images can be answered. If that takes long, or cannot happen, say what is missing."""
        loop = asyncio.get_running_loop()
        slow_at, is_warned = loop.time() + SLOW_AFTER_S, False
        is_empty = not Catalogue(self._settings.models_dir).imported()
        while not self._stop.is_set():
            problems = await ask_ready(self._settings.api.host, self._port)
            if problems == ():
                self._say("", "  Splitleaf is ready.", *self._unserved(), *self._addresses())
                return
            if not is_warned and (loop.time() > slow_at or (problems and is_empty)):
                is_warned = True
                why = ", ".join(problems) if problems else "the API does not answer yet"
                advice = self._unserved() or ["  Run `splitleaf doctor` to find the cause."]
                self._say("", f"  Not ready: {why}.", *advice, *self._addresses())
            await asyncio.sleep(0.05)

    def _unserved(self) -> list[str]:
        return [f"  {sentence}" for sentence in unserved_versions(self._settings.models_dir)]

    def _addresses(self) -> tuple[str, ...]:
        host = reachable(self._settings.api.host)
        address = f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"
        key_file, _ = kept_admin_key(self._settings)
        lines = ("", f"  Page       {address}", f"  API        {address}/docs", f"  Admin key  {key_file}")
        return (*lines, "", "  Stop with Ctrl-C.", "")

    def _say(self, *lines: str) -> None:
        print("\n".join(lines), flush=True)  # noqa: T201 - for the person at the terminal


def _port(settings: Settings, *, fixed: bool) -> int:
    """Return the requested port or, if none was requested, the next free one."""
    edge = settings.api
    if fixed or f"{PREFIX}API__PORT" in os.environ:
        require_free(edge.host, edge.port)
        return edge.port
    port = next_free(edge.host, edge.port)
    if port != edge.port:
        log.warning("port_in_use", requested=edge.port, port=port)
    return port


def _override(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if value is not None:
            os.environ[PREFIX + name] = str(value)


def _set_defaults(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(PREFIX + name, value)
