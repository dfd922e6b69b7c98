from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from splitleaf.core.errors import NotFound
from splitleaf.registry.catalogue import Catalogue, find_sources, known_labels
from splitleaf.registry.manifest import Manifest
from tests.support.repositories import add_version


def test_a_missing_repository_has_no_versions(tmp_path: Path) -> None:
    assert Catalogue(tmp_path / "nowhere").scan() == ()


def test_versions_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for version in ("v10", "v2", "v1"):
        add_version(tmp_path, version)
    assert [one.version for one in Catalogue(tmp_path).imported()] == ["v1", "v2", "v10"]


def test_one_broken_version_never_hides_the_others(tmp_path: Path) -> None:
    add_version(tmp_path, "v1")
    (add_version(tmp_path, "v2") / "model.toml").write_text("[artifact]\nfile = [")
    (add_version(tmp_path, "v3") / "model.toml").write_bytes(b"\xff\xfe[artifact]")
    shutil.copytree(tmp_path / "v1", tmp_path / "v4")  # its manifest speaks of v1
    shutil.copytree(tmp_path / "v1", tmp_path / "not a name")
    found = {one.version: one for one in Catalogue(tmp_path).scan()}
    assert {name: one.state for name, one in found.items()} == {
        "v1": "imported",
        "v2": "failed",
        "v3": "failed",
        "v4": "failed",
        "not a name": "failed",
    }
    assert "not valid TOML" in found["v2"].problem
    assert "speaks of version 'v1'" in found["v4"].problem


def test_a_file_without_a_manifest_or_with_a_draft_is_bare(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "leaf.h5").write_bytes(b"x")
    (tmp_path / "v2/model.toml").write_text('title = "a draft"\n[preprocessing]\nresize = "tf-bilinear"\n')
    found = Catalogue(tmp_path).scan()
    assert [(one.state, [path.name for path in one.sources]) for one in found] == [("bare", ["leaf.h5"])] * 2


def test_folders_that_are_no_versions_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".import-abc/version").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "repository.toml").write_text("schema = 1")
    assert Catalogue(tmp_path).scan() == ()


@pytest.mark.parametrize("name", ["m.h5", "m.HDF5", "m.keras", "m.onnx"])
def test_sources_are_found_by_their_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / ".hidden.h5").write_text("x")
    assert [path.name for path in find_sources(tmp_path)] == [name]


def test_a_saved_model_is_a_source_as_a_folder_in_the_version_or_as_the_version_itself(tmp_path: Path) -> None:
    (tmp_path / "v1/inner").mkdir(parents=True)
    (tmp_path / "v1/inner/saved_model.pb").write_bytes(b"x")
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2/saved_model.pb").write_bytes(b"x")
    assert find_sources(tmp_path / "v1") == (tmp_path / "v1/inner",)
    assert find_sources(tmp_path / "v2") == (tmp_path / "v2",)


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    folder = add_version(tmp_path, "v1")
    catalogue = Catalogue(tmp_path)
    first = _manifest(catalogue)
    assert _manifest(catalogue) is first
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("min_confidence = 0.5", "min_confidence = 0.625"))
    assert _manifest(catalogue).decision.min_confidence == 0.625


def test_a_version_appears_and_disappears_while_running(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    folder = add_version(tmp_path, "v1")
    assert catalogue.find("v1").folder == folder
    shutil.rmtree(folder)
    with pytest.raises(NotFound):
        catalogue.find("v1")


def _manifest(catalogue: Catalogue) -> Manifest:
    manifest = catalogue.find("v1").manifest
    assert manifest is not None
    return manifest


def test_the_output_for_everything_else_is_no_condition_that_a_person_may_choose(tmp_path: Path) -> None:
    add_version(tmp_path, "v1", other_label="blue")
    assert list(known_labels(Catalogue(tmp_path).scan())) == ["red", "green"]
