"""The services that a command needs, without a running system: an installation's database, clock and settings."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self, TypeVar

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import NotFound
from splitleaf.flows.review_images import ImageReview
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.images.archive import ImageArchive
from splitleaf.installation.broker import installed_broker_url
from splitleaf.installation.data_folder import is_in_use
from splitleaf.installation.images import kept_archive, review_terms
from splitleaf.installation.queue import QueueBackend, new_queue
from splitleaf.installation.repository import require_repository
from splitleaf.installation.store import new_store
from splitleaf.registry.catalogue import Catalogue, known_labels
from splitleaf.settings import Settings


class LocalServices:
    """The database of an installation, opened for one command. A running system reads it and follows every change."""

    def __init__(self, settings: Settings) -> None:
        """Raise `ConfigurationError` or `DependencyDown` when the database cannot be opened."""
        self.settings = settings
        self.store = new_store(settings)
        self.store.migrate()
        self.clock = SystemClock()
        self.actor = f"cli:{getpass.getuser()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def change(self, reason: str) -> ChangeRequest:
        """Return who changes something, and why."""
        return ChangeRequest(self.actor, reason)

    @property
    def idle_data_dir(self) -> Path | None:
        """Return the data folder when it is an embedded one that no running system uses."""
        if self.settings.database_url or is_in_use(self.settings.data_dir):
            return None
        return self.settings.data_dir.absolute()


class LocalInstallation(LocalServices):
    """The database and the repository of versions."""

    def __init__(self, settings: Settings) -> None:
        """Raise `ConfigurationError` (`no_models`), and as `LocalServices` does."""
        require_repository(settings.models_dir)
        super().__init__(settings)

    def imported(self) -> list[str]:
        """Return the imported versions."""
        return [one.version for one in Catalogue(self.settings.models_dir).imported()]

    def require_imported(self, *versions: str) -> None:
        """Raise `NotFound` (`version_not_found`) for a version that is not imported."""
        imported = self.imported()
        for version in versions:
            if version not in imported:
                there = f"it has {', '.join(imported)}" if imported else "it has none"
                raise NotFound(
                    f"there is no imported version {version!r} in {self.settings.models_dir}; {there}",
                    code="version_not_found",
                )

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Return the labels of all imported versions, and what each is called."""
        return known_labels(Catalogue(self.settings.models_dir).imported())

    @cached_property
    def images(self) -> ImageArchive | None:
        return kept_archive(self.settings)

    @property
    def review(self) -> ImageReview:
        return ImageReview(self.store, self.images, self.clock, review_terms(self.settings))


class _Client(Protocol):
    async def close(self) -> None: ...


_ClientT = TypeVar("_ClientT", bound=_Client)
_Answer = TypeVar("_Answer")


def ask_broker(
    settings: Settings, connect: Callable[[QueueBackend], _ClientT], ask: Callable[[_ClientT], Awaitable[_Answer]]
) -> _Answer:
    """Ask the broker of an installation one question. Raises `DependencyDown` when there is none to ask."""

    async def run() -> _Answer:
        client = connect(new_queue(settings, installed_broker_url(settings)))
        try:
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(run())
