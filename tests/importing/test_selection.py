"""What is chosen where images decide, and where they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from splitleaf.core.preprocessing import ColorOrder, ResizeFilter
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.images import read_labelled_folder
from splitleaf.importing.labels import StatedLabels
from splitleaf.importing.preprocessing import complete
from splitleaf.importing.selection import Declared, Selection, select
from splitleaf.registry.drafts import PreprocessingDraft
from tests.importing.photos import NAMES, SIDE, labelled_folder, picky_network

LABELS = (StatedLabels(NAMES, "labels.txt"),)
RGB = ColorOrder.RGB


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_folder(tmp_path_factory.mktemp("photos") / "test")


def chosen(
    photos: Path, draft: PreprocessingDraft, fixed: PreprocessingDraft | None = None, *, is_stated: bool = True
) -> Selection:
    """Select for the network that is right for x/255."""
    fixed = fixed or PreprocessingDraft(color=RGB)
    base = complete(fixed.over(draft), (SIDE, SIDE, 3))
    images = read_labelled_folder(photos)
    declared = Declared(base, fixed, is_stated, LABELS)
    runtime = OnnxRuntime(picky_network())
    return select(runtime, images, declared, classes=3, output="probabilities", tick=lambda *_: None)


def test_a_declared_preprocessing_that_is_as_good_as_any_is_kept(photos: Path) -> None:
    found = chosen(photos, PreprocessingDraft(scale=1 / 255, resize=ResizeFilter.TF_AREA))
    assert found.preprocessing.resize == "tf-area"
    assert found.warnings == ()
    assert [(row.chosen, row.declared) for row in found.table[:2]] == [(True, True), (False, False)]


def test_a_declared_preprocessing_that_images_prove_wrong_is_overruled_and_said(photos: Path) -> None:
    found = chosen(photos, PreprocessingDraft(scale=1.0))
    assert found.preprocessing.scale == pytest.approx(1 / 255)
    assert any("which these images prove better" in warning for warning in found.warnings)
    assert [row.accuracy for row in found.table if row.declared] == [pytest.approx(1 / 3)]


def test_what_the_command_line_states_is_never_overruled(photos: Path) -> None:
    fixed = PreprocessingDraft(scale=1.0, mean=(0.0,), std=(1.0,), color=RGB, resize=ResizeFilter.PILLOW_BOX)
    found = chosen(photos, PreprocessingDraft(), fixed, is_stated=False)
    assert (found.preprocessing.scale, found.preprocessing.resize) == (1.0, "pillow-box")
    assert found.right.mean() == pytest.approx(1 / 3)


def test_equals_that_images_cannot_tell_apart_are_said(photos: Path) -> None:
    found = chosen(photos, PreprocessingDraft(), is_stated=False)
    (warning,) = found.warnings
    assert warning.startswith("12 images cannot tell pillow-bilinear, x/255, rgb (100.0 %) from")
    assert "state which one training used" in warning


def test_every_order_of_the_labels_that_somebody_states_is_shown(photos: Path) -> None:
    found = chosen(photos, PreprocessingDraft(scale=1 / 255))
    assert [(one.origin, one.accuracy) for one in found.orders] == [
        ("labels.txt", 1.0),
        ("sorted folder names", 1.0),
        ("reversed folder names", pytest.approx(1 / 3)),
        ("detected from the answers", 1.0),
    ]
    assert [one.origin for one in found.orders if one.chosen] == ["labels.txt"]


def test_a_folder_may_show_fewer_classes_than_the_network_knows(tmp_path: Path) -> None:
    found = chosen(labelled_folder(tmp_path / "test", names=NAMES[:2]), PreprocessingDraft(scale=1 / 255))
    assert found.order == (0, 1)
    assert found.right.all()
