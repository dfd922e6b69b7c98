"""What can be served at the moment, and which version answers whom.

The hot path reads a snapshot; databases, folders and the broker are asked in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from splitleaf.core.errors import NoModelReady, SplitleafError
from splitleaf.experiments.routing import Route, Routing
from splitleaf.jobs.queue import WorkerDirectory, WorkerReport
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.manifest import Manifest

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """The version that answers, and why."""

    manifest: Manifest
    revision: int
    is_fallback: bool = False
    """True when the assigned version cannot answer and the champion does: no exposure of the split."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A snapshot."""

    routing: Routing
    manifests: Mapping[str, Manifest]
    ready: frozenset[str]
    """Versions that a live worker has loaded."""

    def choose(self, unit_hash: str) -> Choice:
        """Return who answers this unit. Raises `NoModelReady`."""
        route = self.routing.route(unit_hash)
        if self._can_serve(route.version):
            return Choice(self.manifests[route.version], route.revision)
        champion = self.routing.champion
        if self._can_serve(champion):
            return Choice(self.manifests[champion], 0, is_fallback=True)
        raise NoModelReady

    def _can_serve(self, version: str) -> bool:
        return version in self.ready and version in self.manifests

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what keeps pictures from being answered, without naming a version."""
        return () if self._can_serve(self.routing.champion) else ("no model is ready",)

    def labels(self) -> Sequence[tuple[str, str]]:
        """Return the labels (name, display name) of the champion, in the order of its outputs."""
        manifest = self.manifests.get(self.routing.champion)
        if manifest is None:
            raise NoModelReady
        return [(label, manifest.display_name(label)) for label in manifest.labels]


NOTHING = Serving(Routing(champion=""), {}, frozenset())


class ServingMonitor:
    """Keeps the snapshot fresh. What cannot be asked at the moment stays as it was last known."""

    def __init__(
        self,
        scan: Callable[[], Sequence[VersionFolder]],
        load_routing: Callable[[], Routing],
        directory: WorkerDirectory,
        default_champion: Callable[[], str] = lambda: "",
    ) -> None:
        """`default_champion` answers while nothing was ever heard of the store."""
        self._scan = scan
        self._load_routing = load_routing
        self._directory = directory
        self._default_champion = default_champion
        self.workers: Sequence[WorkerReport] = ()
        self.folders: Sequence[VersionFolder] = ()
        self.snapshot = NOTHING
        self.route_problem = ""

    async def refresh(self) -> None:
        """Ask everybody once; never raises for a part that is down."""
        parts = (self._refresh_workers(), self._refresh_versions(), self._refresh_routing())
        for failure in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(failure, Exception):
                # Whatever it is: a monitor that ends here would leave an old snapshot in force for ever.
                log.error("refresh_failed", exc_info=failure)

    async def run(self, period_s: float) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(period_s)

    async def _refresh_workers(self) -> None:
        try:
            self.workers = await self._directory.workers()
        except SplitleafError as error:
            log.warning("workers_unknown", detail=error.detail)
            return
        ready = frozenset(
            version
            for worker in self.workers
            for version, status in worker.versions.items()
            if status.startswith("ready") and not worker.draining
        )
        self._publish(ready=ready)

    async def _refresh_versions(self) -> None:
        self.folders = await asyncio.to_thread(self._scan)
        self._publish(manifests={one.version: one.manifest for one in self.folders if one.manifest is not None})

    async def _refresh_routing(self) -> None:
        try:
            routing = await asyncio.to_thread(self._load_routing)
        except SplitleafError as error:
            self.route_problem = error.detail
            if not self.snapshot.routing.champion:
                self._publish(routing=Routing(await asyncio.to_thread(self._default_champion)))
            log.warning("routing_unknown", detail=error.detail, keeping=self.snapshot.routing.champion)
            return
        self.route_problem = ""
        self._publish(routing=routing)

    def _publish(
        self,
        routing: Routing | None = None,
        manifests: Mapping[str, Manifest] | None = None,
        ready: frozenset[str] | None = None,
    ) -> None:
        old = self.snapshot
        self.snapshot = Serving(
            old.routing if routing is None else routing,
            old.manifests if manifests is None else manifests,
            old.ready if ready is None else ready,
        )


__all__ = ["NOTHING", "Choice", "Route", "Serving", "ServingMonitor"]
