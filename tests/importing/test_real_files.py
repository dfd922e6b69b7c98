"""Real Keras files of several ages: each imports, finds its preprocessing, and answers as in its own framework."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from splitleaf.core.preprocessing import ResizeFilter
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.evaluation import score
from splitleaf.importing.images import read_labelled_folder
from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import match_by_answers
from splitleaf.importing.preprocessing import describe_values
from splitleaf.importing.report import ImportReport
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.sandbox import Sandbox
from splitleaf.importing.unimported import import_unimported
from tests.importing.real_files import FILES, KERAS_FILES, PHOTOS, RealFile, answers_of_original

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.importer,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (KERAS_FILES.is_dir() and PHOTOS.is_dir()),
        reason="the shared Keras files and photos do not lie beside this repository",
    ),
]

REPOSITORY = Path(__file__).parents[2] / "models/repository.toml"
EVERY = 10
"""Of the large networks every tenth photo is tried in all preprocessings; `benchmarks.keras_files` tries all."""


def some_photos(folder: Path, every: int) -> Path:
    """Copy some photos of each class."""
    for source in sorted(PHOTOS.iterdir()):
        (folder / source.name).mkdir(parents=True)
        for photo in sorted(source.iterdir())[::every]:
            shutil.copy(photo, folder / source.name)
    return folder


def imported(one: RealFile, tmp_path: Path, import_python: Path) -> ImportReport:
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(REPOSITORY, models)
    small = max(one.shape) <= 64
    photos = PHOTOS if small or os.environ.get("ALL_PHOTOS") else some_photos(tmp_path / "photos", EVERY)
    return import_model(ImportRequest(one.source, one.version, models, evaluate=photos, import_python=import_python))


@pytest.mark.parametrize("one", FILES, ids=lambda one: one.version)
def test_a_real_file_is_served_as_it_was_trained(one: RealFile, tmp_path: Path, import_python: Path) -> None:
    report = imported(one, tmp_path, import_python)
    manifest, images = report.manifest, read_labelled_folder(PHOTOS)
    chosen = manifest.preprocessing
    assert manifest.source.format == one.format
    assert ((chosen.height, chosen.width), len(manifest.labels)) == (one.shape, one.classes)
    assert report.parity.same_top_1 == report.parity.images
    assert (describe_values(chosen), chosen.color) == (one.values, "rgb")

    # All photos, in the preprocessing chosen and in that of the figure that is known.
    known = chosen.model_copy(update={"resize": ResizeFilter(one.resize)})
    runtime = OnnxRuntime(report.folder / manifest.artifact.file)
    scores = score(runtime, images, [*{known, chosen}], lambda *_: None)
    order = match_by_answers(scores.answer_counts(chosen))
    assert scores.right(known, order).mean() == pytest.approx(one.accuracy, abs=0.0005 + 1 / 600)
    assert scores.right(chosen, order).mean() >= one.accuracy - 2 / 600
    # The labels as imported say the same as the order that fits best.
    assert {manifest.labels[output] for output in order} == set(images.folders)
    assert tuple(manifest.labels[output] for output in order) == images.folders

    original = answers_of_original(one.source, images, chosen, Sandbox(import_python))
    assert original.shape == (600, one.classes)
    assert (original.argmax(axis=1) == scores.answers(chosen)).all()
    assert np.abs(original - scores.outputs[chosen]).max() < 1e-4


def test_the_second_seed_file_wants_nearest_neighbours(tmp_path: Path, import_python: Path) -> None:
    """Pillow's default filters cost it ten points, and nothing but labelled photos shows it."""
    report = imported(FILES[1], tmp_path, import_python)
    assert report.manifest.preprocessing.resize in {"pillow-nearest", "tf-nearest"}
    rows = [row for row in report.table if (row.values, row.preprocessing.color) == ("x/255", "rgb")]
    accuracy = {row.preprocessing.resize: row.accuracy for row in rows}
    assert accuracy[ResizeFilter.PILLOW_NEAREST] - accuracy[ResizeFilter.PILLOW_BILINEAR] > 0.05


@pytest.mark.parametrize("declared", ["", "[preprocessing]\nscale = 1.0\n"], ids=["nothing", "what is wrong"])
def test_bare_files_are_imported_whatever_the_repository_says_of_their_images(
    tmp_path: Path, import_python: Path, declared: str
) -> None:
    """On pixels of 0 to 255 the second network is so steep that two runtimes differ by more than 1e-4."""
    models = tmp_path / "models"
    for version in ("v1", "v2"):
        shutil.copytree(KERAS_FILES / "seed" / version, models / version, copy_function=shutil.copyfile)
        (models / version).chmod(0o755)
    labels = REPOSITORY.read_text(encoding="utf-8").partition("# Pixels")[0]
    (models / "repository.toml").write_text(labels + declared, encoding="utf-8")
    options = ImportRequest(Path(), "", models, import_python=import_python)
    outcomes = import_unimported(models, options, lambda _: lambda _: None)
    for version in ("v1", "v2"):
        report = outcomes[version]
        assert isinstance(report, ImportReport), report
        assert describe_values(report.manifest.preprocessing) == ("0..255" if declared else "x/255")
        assert bool(report.warnings) is not bool(declared)
