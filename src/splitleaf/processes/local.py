"""What the command line does on this machine, without a running system."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import NotFound, SplitleafError
from splitleaf.core.prediction import Classification
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.flows.change_routing import clear_split, load_routing, move_alias, roll_back_alias, set_split
from splitleaf.images.picture import decode_picture
from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.processes.store import new_store
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION, read_repository
from splitleaf.settings import read_settings


def classify_here(
    version: str, models_dir: Path, pictures: Sequence[Path], on_done: Callable[[], None]
) -> list[Classification | SplitleafError]:
    """Classify files with one version, exactly as the API and a worker together would."""
    classifier = load_classifier(Catalogue(models_dir).find(version).folder, OnnxRuntime)
    spec = classifier.manifest.preprocessing.input_spec

    def classify(path: Path) -> Classification | SplitleafError:
        try:
            decoded = decode_picture(path.read_bytes(), [spec])
            return classifier.classify(decoded.tensors).classifications[0]
        except SplitleafError as error:
            return error
        finally:
            on_done()

    return [classify(path) for path in pictures]


def verify(models_dir: Path, versions: Collection[str]) -> dict[str, str]:
    """Load versions as a worker would; return version -> what is wrong (empty: nothing)."""
    folders = {one.version: one for one in Catalogue(models_dir).scan()}
    results: dict[str, str] = {}
    for version in versions or [name for name, one in folders.items() if one.state != "bare"]:
        try:
            if version not in folders:
                raise NotFound(f"there is no version {version!r}")
            load_classifier(folders[version].folder, OnnxRuntime)
            results[version] = ""
        except SplitleafError as error:
            results[version] = error.detail
    return results


class Operator:
    """Changes who answers, in the database that a running system reads."""

    def __init__(self, models_dir: Path) -> None:
        settings = read_settings()
        self._models_dir = models_dir
        self._store = new_store(settings)
        self._store.migrate()
        self._clock = SystemClock()
        self._actor = f"cli:{getpass.getuser()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def alias(self, alias: str) -> str:
        """Return where the alias points. Raises `NotFound`."""
        version = self._store.aliases().get(alias) or self._default(alias)
        if not version:
            raise NotFound(f"the alias {alias!r} points nowhere", code="alias_not_found")
        return version

    def move_alias(self, alias: str, version: str, reason: str) -> AliasChange:
        expected = self._store.aliases().get(alias)
        return move_alias(self._store, alias, version, self._imported(), expected, self._actor, reason, self._clock)

    def roll_back_alias(self, alias: str, reason: str) -> AliasChange:
        return roll_back_alias(self._store, alias, self._imported(), self._actor, reason, self._clock)

    def alias_history(self, alias: str) -> Sequence[AliasChange]:
        return self._store.alias_history(alias)

    def split(self) -> RoutingRevision | None:
        routing = load_routing(self._store, self._default(CHAMPION))
        return self._store.routing() if routing.split else None

    def set_split(self, percentages: Mapping[str, float], reason: str) -> RoutingRevision:
        return set_split(self._store, percentages, self._imported(), self._actor, reason, self._clock)

    def clear_split(self, reason: str) -> None:
        clear_split(self._store, self._actor, reason, self._clock)

    def split_history(self) -> Sequence[RoutingRevision]:
        return self._store.routing_history()

    def _default(self, alias: str) -> str:
        return read_repository(self._models_dir).aliases.get(alias, "")

    def _imported(self) -> list[str]:
        return [one.version for one in Catalogue(self._models_dir).imported()]
