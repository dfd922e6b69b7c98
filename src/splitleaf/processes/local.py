"""What the command line does on this machine, without a running system."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from splitleaf.core.errors import NotFound, SplitleafError
from splitleaf.core.files import read_plain
from splitleaf.core.prediction import Classification
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.flows.change_routing import clear_split, move_alias, roll_back_alias, set_split
from splitleaf.flows.load_routing import load_routing
from splitleaf.images.decoded import decode_image
from splitleaf.importing.images import MOST_BYTES
from splitleaf.importing.network import verify_in_child
from splitleaf.outcomes.events import AliasChange, RoutingRevision
from splitleaf.processes.repository import default_alias, require_repository
from splitleaf.processes.store import LocalHand
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import CHAMPION


def classify_here(
    version: str, models_dir: Path, images: Sequence[Path]
) -> Iterator[tuple[Path, Classification | SplitleafError]]:
    """Classify files with one version, exactly as the API and a worker together would."""
    classifier = load_classifier(Catalogue(models_dir).find(version).folder, OnnxRuntime)
    spec = classifier.manifest.preprocessing.input_spec
    for path in images:
        try:
            decoded = decode_image(read_plain(path, MOST_BYTES), [spec])
            yield path, classifier.classify(decoded.tensors).classifications[0]
        except SplitleafError as error:
            yield path, error
        except OSError as error:
            yield path, NotFound(f"cannot be read: {error.strerror}", code="file_unreadable")


def verify(models_dir: Path, versions: Collection[str]) -> dict[str, str]:
    """Load versions as a worker would, each in a capped child; return version -> what is wrong (empty: nothing)."""
    require_repository(models_dir)
    folders = {one.version: one for one in Catalogue(models_dir).scan()}
    results: dict[str, str] = {}
    for version in versions or [name for name, one in folders.items() if one.state != "bare"]:
        try:
            if version not in folders:
                raise NotFound(f"there is no version {version!r}")
            verify_in_child(folders[version].folder)
            results[version] = ""
        except SplitleafError as error:
            results[version] = error.detail
    return results


class Operator(LocalHand):
    """Changes who answers, in the database that a running system reads."""

    def __init__(self, models_dir: Path, data_dir: Path | None = None) -> None:
        """`data_dir` wins over the setting, as for `splitleaf up --data`."""
        require_repository(models_dir)
        super().__init__(data_dir)
        self._models_dir = models_dir

    def alias(self, alias: str) -> str:
        """Return where the alias points. Raises `NotFound`."""
        version = self._store.aliases().get(alias) or self._default(alias)
        if not version:
            raise NotFound(f"the alias {alias!r} points nowhere", code="alias_not_found")
        return version

    def move_alias(self, alias: str, version: str, reason: str) -> AliasChange:
        """Return the change; the first one starts from what `repository.toml` names."""
        expected = self._store.aliases().get(alias)
        self._require_imported([version])
        change = move_alias(self._store, alias, version, self._imported(), expected, self._actor, reason, self._clock)
        return change if expected else replace(change, previous=self._default(alias) or None)

    def roll_back_alias(self, alias: str, reason: str) -> AliasChange:
        """Point the alias at the version before; before the first move that is what `repository.toml` names."""
        ready, default = self._imported(), self._default(alias)
        return roll_back_alias(self._store, alias, default, ready, self._actor, reason, self._clock)

    def alias_history(self, alias: str) -> Sequence[AliasChange]:
        return self._store.alias_history(alias)

    def split(self) -> RoutingRevision | None:
        routing = load_routing(self._store, self._default(CHAMPION))
        return self._store.routing() if routing.split else None

    def set_split(self, percentages: Mapping[str, float], reason: str) -> RoutingRevision:
        self._require_imported(percentages)
        return set_split(self._store, percentages, self._imported(), self._actor, reason, self._clock)

    def clear_split(self, reason: str) -> bool:
        """Return whether there was a split to end."""
        if self.split() is None:
            return False
        clear_split(self._store, self._actor, reason, self._clock)
        return True

    def split_history(self) -> Sequence[RoutingRevision]:
        return self._store.routing_history()

    def _default(self, alias: str) -> str:
        return default_alias(self._models_dir, alias)

    def _imported(self) -> list[str]:
        return [one.version for one in Catalogue(self._models_dir).imported()]

    def _require_imported(self, versions: Iterable[str]) -> None:
        imported = self._imported()
        for version in versions:
            if version not in imported:
                there = f"it has {', '.join(imported)}" if imported else "it has none"
                raise NotFound(
                    f"there is no imported version {version!r} in {self._models_dir}; {there}",
                    code="version_not_found",
                )
