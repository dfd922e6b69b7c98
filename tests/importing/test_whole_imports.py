"""Imports from the first to the last step; of ONNX files, which need neither Keras nor TensorFlow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from splitleaf.core.errors import ConfigurationError, Conflict, SplitleafError
from splitleaf.engine.loading import load_classifier
from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import parse_labels
from splitleaf.importing.preprocessing import parse_preprocessing
from splitleaf.importing.report import ImportReport
from splitleaf.importing.request import ImportRequest, Progress
from splitleaf.importing.unimported import import_unimported
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.digests import sha256_tree, verify_version
from tests.importing.photos import NAMES, labelled_folder, picky_network
from tests.importing.refusing import refused


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "leaf.onnx").write_bytes(picky_network())
    return tmp_path / "leaf.onnx"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return labelled_folder(tmp_path / "photos/test")


def request(source: Path, models: Path, version: str = "v1", **more: Any) -> ImportRequest:
    return ImportRequest(source, version, models, **more)


LABELS: dict[str, Any] = {"labels": parse_labels("blue,green,red")}


def test_an_import_makes_a_version_that_serving_accepts(source: Path, models: Path) -> None:
    report = import_model(request(source, models, **LABELS, preprocessing=parse_preprocessing("1/255")))
    manifest = verify_version(models / "v1")
    assert sha256_tree(models / "v1" / manifest.source.file) == manifest.source.sha256
    assert manifest == report.manifest
    assert (manifest.labels, manifest.source.file, manifest.artifact.output) == (NAMES, "leaf.onnx", "probabilities")
    assert manifest.evaluation is None
    load_classifier(models / "v1")  # asks the golden images
    assert sorted(path.name for path in models.iterdir()) == ["v1"]


def test_labelled_images_find_scaling_channel_order_and_labels(source: Path, models: Path, photos: Path) -> None:
    report = import_model(request(source, models, evaluate=photos))
    manifest = report.manifest
    assert manifest.preprocessing.scale == pytest.approx(1 / 255)
    assert (manifest.labels, report.labels_origin) == (NAMES, "sorted folder names")
    assert manifest.evaluation is not None
    assert (manifest.evaluation.accuracy, manifest.evaluation.images) == (1.0, 12)
    assert manifest.evaluation.dataset == "photos/test"
    assert (report.parity.same_top_1, report.parity.real_pictures) == (28, 12)
    wrong = [row for row in report.table if row.values == "0..255"]
    assert wrong
    assert max(row.accuracy for row in wrong) < 0.5


def test_labels_in_another_order_are_put_right_and_said(tmp_path: Path, models: Path, photos: Path) -> None:
    (tmp_path / "leaf.onnx").write_bytes(picky_network(order=(2, 0, 1)))
    (models / "repository.toml").write_text('labels = ["blue", "green", "red"]')
    report = import_model(request(tmp_path / "leaf.onnx", models, evaluate=photos))
    assert report.manifest.labels == ("red", "blue", "green")
    assert report.labels_origin == "detected from the answers"
    assert any("order of repository.toml does not fit" in warning for warning in report.warnings)


def test_labels_that_are_given_are_never_overruled_but_doubted(tmp_path: Path, models: Path, photos: Path) -> None:
    (tmp_path / "leaf.onnx").write_bytes(picky_network(order=(2, 0, 1)))
    report = import_model(request(tmp_path / "leaf.onnx", models, evaluate=photos, **LABELS))
    assert report.manifest.labels == NAMES
    assert report.manifest.evaluation is not None
    assert report.manifest.evaluation.accuracy == 0
    assert any("check them" in warning for warning in report.warnings)


def test_folders_are_named_as_the_repository_names_its_labels(source: Path, models: Path, tmp_path: Path) -> None:
    (models / "repository.toml").write_text('labels = ["Blue", "Green", "Red"]\n[display_names]\nRed = "Reddish"\n')
    photos = labelled_folder(tmp_path / "test", names=("Tomato___blue", "Tomato___green", "Tomato___red"))
    manifest = import_model(request(source, models, evaluate=photos)).manifest
    assert manifest.labels == ("Blue", "Green", "Red")
    assert manifest.display_name("Red") == "Reddish"


def test_a_draft_beside_the_source_is_followed(models: Path) -> None:
    folder = models / "v1"
    folder.mkdir()
    (folder / "leaf.onnx").write_bytes(picky_network())
    (folder / "model.toml").write_text(
        'title = "Leaf"\nlabels = ["a", "b", "c"]\n[preprocessing]\nresize = "tf-area"\nscale = 0.5\n'
        "[decision]\nmin_confidence = 0.75\n[batching]\ncap = 3\n"
    )
    (folder / "NOTES.md").write_text("kept")
    manifest = import_model(request(folder / "leaf.onnx", models)).manifest
    assert (manifest.title, manifest.labels) == ("Leaf", ("a", "b", "c"))
    assert (manifest.preprocessing.resize, manifest.preprocessing.scale) == ("tf-area", 0.5)
    assert (manifest.decision.min_confidence, manifest.batching.cap) == (0.75, 3)
    assert (folder / "NOTES.md").read_text() == "kept"


def test_a_calibration_folder_gives_the_temperature(source: Path, models: Path, photos: Path) -> None:
    report = import_model(request(source, models, evaluate=photos, calibrate=photos))
    assert report.calibration is not None
    assert report.manifest.calibration.temperature == report.calibration.temperature
    # The network is always right and not sure enough: the best temperature is far below 1.
    assert report.calibration.temperature < 0.5
    assert report.calibration.log_loss_after < report.calibration.log_loss_before


def test_images_that_are_given_are_kept_as_golden_ones(source: Path, models: Path, photos: Path) -> None:
    import_model(request(source, models, golden=photos, **LABELS))
    golden = load_classifier(models / "v1")
    assert golden is not None
    import numpy as np

    with np.load(models / "v1/artifact/golden.npz") as kept:
        assert kept["inputs"].shape == (16, 16, 16, 3)
        # Four synthetic ones, then the twelve photos: the first of them is of a blue folder, channel 0.
        assert kept["inputs"][4].mean(axis=(0, 1)).argmax() == 0


def test_the_report_names_no_path_of_this_machine(source: Path, models: Path, photos: Path, tmp_path: Path) -> None:
    import_model(request(source, models, evaluate=photos))
    text = (models / "v1/artifact/import-report.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["manifest"]["version"] == "v1"


def test_images_that_the_intake_refuses_are_counted(source: Path, models: Path, photos: Path) -> None:
    (photos / "red/broken.jpg").write_bytes(b"no image")
    report = import_model(request(source, models, evaluate=photos))
    assert report.refused_images == 1
    assert report.manifest.evaluation is not None
    assert report.manifest.evaluation.images == 12


# What is refused, and what a refused import leaves behind


def sigmoid() -> bytes:
    return picky_network(ending="Sigmoid")


@pytest.mark.parametrize(
    ("network", "more", "code"),
    [
        (picky_network(), {"labels": parse_labels("a,b")}, "labels_do_not_fit"),
        (picky_network(), {}, "labels_missing"),
        (picky_network(), {**LABELS, "preprocessing": parse_preprocessing("height=8")}, "invalid_preprocessing"),
        (picky_network(side="any"), LABELS, "input_size_unknown"),
        (sigmoid(), LABELS, "not_a_classifier"),
        (b"", LABELS, "source_empty"),
        (picky_network()[:-20], LABELS, "source_damaged"),
    ],
    ids=["too few labels", "no labels", "another size", "any size", "several labels an image", "empty", "cut off"],
)
def test_an_import_that_is_refused_leaves_nothing_behind(
    tmp_path: Path, models: Path, network: bytes, more: dict[str, Any], code: str
) -> None:
    (tmp_path / "leaf.onnx").write_bytes(network)
    with refused(code):
        import_model(request(tmp_path / "leaf.onnx", models, **more))
    assert list(models.iterdir()) == []


def test_a_network_for_any_size_is_imported_for_the_size_that_is_stated(tmp_path: Path, models: Path) -> None:
    (tmp_path / "leaf.onnx").write_bytes(picky_network(side="any"))
    stated = parse_preprocessing("height=20,width=12")
    manifest = import_model(request(tmp_path / "leaf.onnx", models, preprocessing=stated, **LABELS)).manifest
    assert (manifest.preprocessing.height, manifest.preprocessing.width) == (20, 12)


@pytest.mark.parametrize("version", ["../v1", "", ".hidden", "v 1", "v" * 65])
def test_a_version_has_a_plain_name(source: Path, models: Path, version: str) -> None:
    with refused("invalid_version"):
        import_model(request(source, models, version, **LABELS))


def test_a_source_that_is_not_there_is_called_missing(models: Path, tmp_path: Path) -> None:
    with refused("source_missing"):
        import_model(request(tmp_path / "leaf.h5", models, **LABELS))


def test_images_without_labels_are_refused(source: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with refused("no_labelled_images"):
        import_model(request(source, models, evaluate=tmp_path / "empty"))
    with refused("no_images"):
        import_model(request(source, models, golden=tmp_path / "empty", **LABELS))


def test_what_systems_leave_in_folders_is_no_class_and_no_image(source: Path, models: Path, photos: Path) -> None:
    for hidden in (".ipynb_checkpoints", "__MACOSX", ".Trash-1000"):
        shutil.copytree(photos / "red", photos / hidden)
    shutil.copytree(photos / "red", photos / "blue/.thumbnails")
    (photos / "red/Thumbs.db").write_bytes(b"not an image")
    (photos / "red/._0.png").write_bytes(b"not an image")
    report = import_model(request(source, models, evaluate=photos))
    assert sorted(report.manifest.labels) == sorted(NAMES)
    assert report.refused_images == 0
    assert report.manifest.evaluation is not None
    assert report.manifest.evaluation.accuracy == 1.0


def test_a_folder_of_train_and_val_is_no_folder_of_classes(source: Path, models: Path, photos: Path) -> None:
    shutil.copytree(photos, photos.parent / "data/train")
    shutil.copytree(photos, photos.parent / "data/val")
    with refused("no_labelled_images", "parts of a data set and not classes: give one of them, for example"):
        import_model(request(source, models, evaluate=photos.parent / "data"))


def test_a_labels_file_with_another_count_is_refused(source: Path, models: Path) -> None:
    (source.parent / "labels.txt").write_text("blue\ngreen\n")
    with refused("labels_do_not_fit", "labels.txt names 2 labels; the network has 3 outputs"):
        import_model(request(source, models))
    import_model(request(source, models, **LABELS))  # `--labels` overrules it


def test_more_folders_than_outputs_are_refused(source: Path, models: Path, photos: Path) -> None:
    (photos / "yellow").mkdir()
    (photos / "yellow/0.png").write_bytes((photos / "red/0.png").read_bytes())
    with refused("labels_do_not_fit", "4 folders, but the network only 3 outputs"):
        import_model(request(source, models, evaluate=photos))


def test_an_imported_version_is_immutable_unless_replacing_is_asked_for(source: Path, models: Path) -> None:
    first = import_model(request(source, models, **LABELS)).manifest
    source.write_bytes(picky_network(order=(2, 1, 0)))
    with pytest.raises(Conflict, match="immutable") as caught:
        import_model(request(source, models, **LABELS))
    assert caught.value.error_code == "version_exists"
    assert verify_version(models / "v1") == first
    second = import_model(request(source, models, replace=True, **LABELS)).manifest
    assert second.digest != first.digest
    assert verify_version(models / "v1") == second


def test_a_replacement_that_is_refused_leaves_the_old_version_serving(source: Path, models: Path) -> None:
    import_model(request(source, models, **LABELS))
    before = {path: path.read_bytes() for path in sorted(models.rglob("*")) if path.is_file()}
    source.write_bytes(sigmoid())
    with refused("not_a_classifier"):
        import_model(request(source, models, replace=True, **LABELS))
    assert {path: path.read_bytes() for path in sorted(models.rglob("*")) if path.is_file()} == before


@pytest.mark.parametrize("step", ["inspecting", "proving parity"])
def test_a_source_that_changes_during_its_import_is_refused(source: Path, models: Path, step: str) -> None:
    def spoil(progress: Progress) -> None:
        if progress.step == step:
            source.write_bytes(picky_network(order=(1, 0, 2)))

    with refused("source_changed"):
        import_model(request(source, models, **LABELS), spoil)
    assert list(models.iterdir()) == []


def test_an_import_that_is_interrupted_leaves_nothing_behind(source: Path, models: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == "publishing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_model(request(source, models, **LABELS), interrupt)
    assert list(models.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "text"), [("repository.toml", "lables = []"), ("v1/model.toml", "[preprocessing]\nresize = 'nearest'")]
)
def test_a_fault_in_what_is_declared_is_named(source: Path, models: Path, file: str, text: str) -> None:
    (models / "v1").mkdir()
    (models / file).write_text(text)
    with pytest.raises(ConfigurationError, match=r"lables|resize"):
        import_model(request(source, models, **LABELS))


def test_all_bare_versions_are_imported_and_one_that_is_refused_hinders_no_other(models: Path) -> None:
    (models / "repository.toml").write_text('labels = ["blue", "green", "red"]')
    for version, content in {"v1": picky_network(), "v2": b"", "v3": picky_network((1, 0, 2))}.items():
        (models / version).mkdir()
        (models / version / "leaf.onnx").write_bytes(content)
    (models / "v4").mkdir()
    for name in ("a.onnx", "b.onnx"):
        (models / "v4" / name).write_bytes(picky_network())
    outcomes = import_unimported(models, request(Path(), models, ""), lambda _: lambda _: None)
    assert {name: _outcome(one) for name, one in outcomes.items()} == {
        "v1": "imported",
        "v2": "source_empty",
        "v3": "imported",
        "v4": "ambiguous_source",
    }
    states = {one.version: one.state for one in Catalogue(models).scan()}
    assert states == {"v1": "imported", "v2": "bare", "v3": "imported", "v4": "bare"}
    assert set(import_unimported(models, request(Path(), models, ""), lambda _: lambda _: None)) == {"v2", "v4"}


def _outcome(outcome: ImportReport | SplitleafError) -> str:
    return "imported" if isinstance(outcome, ImportReport) else outcome.error_code
