"""What can be served at the moment, and which version answers whom.

The hot path reads a snapshot; databases, folders and the broker are asked in the background.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from splitleaf.core.clock import Clock, SystemClock
from splitleaf.core.errors import NoModelReady, NotFound, SplitleafError
from splitleaf.experiments.allocation import is_sampled
from splitleaf.experiments.routing import Route, Routing
from splitleaf.jobs.queue import WorkerDirectory, WorkerReport
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.manifest import Manifest

log = structlog.get_logger(__name__)


NOT_READY: Final = "not_ready"
"""Why the champion or an experiment's default stands in: no worker has the assigned version."""
OVERLOADED: Final = "overloaded"
"""Why another version stands in: the assigned one's queue took no more."""
STALE_AFTER_S: Final = 2.0
"""Experiments end here when the store was silent for so long: one may have been rolled back meanwhile."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The version that answers, and why."""

    manifest: Manifest
    revision: int
    experiment: str = ""
    variant: str = ""
    """The assigned version, even if another one answers. The analysis uses it."""
    override: bool = False
    fallback: str = ""
    """Not empty when the assigned version cannot answer and another one does."""
    salt: str = ""
    shadows: tuple[tuple[Manifest, int], ...] = ()
    """Versions that may score the image too, and how many of 10,000 each gets."""
    others: tuple[Manifest, ...] = ()
    """Versions that may stand in, the first one first. Only in an experiment: there it is known whose failure it is."""
    is_explained: bool = True
    """Whether the public may see a heat map: not where having one, or none, would tell whose answer it is."""

    def fall_back(self) -> Choice | None:
        """Return the choice of who answers when the queue takes no more for this one; still its exposure."""
        if not self.others:
            return None
        first, *rest = self.others
        shadows = tuple(one for one in self.shadows if one[0].version != first.version)
        return replace(self, manifest=first, others=tuple(rest), shadows=shadows, fallback=OVERLOADED)

    @property
    def is_fallback(self) -> bool:
        return bool(self.fallback)

    def shadows_of(self, prediction_id: str) -> list[Manifest]:
        """Return the versions that score this prediction's image."""
        return [manifest for manifest, slots in self.shadows if is_sampled(self.salt, prediction_id, slots)]


@dataclass(frozen=True, slots=True)
class Serving:
    """A snapshot."""

    routing: Routing
    manifests: Mapping[str, Manifest]
    ready: frozenset[str]
    """Versions that a live worker has loaded."""
    failed: frozenset[str] = frozenset()
    """Versions that a live worker could not load."""

    @property
    def champion(self) -> str:
        """Return who answers for the alias: an earlier champion where the present one cannot be loaded.

        One that merely is not loaded yet is waited for, so that a start answers with no other version.
        """
        named = self.routing.champion
        if self._can_serve(named) or named not in self.failed:
            return named
        return next((version for version in self.routing.earlier if self._can_serve(version)), named)

    def choose(self, unit_hash: str) -> Choice:
        """Return who answers this unit. Raises `NoModelReady`."""
        route = self.routing.route(unit_hash)
        if route.experiment:
            return self._choose_in_experiment(route)
        if self._can_serve(route.version):
            return Choice(self.manifests[route.version], route.revision, is_explained=self.explains)
        champion = self.champion
        if self._can_serve(champion):
            # No exposure of the split.
            return Choice(self.manifests[champion], 0, fallback=NOT_READY, is_explained=self.explains)
        raise NoModelReady

    def choose_forced(self, experiment: str, variant: str) -> Choice:
        """Return a named variant's version; analysis leaves out what it answers.

        Raises `NotFound` (`variant_not_found`), `NoModelReady` when no worker has it: no one stands in here.
        """
        route = self.routing.force(experiment, variant)
        if route is None:
            raise NotFound(f"no experiment {experiment!r} with a variant {variant!r} runs", code="variant_not_found")
        if not self._can_serve(route.version):
            raise NoModelReady
        return Choice(
            self.manifests[route.version],
            route.revision,
            experiment,
            variant,
            override=True,
            is_explained=self.explains,
        )

    def _choose_in_experiment(self, route: Route) -> Choice:
        """Return the assigned version or its fallback. Both are exposures of the assigned variant."""
        able = [one for one in dict.fromkeys((route.version, route.fallback, self.champion)) if self._can_serve(one)]
        if not able:
            raise NoModelReady
        version, *others = able
        return Choice(
            self.manifests[version],
            route.revision,
            route.experiment,
            route.variant,
            fallback="" if version == route.version else NOT_READY,
            salt=route.salt,
            shadows=tuple(
                (self.manifests[one.version], one.slots)
                for one in route.shadows
                if one.version != version and self._can_serve(one.version)
            ),
            others=tuple(self.manifests[one] for one in others),
            is_explained=self.explains,
        )

    @property
    def expected(self) -> frozenset[str]:
        """Return every version that may answer the public currently."""
        return self.routing.versions | {self.champion}

    @property
    def explains(self) -> bool:
        """Whether every version that may answer the public currently offers a heat map."""
        return all(
            version in self.manifests and self.manifests[version].offers_activation_map for version in self.expected
        )

    def _can_serve(self, version: str) -> bool:
        return version in self.ready and version in self.manifests

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what keeps images from being answered, without naming a version."""
        return () if self._can_serve(self.champion) else ("no model is ready",)

    def labels(self) -> Sequence[tuple[str, str]]:
        """Return the labels (name, display name) of the champion, in the order of its outputs."""
        manifest = self.manifests.get(self.champion)
        if manifest is None:
            raise NoModelReady
        return [(label, manifest.display_name(label)) for label in manifest.conditions]


def ready_versions(workers: Sequence[WorkerReport]) -> frozenset[str]:
    """Return what a live worker has loaded and is not about to let go."""
    return frozenset(
        version
        for worker in workers
        for version, status in worker.versions.items()
        if status.startswith("ready") and not worker.draining
    )


def failed_versions(workers: Sequence[WorkerReport]) -> frozenset[str]:
    """Return what a live worker could not load."""
    return frozenset(
        version for worker in workers for version, status in worker.versions.items() if status.startswith("failed")
    )


NOTHING = Serving(Routing(champion=""), {}, frozenset())


class ServingMonitor:
    """Keeps the snapshot fresh. What cannot be asked at the moment stays as it was last known."""

    def __init__(
        self,
        scan: Callable[[], Sequence[VersionFolder]],
        load_routing: Callable[[], Routing],
        directory: WorkerDirectory,
        default_champion: Callable[[], str] = lambda: "",
        clock: Clock | None = None,
        *,
        on_change: Callable[[Serving], None] = lambda _serving: None,
    ) -> None:
        """`default_champion` answers while nothing was ever heard of the store; `on_change` sees each snapshot."""
        self._scan = scan
        self._load_routing = load_routing
        self._directory = directory
        self._default_champion = default_champion
        self.workers: Sequence[WorkerReport] = ()
        self.folders: Sequence[VersionFolder] = ()
        self._clock = clock or SystemClock()
        self._on_change = on_change
        self._present = NOTHING
        self._suspended = NOTHING
        self._heard_at = -math.inf
        self.route_problem = ""

    @property
    def snapshot(self) -> Serving:
        """Return what is known; without the experiments when the store has been silent for too long."""
        if self._present.routing.experiments and self._clock.monotonic() - self._heard_at > STALE_AFTER_S:
            return self._suspended
        return self._present

    async def refresh(self) -> None:
        """Ask everyone once; never raises for a part that is down."""
        parts = (self._refresh_workers(), self._refresh_versions(), self._refresh_routing())
        for failure in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(failure, Exception):
                # Whatever it is: a monitor that ends here would leave an old snapshot active forever.
                log.error("refresh_failed", exc_info=failure)

    async def run(self, period_s: float) -> None:
        """Refresh forever; what decides twice as often, so that an experiment that ended is known to have."""
        await asyncio.gather(
            self._regularly(self.refresh, period_s), self._regularly(self._refresh_decisions, period_s / 2)
        )

    async def _regularly(self, action: Callable[[], Awaitable[None]], period_s: float) -> None:
        while True:
            await action()
            await asyncio.sleep(period_s)

    async def _refresh_decisions(self) -> None:
        try:
            await self._refresh_routing()
        except Exception:
            log.exception("refresh_failed")

    async def _refresh_workers(self) -> None:
        try:
            self.workers = await self._directory.workers()
        except SplitleafError as error:
            log.warning("workers_unknown", detail=error.detail)
            return
        self._publish(ready=ready_versions(self.workers), failed=failed_versions(self.workers))

    async def _refresh_versions(self) -> None:
        self.folders = await asyncio.to_thread(self._scan)
        self._publish(manifests={one.version: one.manifest for one in self.folders if one.manifest is not None})

    async def _refresh_routing(self) -> None:
        asked_at = self._clock.monotonic()
        try:
            routing = await asyncio.to_thread(self._load_routing)
        except SplitleafError as error:
            self.route_problem = error.detail
            if not self._present.routing.champion:
                self._publish(routing=Routing(await asyncio.to_thread(self._default_champion)))
            log.warning("routing_unknown", detail=error.detail, keeping=self._present.routing.champion)
            return
        self.route_problem = ""
        if asked_at >= self._heard_at:
            # Not an answer to an older question that took longer: it could bring back what has ended.
            self._heard_at = asked_at
            self._publish(routing=routing)

    def _publish(
        self,
        routing: Routing | None = None,
        manifests: Mapping[str, Manifest] | None = None,
        ready: frozenset[str] | None = None,
        failed: frozenset[str] | None = None,
    ) -> None:
        old = self._present
        self._present = Serving(
            old.routing if routing is None else routing,
            old.manifests if manifests is None else manifests,
            old.ready if ready is None else ready,
            old.failed if failed is None else failed,
        )
        self._suspended = replace(self._present, routing=self._present.routing.without_experiments())
        self._on_change(self._present)


__all__ = ["NOTHING", "STALE_AFTER_S", "Choice", "Serving", "ServingMonitor", "ready_versions"]
