from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from splitleaf.core.errors import InvalidArtifact
from splitleaf.engine.classifier import Classifier
from splitleaf.engine.loading import load_classifier
from splitleaf.registry.catalogue import Catalogue
from splitleaf.worker.versions import VersionPool
from tests.support.repositories import TELLS_COLOUR, add_version
from tests.support.tensors import RED, plain


class Repository:
    """A real catalogue; remembers what was loaded."""

    def __init__(self, models: Path) -> None:
        self.models = models
        self.scan = Catalogue(models).scan
        self.loads: list[str] = []

    def load(self, folder: Path) -> Classifier:
        self.loads.append(folder.name)
        return load_classifier(folder)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def pool(repository: Repository) -> VersionPool:
    return VersionPool(repository.scan, repository.load)


def test_new_versions_are_picked_up_and_known_ones_not_loaded_again(pool: VersionPool, repository: Repository) -> None:
    add_version(repository.models, "v1")
    pool.refresh()
    add_version(repository.models, "v2")
    pool.refresh()
    pool.refresh()
    assert set(pool.serving()) == {"v1", "v2"}
    assert repository.loads == ["v1", "v2"]
    assert pool.statuses() == {"v1": "ready", "v2": "ready"}


def test_a_broken_version_is_shown_and_hinders_no_other(pool: VersionPool, repository: Repository) -> None:
    broken = add_version(repository.models, "v1")
    (broken / "artifact/model.onnx").write_bytes(b"cut")
    add_version(repository.models, "v2")
    pool.refresh()
    assert set(pool.serving()) == {"v2"}
    assert pool.statuses()["v1"].startswith("failed: ")


def test_a_changed_version_is_swapped(pool: VersionPool, repository: Repository) -> None:
    add_version(repository.models, "v1")
    pool.refresh()
    before = pool.serving()["v1"]
    add_version(repository.models, "v1", weights=TELLS_COLOUR[:, ::-1])
    pool.refresh()
    after = pool.serving()["v1"]
    assert after.digest != before.digest
    assert after.classify([plain(RED)]).classifications[0].best.label == "blue"


def test_a_version_whose_update_is_broken_goes_on_serving(pool: VersionPool, repository: Repository) -> None:
    add_version(repository.models, "v1")
    pool.refresh()
    before = pool.serving()["v1"]
    folder = add_version(repository.models, "v1", weights=np.ones((3, 3)))
    (folder / "artifact/model.onnx").write_bytes(b"half copied")
    pool.refresh()
    assert pool.serving()["v1"] is before
    assert "update failed" in pool.statuses()["v1"]


def test_a_removed_version_is_dropped_unless_it_is_the_last(pool: VersionPool, repository: Repository) -> None:
    for version in ("v1", "v2"):
        add_version(repository.models, version)
    pool.refresh()
    (repository.models / "v1").rename(repository.models.parent / "away-1")
    pool.refresh()
    assert set(pool.serving()) == {"v2"}
    (repository.models / "v2").rename(repository.models.parent / "away-2")
    pool.refresh()
    assert set(pool.serving()) == {"v2"}


def test_images_prepared_for_the_former_input_are_still_answered(pool: VersionPool, repository: Repository) -> None:
    add_version(repository.models, "v1")
    pool.refresh()
    add_version(repository.models, "v1", side=8)
    pool.refresh()
    for side in (16, 8):
        classifier = pool.classifier_for("v1", plain(RED, side=side))
        assert classifier is not None
        assert classifier.classify([plain(RED, side=side)]).classifications[0].best.label == "red"


def test_an_unexpected_error_of_a_load_is_a_failed_version(repository: Repository) -> None:
    def explode(folder: Path) -> Classifier:
        raise (InvalidArtifact("no") if folder.name == "v1" else ZeroDivisionError)

    for version in ("v1", "v2"):
        add_version(repository.models, version)
    pool = VersionPool(repository.scan, explode)
    pool.refresh()
    assert pool.statuses() == {"v1": "failed: no", "v2": "failed: ZeroDivisionError"}


def test_a_broken_manifest_is_a_failed_version(pool: VersionPool, repository: Repository) -> None:
    (add_version(repository.models, "v1") / "model.toml").write_text("[source]\nlabels = 3", encoding="utf-8")
    add_version(repository.models, "v2")
    pool.refresh()
    assert set(pool.serving()) == {"v2"}
    assert pool.statuses()["v1"].startswith("failed: ")
