"""The versions that a worker has loaded, kept in step with the repository while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from splitleaf.core.errors import InvalidArtifact, SplitleafError
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.classifier import Classifier
from splitleaf.registry.catalogue import VersionFolder

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    fingerprint: str
    serving: Classifier | None
    problem: str = ""
    previous: Classifier | None = None

    @property
    def status(self) -> str:
        if self.serving is None:
            return f"failed: {self.problem}"
        return f"ready (its update failed: {self.problem})" if self.problem else "ready"


class VersionPool:
    """Loads what is new or changed, one version at a time, and never disturbs the rest.

    A version is swapped by one assignment, so a batch that has started keeps the classifier it started
    with, which is freed with its last batch. One that fails to load is shown as failed; where an older
    state of it serves already, that continues serving.
    """

    def __init__(self, scan: Callable[[], Sequence[VersionFolder]], load: Callable[[Path], Classifier]) -> None:
        self._scan = scan
        self._load = load
        self._entries: dict[str, _Entry] = {}
        self._loading: str | None = None
        self._one_at_a_time = threading.Lock()

    def refresh(self) -> None:
        """Compare with the repository, and load or drop. Blocks for as long as a load takes."""
        with self._one_at_a_time:
            found = {one.version: one for one in self._scan() if one.state != "bare"}
            for one in found.values():
                known = self._entries.get(one.version)
                if known is None or known.fingerprint != one.fingerprint:
                    self._bring_up(one, known)
            self._drop(set(self._entries) - set(found))

    def serving(self) -> dict[str, Classifier]:
        """Return the versions that can answer now."""
        return {version: entry.serving for version, entry in self._entries.items() if entry.serving is not None}

    def classifier_for(self, version: str, tensor: ImageTensor) -> Classifier | None:
        """Return the classifier that takes this tensor.

        Around a swap, images prepared for the version's former input are still on their way: the former
        classifier is kept until the next change, and answers those that the new one cannot take.
        """
        entry = self._entries.get(version)
        if entry is None:
            return None
        former, present = entry.previous, entry.serving
        if former is not None and present is not None and not _takes(present, tensor) and _takes(former, tensor):
            return former
        return present

    def statuses(self) -> dict[str, str]:
        """Return `ready`, `loading` or `failed: reason` for each version."""
        statuses = {version: entry.status for version, entry in self._entries.items()}
        if self._loading and self._loading not in self.serving():
            statuses[self._loading] = "loading"
        return statuses

    def digests(self) -> dict[str, str]:
        return {version: classifier.digest for version, classifier in self.serving().items()}

    def _bring_up(self, found: VersionFolder, known: _Entry | None) -> None:
        old = known.serving if known else None
        self._loading = found.version
        try:
            if found.problem:
                raise InvalidArtifact(found.problem)
            fresh = self._load(found.folder)
        except SplitleafError as error:
            log.warning("version_failed", version=found.version, reason=error.detail, still_serving=old is not None)
            self._entries[found.version] = _Entry(found.fingerprint, old, error.detail)
        except Exception as error:  # one broken version must not take the worker down
            log.exception("version_failed", version=found.version, still_serving=old is not None)
            self._entries[found.version] = _Entry(found.fingerprint, old, type(error).__name__)
        else:
            log.info("version_ready", version=found.version, digest=fresh.digest, replaced=old is not None)
            self._entries[found.version] = _Entry(found.fingerprint, fresh, previous=old)
        finally:
            self._loading = None

    def _drop(self, gone: set[str]) -> None:
        for version in gone:
            if self._entries[version].serving is not None and len(self.serving()) == 1:
                log.warning("last_version_kept", version=version)
                continue
            log.info("version_dropped", version=version)
            del self._entries[version]


def _takes(classifier: Classifier, tensor: ImageTensor) -> bool:
    spec = classifier.manifest.preprocessing.input_spec
    return spec.shape == tuple(tensor.shape) and spec.dtype == tensor.dtype
